"""`pulsera rppg FILE` from a file of a face with a real pulse to its heart rate, and to a clear no."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from infra.cli import app
from schemas.errors import SetupError, UnreadableVideoError
from tests.portrait.renderer import Scene, write_video


def told(path: Path, *options: str) -> dict[str, object]:
    """Return the JSON that the command prints; it ended with 0."""
    done = CliRunner().invoke(app, ["rppg", str(path), "--json", *options])
    assert done.exit_code == 0, done.stderr
    answer: dict[str, object] = json.loads(done.stdout)
    return answer


def test_a_face_with_a_pulse_is_told_and_drawn(tmp_path: Path) -> None:
    """The recorded pulse of 60.5 bpm is found within 2, second by second, with a picture of it."""
    path = write_video(tmp_path / "face.avi", Scene(seconds=16.0, size=(320, 240)))
    answer = told(path, "--plot", str(tmp_path / "plot.png"))
    assert answer["heart_rate_bpm"] == pytest.approx(60.5, abs=2)
    assert answer["reason"] == "ok"
    assert answer["hrv"] is None
    windows = answer["windows"]
    assert isinstance(windows, list)
    assert windows
    assert windows[0].keys() >= {"time_s", "heart_rate_bpm", "confidence", "snr_db", "reason"}
    assert answer["frames_per_second"]
    assert (tmp_path / "plot.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    "scene",
    [
        Scene(seconds=14.0, size=(320, 240), strength=0.0),
        Scene(seconds=14.0, size=(320, 240), strength=0.0, flicker=0.02),
        Scene(seconds=14.0, size=(320, 240), faces=0),
        Scene(seconds=14.0, size=(640, 480), faces=2, fps=15),
    ],
    ids=["photograph", "photograph in flickering light", "nobody", "two people"],
)
def test_where_there_is_no_pulse_to_tell_none_is_told(scene: Scene, tmp_path: Path) -> None:
    """No heart rate, not in one window, each with its reason; the command succeeds, since the file could be read."""
    answer = told(write_video(tmp_path / "scene.avi", scene))
    assert answer["heart_rate_bpm"] is None
    assert answer["reason"] not in {"ok", "low_confidence"}
    windows = answer["windows"]
    assert isinstance(windows, list)
    assert [window["heart_rate_bpm"] for window in windows] == [None] * len(windows)


def test_lines_for_people_say_the_same(tmp_path: Path) -> None:
    """Without --json there is a table, which says why there is no heart rate."""
    path = write_video(tmp_path / "short.avi", Scene(seconds=3.0, size=(320, 240)))
    done = CliRunner().invoke(app, ["rppg", str(path)])
    assert done.exit_code == 0
    assert "no estimate: too_short" in done.stdout
    assert "320 x 240" in done.stdout


@pytest.mark.parametrize(("name", "said"), [("gone/x.png", "Create"), ("x.pdf", "does not end in .png")])
def test_a_picture_that_cannot_be_written_is_refused_first(name: str, said: str, tmp_path: Path) -> None:
    """Before the file is so much as opened, with the next step."""
    done = CliRunner().invoke(app, ["rppg", str(tmp_path / "none.avi"), "--plot", str(tmp_path / name)])
    assert isinstance(done.exception, SetupError)
    assert said in str(done.exception)


def test_a_file_of_which_little_can_be_read_is_not_called_short(tmp_path: Path) -> None:
    """Pictures that are overwritten with noise are missing, and the reason says so with their number."""
    path = write_video(tmp_path / "face.avi", Scene(seconds=12.0, size=(320, 240)))
    broken = bytearray(path.read_bytes())
    start = len(broken) // 10
    broken[start:] = bytes(len(broken) - start)
    path.write_bytes(broken)
    assert told(path)["reason"] == "unreadable"
    assert "of 360 frames" in CliRunner().invoke(app, ["rppg", str(path)]).stdout


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    """The error is ours, so that the command line ends with 1 and a sentence."""
    path = tmp_path / "a.mp4"
    path.write_text("no video")
    done = CliRunner().invoke(app, ["rppg", str(path), "--json"])
    assert isinstance(done.exception, UnreadableVideoError)
    assert done.exit_code == 1
