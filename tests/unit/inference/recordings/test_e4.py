"""E4 folders against values computed by hand."""

import gzip
from pathlib import Path

import pytest

from inference.recordings.e4 import Recording, read_e4
from schemas.errors import RecordingError
from tests.made_recording import START_S, write_e4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The made recording of 12 s."""
    write_e4(tmp_path)
    return tmp_path


def test_each_second_holds_what_was_measured_in_it(folder: Path) -> None:
    """Acceleration is the mean magnitude, motion the mean distance from 1 g, temperature the second's last sample."""
    recording = read_e4(folder)
    assert (recording.start_ms, recording.seconds) == (START_S * 1000, 12)
    assert recording.reading(0) == {"skin_temperature": 20.3, "acceleration": 1.0, "motion": 0.0}
    # Half of the samples at 0.5 g, half at 2 g: mean 1.25 g, mean distance (0.5 + 1) / 2 = 0.75 g.
    assert recording.reading(10) == {"skin_temperature": 30.3, "acceleration": 1.25, "motion": 0.75}


def test_the_heart_rate_belongs_to_the_second_that_ends_at_its_time(folder: Path) -> None:
    """The first value of HR.csv, 10 s after the start, is in the reading whose second ends there."""
    assert read_e4(folder).vitals["heart_rate"][9] == 71.5
    assert (read_e4(folder).reading(9) or {})["heart_rate"] == 71.5


def test_beats_lie_in_the_second_in_which_they_end(folder: Path) -> None:
    """A beat that ends at exactly 3 s belongs to the second before; one after it to the next."""
    recording = read_e4(folder)
    assert (recording.reading(2) or {})["ibi"] == [750.0, 468.8, 800.0]
    assert "ibi" not in (recording.reading(3) or {})


def test_implausible_values_are_left_out_and_counted(folder: Path) -> None:
    """A heart rate of 300 and a beat of 5 s are absent, and the recording says how many were."""
    recording = read_e4(folder)
    assert "heart_rate" not in (recording.reading(10) or {})
    assert recording.left_out == {"heart_rate": 1, "skin_temperature": 0, "acceleration": 0, "motion": 0, "ibi": 1}


def test_quality_and_worn_stay_unknown(folder: Path) -> None:
    """Nothing in an E4 export tells quality or wear, so no reading claims them."""
    recording = read_e4(folder)
    rows = [recording.reading(row) or {} for row in range(recording.seconds)]
    assert not any({"quality", "worn"} & row.keys() for row in rows)


def test_a_second_that_is_not_fully_sampled_has_no_motion(folder: Path) -> None:
    """When the accelerometer stops in the middle of a second, that second has no acceleration and no motion."""
    path = folder / "ACC.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-3]))
    assert read_e4(folder).reading(11) == {"skin_temperature": 31.3}


def test_a_second_of_nothing_is_no_reading(folder: Path) -> None:
    """Where no file has a value there is no reading."""
    path = folder / "HR.csv"
    path.write_text(f"{START_S + 20}.0\n1.0\n70.0\n")
    assert read_e4(folder).reading(15) is None


def test_gzipped_files_read_the_same(folder: Path) -> None:
    """A gzipped file gives what the plain one gave."""
    plain = read_e4(folder)
    path = folder / "HR.csv"
    (folder / "HR.csv.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert _rows(read_e4(folder)) == _rows(plain)


@pytest.mark.parametrize("name", ["HR.csv", "IBI.csv", "TEMP.csv", "ACC.csv"])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    """A folder without one of the files is refused by that file's name."""
    (folder / name).unlink()
    with pytest.raises(RecordingError, match=name):
        read_e4(folder)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("HR.csv", ""),
        ("HR.csv", "1644829935.0\n4.0\n70.0"),
        ("HR.csv", "1644829935.0\n1.0"),
        ("HR.csv", "1644829935.0\n1.0\nseventy"),
        ("HR.csv", "1644829935.0\n1.0\nnan"),
        ("HR.csv", "12.5,3\n1.0,1\n2,2"),
        ("TEMP.csv", "-5.0\n4.0\n20.0"),
        ("TEMP.csv", "1644829925.0\n0.0\n20.0"),
        ("ACC.csv", "1644829925.0\n32.0\n1"),
        ("ACC.csv", "1644829925.0,1644829925.0,1644829925.0\n32.0,32.0,16.0\n0,0,64"),
        ("IBI.csv", "1644829925.0\n2.5,0.75"),
        ("IBI.csv", "1644829925.0, IBI\n2.5"),
    ],
)
def test_an_odd_file_is_named(folder: Path, name: str, text: str) -> None:
    """A file that is not in the E4 layout is refused by its name."""
    (folder / name).write_text(text)
    with pytest.raises(RecordingError, match=name):
        read_e4(folder)


def test_files_of_two_recordings_are_refused(folder: Path) -> None:
    """Files that start years apart do not become one recording."""
    (folder / "HR.csv").write_text("1744829935.0\n1.0\n70.0")
    with pytest.raises(RecordingError, match="two recordings"):
        read_e4(folder)


def test_a_file_that_is_no_gzip_is_named(folder: Path) -> None:
    """A damaged gzip file is refused by its name."""
    (folder / "HR.csv").unlink()
    (folder / "HR.csv.gz").write_bytes(b"no gzip")
    with pytest.raises(RecordingError, match=r"HR\.csv\.gz"):
        read_e4(folder)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A path without a folder is refused by its name."""
    with pytest.raises(RecordingError, match="nowhere"):
        read_e4(tmp_path / "nowhere")


def _rows(recording: Recording) -> list[object]:
    return [recording.reading(row) for row in range(recording.seconds)]
