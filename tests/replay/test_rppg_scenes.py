"""Rendered scenes, easy and hostile: what is told is right, or there is a reason why nothing is."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from inference.rppg.analysis import analyze
from inference.rppg.estimates import Analysis
from inference.rppg.fitting.renders import Scene, render
from inference.rppg.reasons import GIVEN, Reason
from inference.rppg.samples import Samples
from inference.slots import Floats

_FACE = Scene(seconds=24)
_PHOTO = replace(_FACE, amplitude=0.0)


def _told(scene: Scene, *, seed: int = 1, edit: Callable[[Samples], Samples] | None = None) -> Analysis:
    samples = render(scene, np.random.default_rng(seed)).samples
    return analyze(samples if edit is None else edit(samples))


def _given(analysis: Analysis) -> list[float]:
    return [window.heart_rate_bpm for window in analysis.windows if window.heart_rate_bpm is not None]


def _is_right(analysis: Analysis, bpm: float, within: float = 1.5) -> None:
    assert analysis.reason is Reason.OK
    assert analysis.heart_rate_bpm is not None
    assert abs(analysis.heart_rate_bpm - bpm) <= within
    assert analysis.coverage >= 0.8
    assert analysis.confidence >= 0.8


@pytest.mark.parametrize("bpm", [42, 50, 65, 90, 120, 150, 180])
def test_every_usual_heart_rate_is_found(bpm: float) -> None:
    """A still, lit face tells its heart rate within 1.5 beats a minute in nearly every second."""
    _is_right(_told(replace(_FACE, bpm=bpm)), bpm)


def test_a_strong_second_harmonic_is_not_the_heart_rate() -> None:
    """A slow pulse whose second harmonic is nearly as strong is told at its own rate."""
    _is_right(_told(replace(_FACE, bpm=48, second=0.8, third=0.3)), 48)


@pytest.mark.parametrize("fps", [10, 12, 15, 20, 24, 25, 50, 60])
def test_any_usual_frame_rate_does(fps: float) -> None:
    """From 10 to 60 frames a second, with times that waver, the heart rate is the same."""
    _is_right(_told(replace(_FACE, fps=fps, jitter=0.15, bpm=84)), 84)


@pytest.mark.parametrize("fps", [1, 2, 5])
def test_too_few_frames_have_a_reason(fps: float) -> None:
    """Below ten frames a second nothing is told, and the reason says so."""
    analysis = _told(replace(_FACE, fps=fps))
    assert not _given(analysis)
    assert analysis.reason in {Reason.LOW_FPS, Reason.GAP}


@pytest.mark.parametrize("bpm", [37, 206, 215])
def test_out_of_band_does_not_vanish_silently(bpm: float) -> None:
    """A heart rate below 40 or above 200 is not told, and not told as another one."""
    analysis = _told(replace(_FACE, bpm=bpm, sway_bpm=0.5))
    assert not _given(analysis)
    assert analysis.reason is Reason.OUT_OF_BAND


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"wander": 0.004},
        {"backdrop": None},
        {"light": 0.03, "light_hz": 1.9},
        {"light": 0.03, "light_hz": 1.9, "tint": 0.3},
        {"light": 0.02, "light_hz": 1.1, "tint": 0.1},
        {"blocks": 0.003, "key_s": 0.4},
        {"blocks": 0.003, "key_s": 0.5, "backdrop": None},
        {"sway": 0.08, "sway_hz": 1.2, "gloss": 0.05, "shade": 0.2},
        {"bursts": 20.0, "sway": 0.08, "gloss": 0.1, "shade": 0.2},
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", [1, 2])
def test_a_photograph_has_no_heart_rate(change: dict[str, float], seed: int) -> None:
    """Without a pulse nothing is told, whatever the light, the compression or the movement do."""
    assert not _given(_told(replace(_PHOTO, **change), seed=seed))  # type: ignore[arg-type]


def test_a_light_that_beats_like_a_heart_is_named() -> None:
    """A coloured light that swings at the rate of a pulse is in the background too, and is called flicker."""
    analysis = _told(replace(_FACE, amplitude=0.0, light=0.03, light_hz=1.3, tint=0.4), seed=3)
    assert analysis.reason is Reason.FLICKER


@pytest.mark.parametrize(
    "change",
    [
        {"light": 0.03, "light_hz": 1.9},
        {"light": 0.04, "light_hz": 0.25},
        {"sway": 0.08, "sway_hz": 0.4, "gloss": 0.02, "shade": 0.2},
        {"bursts": 10.0, "sway": 0.05, "gloss": 0.05, "shade": 0.2},
        {"clip": 185.0, "saturated": 0.05},
        {"skin": (80.0, 50.0, 38.0)},
    ],
    ids=str,
)
def test_a_pulse_is_found_beside_disturbances(change: dict[str, float]) -> None:
    """Light, movement, a little glare and darker skin leave the heart rate right."""
    _is_right(_told(replace(_FACE, bpm=77, **change)), 77)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"skin": (8.0, 5.0, 4.0), "noise": 0.02}, Reason.LOW_LIGHT),
        ({"skin": (60.0, 40.0, 30.0), "noise": 0.004, "amplitude": 0.002}, Reason.LOW_LIGHT),
        ({"clip": 185.0, "saturated": 0.5}, Reason.SATURATED),
        ({"noise": 0.012}, Reason.LOW_SNR),
        ({"sway": 0.9, "sway_hz": 0.9}, Reason.MOTION),
    ],
)
def test_what_hinders_is_named(change: dict[str, float], reason: Reason) -> None:
    """Where nothing is told, the reason is the one that a person could mend."""
    analysis = _told(replace(_FACE, **change))  # type: ignore[arg-type]
    assert not _given(analysis)
    assert analysis.reason is reason


@pytest.mark.parametrize("noise", [0.002, 0.004, 0.006, 0.009])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_told_in_noise_is_right(noise: float, seed: int) -> None:
    """As noise grows fewer seconds tell a heart rate, and none of them tells a wrong one."""
    analysis = _told(replace(_FACE, noise=noise, bpm=73), seed=seed)
    assert all(abs(rate - 73) < 5 for rate in _given(analysis))


def _without_face(samples: Samples, from_s: float, until_s: float) -> Samples:
    away = (samples.time_s >= from_s) & (samples.time_s < until_s)
    rgb: Floats = np.where(away[:, None], np.nan, samples.rgb)
    return replace(samples, rgb=rgb, faces=np.where(away, 0, 1))


def test_a_face_that_leaves_begins_anew() -> None:
    """After 4 s without a face a heart rate is told 10 s after it is back, and not before."""
    analysis = _told(replace(_FACE, seconds=30), edit=lambda samples: _without_face(samples, 11.0, 15.0))
    told = [window.time_s for window in analysis.windows if window.reason in GIVEN]
    assert any(time_s <= 11 for time_s in told)
    assert not [time_s for time_s in told if 12 <= time_s < 24]
    assert max(told) >= 29
    assert {window.reason for window in analysis.windows if 12 <= window.time_s <= 15} == {Reason.NO_FACE}


def test_a_blink_of_the_detector_does_no_harm() -> None:
    """A third of a second without a face is bridged."""
    _is_right(_told(_FACE, edit=lambda samples: _without_face(samples, 11.0, 11.33)), 70)


def test_nobody_there_is_said() -> None:
    """A recording without a face says so."""
    analysis = _told(_FACE, edit=lambda samples: _without_face(samples, 0.0, 99.0))
    assert (analysis.heart_rate_bpm, analysis.reason) == (None, Reason.NO_FACE)


def test_two_faces_are_not_mixed() -> None:
    """With two faces in the picture nothing is told."""
    analysis = _told(_FACE, edit=lambda samples: replace(samples, faces=np.full(len(samples), 2)))
    assert (analysis.heart_rate_bpm, analysis.reason) == (None, Reason.TWO_FACES)


def test_an_exposure_step_begins_anew() -> None:
    """After a jump of the brightness the window begins behind it, and what is told is right."""

    def brighter(samples: Samples) -> Samples:
        return replace(samples, rgb=samples.rgb * np.where(samples.time_s < 12, 0.8, 1.0)[:, None])

    analysis = _told(replace(_FACE, seconds=30), edit=brighter)
    lengths = {window.time_s: window.components.get("window_s") or 0.0 for window in analysis.windows}
    assert all(length < time_s - 12 for time_s, length in lengths.items() if time_s > 14)
    assert all(abs(rate - 70) < 2 for rate in _given(analysis))
    assert analysis.reason is Reason.OK


def test_light_that_jumps_all_the_time_is_named() -> None:
    """Where the brightness jumps every few seconds nothing is told, and the reason is the light."""

    def jumping(samples: Samples) -> Samples:
        return replace(samples, rgb=samples.rgb * np.where(samples.time_s // 5 % 2 == 0, 0.8, 1.0)[:, None])

    analysis = _told(_FACE, edit=jumping)
    assert (analysis.heart_rate_bpm, analysis.reason) == (None, Reason.LIGHT_CHANGES)


@pytest.mark.parametrize("jitter", [0.05, 0.2, 0.4])
def test_wavering_times_change_nothing(jitter: float) -> None:
    """However the times of the frames waver, the heart rate differs by less than half a beat a minute."""
    steady = _told(replace(_FACE, bpm=66)).heart_rate_bpm
    wavering = _told(replace(_FACE, bpm=66, jitter=jitter)).heart_rate_bpm
    assert steady is not None
    assert wavering is not None
    assert abs(steady - wavering) < 0.5


def test_a_rising_heart_rate_is_followed() -> None:
    """A heart rate that rises by 20 in 36 s is told in the middle as a whole, and later windows tell more."""
    analysis = _told(replace(_FACE, seconds=36, bpm=65, drift_bpm=20))
    assert analysis.heart_rate_bpm == pytest.approx(75, abs=3)
    rates = _given(analysis)
    assert rates[-1] - rates[0] > 5
