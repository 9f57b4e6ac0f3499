"""A folder of wristband recordings with labels, made so that its minutes can be computed by hand."""

from pathlib import Path

import numpy as np
import pytest

from inference.pulsenet.series import HEART_RATE, HRV_RMSSD, RESPIRATORY_RATE, SKIN_TEMPERATURE
from inference.recordings import stress_predict
from schemas.errors import ContractError
from tests.made_recording import START_S, write_e4

MINUTES = 8
FIRST_S = 1_644_829_920
"""The beginning of a minute."""


def write_person(folder: Path) -> None:
    """Write 8 min from a minute's beginning: 70, then 80 bpm; 30 and 32 Cel, 0.5 and 1.5 g, 0.8 and 0.82 s by turns."""
    folder.mkdir()
    seconds = MINUTES * 60
    rates = ["70.0"] * (seconds // 2) + ["80.0"] * (seconds // 2)
    (folder / "HR.csv").write_text("\n".join([f"{FIRST_S + 1}.0", "1.0", *rates]))
    (folder / "TEMP.csv").write_text("\n".join([f"{FIRST_S}.0", "1.0", *["30.0", "32.0"] * (seconds // 2)]))
    header = [f"{FIRST_S}.0,{FIRST_S}.0,{FIRST_S}.0", "4.0,4.0,4.0"]
    (folder / "ACC.csv").write_text("\n".join([*header, *["0,0,32", "0,0,96"] * (seconds * 2)]))
    ends_s, lines = 0.0, [f"{FIRST_S}.0, IBI"]
    while ends_s < seconds - 2:
        interval_s = 0.8 if len(lines) % 2 else 0.82
        ends_s += interval_s
        lines.append(f"{ends_s:.6f},{interval_s:.6f}")
    (folder / "IBI.csv").write_text("\n".join(lines))


def write_labels(folder: Path, *rows: str) -> None:
    """Write labels."""
    (folder / "labels_1hz.csv").write_text("\n".join(["person,time_unix_s,respiratory_rate,stress", *rows]))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One person, labelled for the first minute: stress in its second half."""
    write_person(tmp_path / "S01")
    write_labels(tmp_path, *(f"S01,{FIRST_S + second},{12 + second // 30},{second // 30}" for second in range(60)))
    return tmp_path


def test_seconds_become_means_of_minutes(folder: Path) -> None:
    """Heart rate, temperature and motion are means of the minute's seconds; what no E4 measures is absent."""
    (series,) = stress_predict.read(folder)
    assert (series.name, series.first_minute, series.minutes) == ("S01", FIRST_S // 60, MINUTES)
    np.testing.assert_allclose(series.values[:, HEART_RATE], [70.0] * 4 + [80.0] * 4)
    np.testing.assert_allclose(series.values[:, SKIN_TEMPERATURE], [31.0] * MINUTES)
    np.testing.assert_allclose(series.motion, [0.5] * MINUTES)
    assert np.isnan(series.steps).all()
    measured = [HEART_RATE, HRV_RMSSD, SKIN_TEMPERATURE]
    assert np.isnan(np.delete(series.values, measured, axis=1)).all()


def test_rmssd_is_that_of_the_five_minutes_before_a_minutes_end(folder: Path) -> None:
    """Intervals that alternate by 20 ms have an RMSSD of 20 ms, once there are beats enough."""
    (person,) = stress_predict.people(folder)
    rmssd_ms = person.series.values[:, HRV_RMSSD]
    assert np.isnan(rmssd_ms[0])
    np.testing.assert_allclose(rmssd_ms[1:], 20.0, atol=0.01)
    assert person.hrv.window_s.tolist() == [300.0] * MINUTES
    assert person.beats.believed.all()
    assert person.beat_ends_s[0] == pytest.approx(FIRST_S + 0.8)


def test_labels_stay_out_of_the_series(folder: Path) -> None:
    """Half of the first minute is labelled as stress; the series tells nothing of stress or breathing."""
    (person,) = stress_predict.people(folder)
    assert person.labels is not None
    first = person.labels.time_s // 60 == person.series.first_minute
    assert person.labels.stress[first].mean() == pytest.approx(0.5)
    assert np.isnan(person.series.values[:, RESPIRATORY_RATE]).all()


def test_people_without_labels_are_read(folder: Path) -> None:
    """Without the file of labels, or without a row in it, a person's labels are None."""
    write_person(folder / "S02")
    first, second = stress_predict.people(folder)
    assert first.labels is not None
    assert second.labels is None
    (folder / "labels_1hz.csv").unlink()
    assert stress_predict.people(folder)[0].labels is None


def test_a_recording_within_a_minute_is_one_minute_or_two(tmp_path: Path) -> None:
    """12 s that begin 5 s after a minute are one row."""
    (tmp_path / "S03").mkdir()
    write_e4(tmp_path / "S03")
    (series,) = stress_predict.read(tmp_path)
    assert (series.first_minute, series.minutes) == (START_S // 60, 1)
    assert series.values[0, HEART_RATE] == 71.5


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("S01,1644829920,12,2", "line 2: stress must be 0 or 1"),
        ("S01,1644829920,12,calm", "line 2: stress must be a number"),
        ("S01,1644829920,12", "line 2: expected 4 columns"),
    ],
)
def test_odd_labels_are_refused_with_their_line(folder: Path, row: str, said: str) -> None:
    """A label that is none is refused by file and line."""
    write_labels(folder, row)
    with pytest.raises(ContractError, match=f"labels_1hz.csv, {said}"):
        stress_predict.read(folder)


def test_another_folder_is_refused(tmp_path: Path) -> None:
    """A folder that is not there, an empty one, and one of something else are refused by name."""
    with pytest.raises(ContractError, match=r"no folder .*nowhere"):
        stress_predict.read(tmp_path / "nowhere")
    with pytest.raises(ContractError, match="one a person"):
        stress_predict.read(tmp_path)
    (tmp_path / "pictures").mkdir()
    with pytest.raises(ContractError, match=r"pictures.*HR\.csv is missing"):
        stress_predict.read(tmp_path)
