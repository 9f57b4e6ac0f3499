"""Every kind of file gets a clear answer, and good ones their real times."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from inference.rppg.video import reader
from inference.rppg.video.files import measure_file
from inference.rppg.video.opencv import cv2
from schemas.errors import UnreadableVideoError
from tests.portrait import broken
from tests.portrait.renderer import Scene, frames, write_video

pytestmark = pytest.mark.story

SMALL = Scene(seconds=1.0, size=(320, 240))


def blank(path: Path, *, size: tuple[int, int], count: int, fps: float) -> Path:
    """Write a video of grey pictures."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), fps, size)
    picture = np.full((size[1], size[0], 3), 120, dtype=np.uint8)
    for _ in range(count):
        writer.write(picture)
    writer.release()
    return path


def bytes_in(path: Path, data: bytes) -> Path:
    """Write bytes."""
    path.write_bytes(data)
    return path


REFUSED: dict[str, tuple[str, Callable[[Path], Path]]] = {
    "missing": ("missing", lambda folder: folder / "not_there.mp4"),
    "no bytes": ("empty", lambda folder: bytes_in(folder / "a.mp4", b"")),
    "text": ("not_a_video", lambda folder: bytes_in(folder / "a.mp4", b"heart rate 70\n" * 100)),
    "play list": (
        "not_a_video",
        lambda folder: bytes_in(folder / "a.m3u8", b"#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1/\n"),
    ),
    "list of files": (
        "not_a_video",
        lambda folder: bytes_in(folder / "a.txt", b"ffconcat version 1.0\nfile /etc/passwd"),
    ),
    "picture": ("not_a_video", lambda folder: bytes_in(folder / "a.avi", b"\x89PNG\r\n\x1a\n" + bytes(500))),
    "sound": ("audio_only", lambda folder: broken.sound(folder / "a.wav")),
    "sound as MP3": ("audio_only", lambda folder: bytes_in(folder / "a.mp3", b"ID3\x04" + bytes(500))),
    "sound in MP4": ("audio_only", lambda folder: broken.sound_in_mp4(folder / "a.m4a")),
    "damaged AVI": (
        "undecodable",
        lambda folder: bytes_in(folder / "a.avi", b"RIFF\x00\x00\x10\x00AVI " + bytes(4000)),
    ),
    "damaged WebM": ("undecodable", lambda folder: bytes_in(folder / "a.webm", b"\x1a\x45\xdf\xa3" + b"\x5a" * 4000)),
    "too large": ("too_large", lambda folder: blank(folder / "a.avi", size=(4112, 16), count=3, fps=30)),
    "too long": ("too_long", lambda folder: blank(folder / "a.avi", size=(16, 16), count=620, fps=1)),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_a_file_that_cannot_be_measured_is_refused_in_a_sentence(
    kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The reason is named, the sentence names the file, and the decoder writes nothing to the terminal."""
    reason, made = REFUSED[kind]
    path = made(tmp_path)
    with pytest.raises(UnreadableVideoError) as refused:
        measure_file(path)
    assert refused.value.reason == reason
    assert path.name in refused.value.detail
    assert capfd.readouterr() == ("", "")


def test_an_mp4_that_was_cut_off_is_said_to_be_incomplete(tmp_path: Path) -> None:
    """An MP4 without its index, which stands at the end, is not called damaged."""
    whole = write_video(tmp_path / "whole.mp4", SMALL, "mp4v")
    with pytest.raises(UnreadableVideoError) as refused:
        measure_file(broken.cut(whole, tmp_path / "part.mp4", 0.5))
    assert refused.value.reason == "incomplete"


def test_an_avi_that_was_cut_off_is_measured_as_far_as_it_goes(tmp_path: Path) -> None:
    """The frames that are there are measured, and it is said that the file ends early."""
    whole = write_video(tmp_path / "whole.avi", SMALL)
    measured = measure_file(broken.cut(whole, tmp_path / "part.avi", 0.5))
    assert measured.cut_off
    assert 5 < len(measured.samples) < 20
    assert not measure_file(whole).cut_off


def test_times_of_a_variable_rate_are_the_files_own(tmp_path: Path) -> None:
    """Frames of the second half lie twice as far apart."""
    even = write_video(tmp_path / "even.mp4", SMALL, "mp4v")
    measured = measure_file(broken.uneven(even, tmp_path / "uneven.mp4"))
    steps = np.diff(measured.samples.time_s)
    assert measured.info.times == "file"
    assert steps[:14] == pytest.approx(1 / 30, abs=0.002)
    assert steps[-10:] == pytest.approx(2 / 30, abs=0.002)


def test_a_turned_video_is_measured_upright(tmp_path: Path) -> None:
    """What a phone notes of its position is followed: the picture stands upright, so that a lying face is none."""
    lying = write_video(tmp_path / "lying.mp4", SMALL, "mp4v")
    measured = measure_file(broken.turned(lying, tmp_path / "turned.mp4"))
    assert measured.info.rotation == 90
    assert (measured.info.width, measured.info.height) == (240, 320)
    assert set(measured.samples.faces.tolist()) == {0}
    assert set(measure_file(lying).samples.faces.tolist()) == {1}


def test_a_large_video_is_measured(tmp_path: Path) -> None:
    """A picture of 3840 x 2160 is scaled down where it is looked at, and its face is found."""
    path = tmp_path / "large.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 30, (3840, 2160))
    for frame in frames(Scene(seconds=0.1, size=(640, 360))):
        writer.write(cv2.resize(frame, (3840, 2160)))
    writer.release()
    measured = measure_file(path)
    assert measured.info.width == 3840
    assert measured.samples.faces.tolist() == [1, 1, 1]
    assert np.isfinite(measured.samples.rgb).all()


def test_one_frame_a_second_is_measured_with_its_times(tmp_path: Path) -> None:
    """Nothing is refused that has times; what they are worth is for the estimator to say."""
    path = write_video(tmp_path / "slow.avi", Scene(seconds=5.0, fps=1.0, size=(320, 240)))
    assert measure_file(path).samples.time_s == pytest.approx([0, 1, 2, 3, 4])


def test_of_a_fast_video_at_most_sixty_frames_a_second_are_taken(tmp_path: Path) -> None:
    """Frames in between are passed over, not decoded into memory."""
    path = blank(tmp_path / "fast.avi", size=(64, 48), count=240, fps=240)
    samples = measure_file(path).samples
    assert len(samples) == 60
    assert np.diff(samples.time_s) == pytest.approx(1 / 60, abs=0.002)


def test_frames_without_times_of_their_own_take_the_frame_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where times do not rise, each frame has its nominal share of a second, and that is said."""
    path = blank(tmp_path / "a.avi", size=(64, 48), count=30, fps=15)
    monkeypatch.setattr(reader.VideoReader, "_time_s", lambda _reader: 0.0)
    measured = measure_file(path)
    assert measured.info.times == "frame_rate"
    assert np.diff(measured.samples.time_s) == pytest.approx(1 / 15)


def test_progress_is_told(tmp_path: Path) -> None:
    """Frames done and frames that the file tells, every second of a usual video."""
    path = blank(tmp_path / "a.avi", size=(64, 48), count=70, fps=30)
    told: list[tuple[int, int]] = []
    measure_file(path, region="full", progress=lambda done, all_of_them: told.append((done, all_of_them)))
    assert told == [(30, 70), (60, 70)]
