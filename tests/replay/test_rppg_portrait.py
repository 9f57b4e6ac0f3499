"""The portrait with a recorded pulse, filmed well and badly, through files: what is promised to be told, and what not.

They say that decoding, face, colours, pulse and gate fit together. How accurate it is on people they do not say.
"""

from dataclasses import dataclass
from pathlib import Path

import pytest

from inference.rppg.analysis import analyze
from inference.rppg.estimates import Analysis
from inference.rppg.reasons import BreathReason
from inference.rppg.video.files import measure_file
from tests.portrait.renderer import Scene, waveform, write_video

SIZE = (320, 240)
SECONDS = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Promise:
    """How far off a heart rate may be, whether there must be one, and in how many of the windows."""

    within_bpm: float = 1.5
    must_tell: bool = True
    coverage: float = 0.0


def analysed(folder: Path, scene: Scene, codec: str = "MJPG") -> Analysis:
    """Return what a file of a scene tells."""
    name = "scene.avi" if codec == "MJPG" else "scene.mp4"
    return analyze(measure_file(write_video(folder / name, scene, codec)).samples)


@pytest.mark.parametrize(
    ("scene", "codec", "promise"),
    [
        (Scene(seconds=SECONDS, size=SIZE), "MJPG", Promise(coverage=0.8)),
        (Scene(seconds=SECONDS, size=SIZE, fps=15), "MJPG", Promise(coverage=0.8)),
        (Scene(seconds=SECONDS, size=SIZE, sway_px=12), "MJPG", Promise()),
        (Scene(seconds=SECONDS, size=SIZE, flicker=0.02), "MJPG", Promise()),
        (Scene(seconds=SECONDS, size=SIZE), "mp4v", Promise(must_tell=False)),
        (Scene(seconds=SECONDS, size=SIZE, gain=0.25, strength=0.002), "MJPG", Promise(within_bpm=2, must_tell=False)),
    ],
    ids=["still", "15 frames a second", "moved by 12 pixels", "light of 1.9 Hz", "compressed", "dark, weak pulse"],
)
def test_what_is_told_of_a_face_is_right(scene: Scene, codec: str, promise: Promise, tmp_path: Path) -> None:
    """The heart rate of the file lies within the promise, that of every window within 5 bpm, or they are withheld.

    The one of the file is withheld only where it may be.
    """
    told, truth = analysed(tmp_path, scene, codec), waveform(scene.waveform)[2]
    assert (told.heart_rate_bpm is not None) or not promise.must_tell
    if told.heart_rate_bpm is not None:
        assert told.heart_rate_bpm == pytest.approx(truth, abs=promise.within_bpm)
    rates = [window.heart_rate_bpm for window in told.windows if window.heart_rate_bpm is not None]
    assert all(rate == pytest.approx(truth, abs=5) for rate in rates)
    assert told.coverage >= promise.coverage


@pytest.mark.parametrize("codec", ["MJPG", "mp4v"])
def test_a_photograph_tells_nothing_in_any_window(codec: str, tmp_path: Path) -> None:
    """The same face without a pulse: no heart rate, not in one window."""
    told = analysed(tmp_path, Scene(seconds=SECONDS, size=SIZE, strength=0.0), codec)
    assert told.heart_rate_bpm is None
    assert len(told.windows) >= SECONDS / 2
    assert [window.heart_rate_bpm for window in told.windows] == [None] * len(told.windows)


def test_a_pulse_that_begins_again_tells_no_breathing_but_its_own(tmp_path: Path) -> None:
    """Its slow waves of less than ten a minute, in intervals and heights alike, are not told for 12 breaths."""
    told = analysed(tmp_path, Scene(seconds=42.0, size=SIZE))
    assert told.heart_rate_bpm is not None
    rates = [window.respiratory_rate for window in told.windows if window.respiratory_rate is not None]
    assert all(rate == pytest.approx(12, abs=2) for rate in rates)
    assert told.respiratory_rate is None or told.respiratory_rate == pytest.approx(12, abs=2)
    assert told.respiratory_reason in {BreathReason.OUT_OF_BAND, BreathReason.UNCLEAR, BreathReason.DISAGREE}
