"""Fitbit minutes and samples against tables written by hand."""

import gzip
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inference.pulsenet.series import HEART_RATE, Series
from inference.recordings import fitbit_minutes, fitbit_seconds
from schemas.errors import ContractError

HEAD = "user,date,time,hr,intensity,steps"
ROWS = [
    "7,2016-04-02,2016-04-02 09:49:00,75,1,34",
    "8,2016-04-02,2016-04-02 20:00:00,60,0,0",
    "7,2016-04-02,2016-04-02 09:52:00,69,3,0",
    "7,2016-04-02,2016-04-02 09:50:00,75,0,",
]
SAMPLES = "id,time,hr\n7,2016-04-02 13:49:00,70\n7,2016-04-02 13:49:55,80\n7,2016-04-02 13:51:10,0\n"

Reader = Callable[[Path], list[Series]]


def write(folder: Path, text: str, name: str = "minutes.csv") -> Path:
    """Write a table."""
    path = folder / name
    path.write_text(text)
    return path


def test_a_wearers_rows_become_a_grid_of_minutes(tmp_path: Path) -> None:
    """Minutes without a row are not measured, an empty cell neither; rows may be mixed and out of order."""
    first, second = fitbit_minutes.read(write(tmp_path, "\n".join([HEAD, *ROWS])))
    assert (first.name, second.name, first.data) == ("7", "8", "real")
    np.testing.assert_array_equal(first.values[:, HEART_RATE], [75, 75, np.nan, 69])
    np.testing.assert_array_equal(first.steps, [34, np.nan, np.nan, 0])
    assert np.isnan(first.values[:, 1:]).all()
    assert np.isnan(first.motion).all()
    assert first.worn.tolist() == [0, 0, 0, 0]
    assert second.minutes == 1


def test_the_wall_clock_is_four_hours_behind_utc(tmp_path: Path) -> None:
    """Minute 09:49 of the wall clock is 13:49 UTC, and the offset brings it back."""
    series = fitbit_minutes.read(write(tmp_path, "\n".join([HEAD, *ROWS])))[0]
    assert series.first_minute % 1440 == 13 * 60 + 49
    assert (series.first_minute + series.utc_offset_min) % 1440 == 9 * 60 + 49


def test_the_intensity_changes_nothing(tmp_path: Path) -> None:
    """A table without `intensity`, or with another, gives the same series: it tells the heart rate."""
    plain = fitbit_minutes.read(write(tmp_path, "\n".join([HEAD, *ROWS])))[0]
    cells = [row.split(",") for row in [HEAD, *ROWS]]
    without = "\n".join(",".join([*row[:4], row[5]]) for row in cells)
    other = fitbit_minutes.read(write(tmp_path, without, "other.csv"))[0]
    np.testing.assert_array_equal(other.values, plain.values)
    np.testing.assert_array_equal(other.steps, plain.steps)


def test_equal_values_of_a_gap_stay(tmp_path: Path) -> None:
    """A forward-filled stretch is given as it is in the file: to find it is the model's work."""
    rows = [f"7,2016-04-02,2016-04-02 10:{minute:02d}:00,71,0,0" for minute in range(30)]
    series = fitbit_minutes.read(write(tmp_path, "\n".join([HEAD, *rows])))[0]
    assert (series.values[:, HEART_RATE] == 71).all()


def test_samples_become_means_of_utc_minutes(tmp_path: Path) -> None:
    """Two samples of a minute give their mean; 0 is no heart rate; steps are unknown."""
    (series,) = fitbit_seconds.read(write(tmp_path, SAMPLES))
    np.testing.assert_array_equal(series.values[:, HEART_RATE], [75, np.nan, np.nan])
    assert np.isnan(series.steps).all()
    assert series.first_minute % 1440 == 13 * 60 + 49


def test_minutes_and_samples_of_one_moment_meet(tmp_path: Path) -> None:
    """Both readers give the same minute since 1970 for the same moment."""
    minutes = fitbit_minutes.read(write(tmp_path, "\n".join([HEAD, *ROWS])))[0]
    (samples,) = fitbit_seconds.read(write(tmp_path, SAMPLES, "samples.csv"))
    assert minutes.first_minute == samples.first_minute


@pytest.mark.parametrize("name", ["minutes.csv.gz", "minutes"])
def test_a_gzipped_file_is_known_by_its_first_bytes(tmp_path: Path, name: str) -> None:
    """A gzipped table reads the same, whatever its name ends with."""
    path = tmp_path / name
    path.write_bytes(gzip.compress("\n".join([HEAD, *ROWS]).encode()))
    assert [series.name for series in fitbit_minutes.read(path)] == ["7", "8"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "empty"),
        (HEAD, "no rows"),
        ("user,time,hr\n7,2016-04-02 09:49:00,75", "no column steps"),
        (f"{HEAD}\n7,2016-04-02,2016-04-02 09:49:00,75", "line 2: expected 6 columns"),
        ("\n".join([HEAD, ROWS[0], "7,d,2016-04-02 09:50:00,seventy,0,0"]), "line 3: hr must be a number"),
        ("\n".join([HEAD, ROWS[0], "7,d,2016-04-02 09:50:00,nan,0,0"]), "line 3: hr must be finite"),
        (f"{HEAD}\n7,d,yesterday,70,0,0", "line 2: time must be like"),
        (f"{HEAD}\n7,d,2016-04-02T09:50:00+02:00,70,0,0", "line 2: time must be without a zone"),
        (f"{HEAD}\n7,d,2016-04-02 09:50:00,70,0,-3", "line 2: nobody makes -3 steps"),
        ("\n".join([HEAD, ROWS[0], ROWS[0]]), "line 3: wearer 7 has this minute twice"),
        (f"{HEAD}\n,d,2016-04-02 09:50:00,70,0,0", "line 2: it names no wearer"),
        ("\n".join([HEAD, ROWS[0], "7,d,2061-04-02 09:50:00,70,0,0"]), "a date is wrong"),
    ],
)
def test_an_odd_table_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    """What is wrong, the file, and the line where there is one, are in the error."""
    with pytest.raises(ContractError, match=said) as caught:
        fitbit_minutes.read(write(tmp_path, text))
    assert "minutes.csv" in str(caught.value)


@pytest.mark.parametrize("reader", [fitbit_minutes.read, fitbit_seconds.read])
def test_a_truncated_gzip_file_is_refused(tmp_path: Path, reader: Reader) -> None:
    """A file that ends in the middle, or whose bytes are damaged, is not read in part."""
    packed = gzip.compress(("\n".join([HEAD, *ROWS]) + "\n" + SAMPLES).encode())
    for number, content in enumerate([packed[:-20], packed[:30], packed[:20] + b"\x00\xff" * 30, packed[:2]]):
        path = tmp_path / f"{number}.csv.gz"
        path.write_bytes(content)
        with pytest.raises(ContractError, match=path.name):
            reader(path)


@pytest.mark.parametrize("reader", [fitbit_minutes.read, fitbit_seconds.read])
def test_another_file_or_none_is_refused(tmp_path: Path, reader: Reader) -> None:
    """A picture, a folder and a path without a file are refused by name."""
    picture = tmp_path / "picture.png"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    for path in (picture, tmp_path, tmp_path / "nowhere.csv"):
        with pytest.raises(ContractError, match=path.name):
            reader(path)


def test_each_format_refuses_the_other(tmp_path: Path) -> None:
    """Minutes given as samples, and samples as minutes, are refused by the missing column."""
    with pytest.raises(ContractError, match="no column id"):
        fitbit_seconds.read(write(tmp_path, "\n".join([HEAD, *ROWS])))
    with pytest.raises(ContractError, match="no column user"):
        fitbit_minutes.read(write(tmp_path, SAMPLES, "samples.csv"))
