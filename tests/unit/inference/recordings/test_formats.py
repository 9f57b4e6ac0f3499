"""Recordings of several formats, guessed and read; a wrong file is told with its line and column."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from inference.recordings.e4 import Recording
from inference.recordings.formats import guess, read
from inference.recordings.track import Track
from schemas.errors import RecordingError
from tests.made_recording import write_e4

PLAIN = "time,heart_rate,spo2\n2026-11-21T08:00:00+01:00,71,97\n2026-11-21T08:00:05+01:00,,96\n"
FITBIT = (
    "user,date,time,hr,intensity,steps\n"
    "7,2016-04-02,2016-04-02 09:49:00,75,1,34\n"
    "7,2016-04-02,2016-04-02 09:50:00,,0,0\n"
    "8,2016-04-02,2016-04-02 09:49:00,62,0,0\n"
)


def written(folder: Path, text: str, name: str = "ada.csv") -> Path:
    """Return a file with this text."""
    path = folder / name
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


def tracks(path: Path) -> list[Track]:
    """Return the tables of a file."""
    found = read(path)
    assert all(isinstance(one, Track) for one in found)
    return [one for one in found if isinstance(one, Track)]


@pytest.mark.parametrize("name", ["ada.csv", "ada.csv.gz"])
def test_a_plain_table(tmp_path: Path, name: str) -> None:
    """Times keep their hour, an empty cell is not measured, and the file names the wearer."""
    (track,) = tracks(written(tmp_path, PLAIN, name))
    assert track.name == "ada"
    first, second = track.samples(0, track.seconds)
    assert first.fields == {"heart_rate": 71.0, "spo2": 97.0}
    assert second.fields == {"spo2": 96.0}
    assert second.offset_ms - first.offset_ms == 5_000
    assert first.local_ms is not None
    assert first.local_ms % 86_400_000 == 8 * 3_600_000


def test_several_wearers_and_milliseconds(tmp_path: Path) -> None:
    """A column names the wearer; milliseconds tell no hour; what is implausible is left out and counted."""
    text = "wearer,time,steps,heart_rate\nAda,1000,3,70\nBen,1000,,60\nAda,2000,4,999\n"
    ada, ben = tracks(written(tmp_path, text))
    assert (ada.name, ben.name) == ("Ada", "Ben")
    assert ada.local_ms is None
    assert [sample.fields for sample in ada.samples(0, 2)] == [{"steps": 3.0, "heart_rate": 70.0}, {"steps": 4.0}]
    assert ada.left_out == {"steps": 0, "heart_rate": 1}
    assert ben.seconds == 1


def test_minutes_of_a_fitbit(tmp_path: Path) -> None:
    """They are found by their head, one track a wearer, each minute at its end; intensity is not read."""
    path = written(tmp_path, FITBIT)
    assert guess(path) == "fitbit"
    seven, eight = tracks(path)
    assert (seven.name, eight.name) == ("7", "8")
    first, second = seven.samples(0, seven.seconds)
    assert (first.offset_ms, first.fields) == (60_000, {"heart_rate": 75.0, "steps": 34.0})
    assert second.fields == {"steps": 0.0}
    assert first.local_ms is not None
    assert first.local_ms % 86_400_000 == (9 * 60 + 50) * 60_000


def test_a_folder_is_an_e4_s(tmp_path: Path) -> None:
    """A folder is read as before, second by second."""
    write_e4(tmp_path)
    (recording,) = read(tmp_path)
    assert isinstance(recording, Recording)
    assert [sample.offset_ms for sample in recording.samples(0, 2)] == [1_000, 2_000]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        pytest.param("", "no format", id="empty"),
        pytest.param("id,hr\n1,2\n", "no format", id="other head"),
        pytest.param("time,pulse\n1,2\n", "line 1: no vital sign is called 'pulse'", id="unknown column"),
        pytest.param("time,hrv\n1,2\n", "line 1: hrv does not say which", id="bare hrv"),
        pytest.param("time,wearer\n1,2\n", "line 1: there is no vital sign beside time", id="no vital"),
        pytest.param("time,spo2,spo2\n1,2,3\n", "line 1: a column is there twice", id="twice"),
        pytest.param("time,spo2\n1,97\n2,high\n", "line 3: column spo2 must be a number, found 'high'", id="word"),
        pytest.param("time,spo2\n1,97,3\n", "line 2: expected 2 columns", id="too long"),
        pytest.param("time,spo2\n2026-11-21T08:00:00,97\n", "line 2: column time needs an offset", id="naive"),
        pytest.param("time,spo2\nnoon,97\n", "line 2: column time must be like", id="no time"),
        pytest.param("time,spo2\n2,97\n2,96\n", "line 3: column time does not rise", id="not rising"),
        pytest.param("time,spo2\n99999999999999999,97\n", "line 2: column time is out of range", id="far"),
        pytest.param("time,wearer,spo2\n1,,97\n", "line 2: column wearer is empty", id="nobody"),
        pytest.param("time,spo2\n", "no rows below its head", id="no row"),
    ],
)
def test_a_wrong_table_is_told_where(tmp_path: Path, text: str, words: str) -> None:
    """The message names the line and the column."""
    with pytest.raises(RecordingError) as caught:
        read(written(tmp_path, text))
    assert words in str(caught.value)


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    """A missing file, and a folder where a file belongs, are told apart."""
    with pytest.raises(RecordingError, match="There is no file"):
        read(tmp_path / "none.csv")
    with pytest.raises(RecordingError, match="is a folder; name the file in it"):
        read(tmp_path, "fitbit")


def test_a_gap_in_a_table_is_no_reading(tmp_path: Path) -> None:
    """Only the rows of the file are sent."""
    (track,) = tracks(written(tmp_path, "time,spo2\n1000,97\n3600000,96\n"))
    assert [len(list(track.samples(first, first + 900))) for first in range(0, track.seconds, 900)] == [1, 0, 0, 1]
    assert np.isfinite(track.vitals["spo2"]).all()
