"""Spot measurements, days and onsets against tables written by hand."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from inference.recordings import welltory
from schemas.errors import ContractError

TABLES = {
    "hrv_measurements": [
        "user_code,rr_code,measurement_datetime,bpm,sdnn,rmssd,rr_data",
        'a,2,2020-04-26 11:19:25,70,32.889,33.022,"888,775,811.5"',
        'a,1,2020-04-21 21:23:08,75,45.802,54.174,"819,1008"',
        'c,3,2020-05-01 08:00:00,75,,,"900"',
    ],
    "wearables": [
        "user_code,day,resting_pulse,pulse_average,pulse_min,pulse_max,average_spo2_value,body_temperature_avg,steps_count",
        "a,2020-04-26,66.0,73.0,65.0,87.0,97.5,36.6,5000",
        "a,2020-04-25,,,,,,,",
    ],
    "participants": ["user_code,gender,symptoms_onset", "a,m,4/24/2020", "b,f,", "c,f,7/7/1987", "d,f,5/2/2020"],
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The made tables."""
    for name, lines in TABLES.items():
        (tmp_path / f"{name}.csv").write_text("\n".join(lines))
    return tmp_path


def change(folder: Path, name: str, line: int, text: str) -> None:
    """Replace one line (the head is 1) of a table."""
    lines = list(TABLES[name])
    lines[line - 1] = text
    (folder / f"{name}.csv").write_text("\n".join(lines))


def test_spots_are_in_order_of_time_with_their_intervals(folder: Path) -> None:
    """Intervals are as measured, on the wall clock, with what the app told; an empty figure is NaN."""
    people = {person.name: person for person in welltory.read(folder)}
    first, second = people["a"].spots
    np.testing.assert_array_equal(first.intervals_ms, [819, 1008])
    np.testing.assert_array_equal(second.intervals_ms, [888, 775, 811.5])
    assert (second.told_rmssd_ms, second.told_sdnn_ms) == (33.022, 32.889)
    assert first.local_s % 86_400 == (21 * 60 + 23) * 60 + 8
    assert np.isnan(people["c"].spots[0].told_rmssd_ms)
    assert (list(people), people["b"].spots, people["b"].days) == (["a", "b", "c", "d"], (), ())


def test_days_are_in_order_with_what_was_told(folder: Path) -> None:
    """An empty cell is NaN, never 0."""
    empty, full = welltory.read(folder)[0].days
    assert (empty.day, full.day) == (date(2020, 4, 25), date(2020, 4, 26))
    assert np.isnan([empty.resting_heart_rate_bpm, empty.steps]).all()
    assert (full.resting_heart_rate_bpm, full.spo2_percent, full.body_temperature_cel) == (66.0, 97.5, 36.6)


def test_an_onset_that_cannot_be_is_none(folder: Path) -> None:
    """A day of birth, a day after all measurements and an empty cell are no onset."""
    assert [person.onset for person in welltory.read(folder)] == [date(2020, 4, 24), None, None, None]


@pytest.mark.parametrize("name", list(TABLES))
def test_a_missing_table_is_named(folder: Path, name: str) -> None:
    """A folder without one of the tables is refused by that table's name."""
    (folder / f"{name}.csv").unlink()
    with pytest.raises(ContractError, match=name):
        welltory.read(folder)


@pytest.mark.parametrize(
    ("name", "line", "text", "said"),
    [
        ("hrv_measurements", 3, 'a,1,2020-04-21 21:23:08,75,1,1,"819,,8"', "line 3: rr_data must be numbers"),
        ("hrv_measurements", 3, 'a,1,2020-04-21 21:23:08,75,1,1,"819,-8"', "line 3: rr_data must be positive"),
        ("hrv_measurements", 3, "a,1,2020-04-21 21:23:08,75,1,1,", "line 3: rr_data must be numbers"),
        ("hrv_measurements", 3, 'z,1,2020-04-21 21:23:08,75,1,1,"819"', "line 3: 'z' is nobody"),
        ("hrv_measurements", 1, "user_code,time", "no column measurement_datetime"),
        ("wearables", 2, "a,26.4.2020,66.0,73.0,65.0,87.0,97.5,36.6,5000", "line 2: day must be like"),
        ("wearables", 2, "a,2020-04-26,high,73.0,65.0,87.0,97.5,36.6,5000", "line 2: resting_pulse must be a number"),
        ("participants", 2, "a,m,24.4.2020", "line 2: symptoms_onset must be like"),
    ],
)
def test_an_odd_row_is_refused_with_its_line(folder: Path, name: str, line: int, text: str, said: str) -> None:
    """What is wrong, the table and the line are in the error."""
    change(folder, name, line, text)
    with pytest.raises(ContractError, match=f"{name}.csv.*{said}"):
        welltory.read(folder)
