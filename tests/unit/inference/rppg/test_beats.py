"""Beats, and their variability behind its gates."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import butter, sosfiltfilt

from inference.rppg import beats
from inference.rppg.analysis import analyze
from inference.rppg.beats import GATES, NOTHING, Found, _banded
from inference.rppg.estimator import BEATS_EVERY_S, PulseEstimator
from inference.rppg.fitting.renders import Scene, render
from inference.rppg.reasons import HrvReason
from inference.rppg.waveform import analyze_waveform
from inference.slots import Floats


def _wave(intervals_s: Floats, hz: float, noise: float = 0.0) -> Floats:
    """Return a wave with the same beat, a systole and what follows its notch, at each of the times."""
    beat_s = np.concatenate(([0.4], 0.4 + np.cumsum(intervals_s)))
    time_s = np.arange(0, beat_s[-1], 1 / hz)
    since = time_s[:, None] - beat_s[None, :]
    beat = np.exp(-0.5 * (since / 0.09) ** 2) + 0.35 * np.exp(-0.5 * ((since - 0.3) / 0.1) ** 2)
    wave: Floats = beat.sum(axis=1) + np.random.default_rng(0).normal(0, noise, len(time_s))
    return wave


def _intervals(count: int = 80, spread_s: float = 0.02) -> Floats:
    rng = np.random.default_rng(5)
    swing = 0.03 * np.sin(2 * np.pi * np.arange(count) / 4.5)
    intervals_s: Floats = 0.85 + swing + rng.normal(0, spread_s, count)
    return intervals_s


def _rmssd_ms(intervals_s: Floats) -> float:
    return float(np.sqrt(np.mean(np.diff(intervals_s[1:-1]) ** 2)) * 1000)


def test_the_page_names_the_gates_that_the_code_has() -> None:
    """Whoever reads docs/models/rppg.md reads the limits that decide."""
    page = " ".join(Path("docs/models/rppg.md").read_text(encoding="utf-8").split())
    for words in (
        f"at least {GATES.least_s:g} s (",
        f"at least {GATES.least_fps:g} frames a second",
        f"a ratio of at least {GATES.least_db:g} dB",
        f"at least {GATES.least_kept:.0%} of the beats kept".replace("%", " %"),
        f"a median likeness of {GATES.least_likeness:g}",
        f"within {GATES.most_apart_bpm:g} a minute of the spectrum's",
    ):
        assert words in page, words


@pytest.mark.parametrize("band_hz", [(0.5, 5.0), (0.72, 2.04)])
def test_a_band_is_what_scipy_filters_forth_and_back(band_hz: tuple[float, float]) -> None:
    """A design that is kept, and ends that are turned over, give the bits of `sosfiltfilt`."""
    signal = np.random.default_rng(1).normal(size=1_980)
    sections = butter(2, band_hz, btype="bandpass", fs=30.0, output="sos")
    np.testing.assert_array_equal(_banded(signal, band_hz, 30.0), sosfiltfilt(sections, signal))


@pytest.mark.parametrize("hz", [25.0, 30.0, 60.0, 250.0])
@pytest.mark.parametrize("noise", [0.0, 0.03])
def test_rmssd_does_not_depend_on_the_frame_rate(hz: float, noise: float) -> None:
    """From 25 to 250 values a second, with a little noise, RMSSD is within a tenth of that of the true intervals."""
    intervals_s = _intervals()
    told = analyze_waveform(_wave(intervals_s, hz, noise), hz=hz)
    assert told.hrv_reason is HrvReason.OK
    assert told.hrv is not None
    assert told.hrv.rmssd_ms == pytest.approx(_rmssd_ms(intervals_s), rel=0.1)
    assert told.hrv.heart_rate_bpm == pytest.approx(60 / intervals_s.mean(), abs=0.5)
    assert told.hrv.kept > 0.95


def test_a_face_at_rest_tells_its_variability_after_a_minute() -> None:
    """A minute of a clear pulse gives variability, in a stream once in ten seconds."""
    samples = render(Scene(seconds=61, amplitude=0.008, sway_bpm=3, breaths=13), np.random.default_rng(2)).samples
    whole = analyze(samples)
    assert whole.hrv_reason is HrvReason.OK
    assert whole.hrv is not None
    assert 5 < whole.hrv.rmssd_ms < 60
    estimates = PulseEstimator().push(samples)
    due = [estimate for estimate in estimates if estimate.hrv is not None]
    assert [round(estimate.time_s) % BEATS_EVERY_S for estimate in due] == [0]
    assert estimates[40].hrv_reason is HrvReason.TOO_SHORT
    assert len(whole.beat_time_s) > 60


@pytest.mark.parametrize(
    ("scene", "reason"),
    [
        (Scene(seconds=40, amplitude=0.008), HrvReason.TOO_SHORT),
        (Scene(seconds=61, amplitude=0.008, fps=15), HrvReason.LOW_FPS),
        (Scene(seconds=61, amplitude=0.004, noise=0.003), HrvReason.LOW_SNR),
        (Scene(seconds=61, amplitude=0.0), HrvReason.NO_HEART_RATE),
    ],
)
def test_a_closed_gate_is_named(scene: Scene, reason: HrvReason) -> None:
    """Where variability is not told, the reason is the gate that is closed."""
    told = analyze(render(scene, np.random.default_rng(3)).samples)
    assert (told.hrv, told.hrv_reason) == (None, reason)


def _beats(time_s: Floats, likeness: float = 0.98) -> Found:
    return Found(time_s=time_s, likeness=np.full(len(time_s), likeness), height=np.ones(len(time_s)))


def test_beats_that_do_not_fit_are_refused() -> None:
    """Few beats, beats unlike one another, and another rate than the spectrum's close the gate, each by its name."""
    even: Floats = np.arange(72, dtype=np.float64) * 0.85
    rate = 60 / 0.85
    assert beats.variability(NOTHING, rate_bpm=rate) == (None, HrvReason.FEW_BEATS)
    assert beats.variability(_beats(even, 0.5), rate_bpm=rate) == (None, HrvReason.UNLIKE_BEATS)
    assert beats.variability(_beats(even), rate_bpm=rate - 5) == (None, HrvReason.RATE_MISMATCH)
    assert beats.variability(_beats(np.delete(even, np.arange(3, 70, 4))), rate_bpm=rate)[1] is HrvReason.FEW_BEATS


def test_a_signal_without_beats_has_none() -> None:
    """A signal shorter than eight beats gives no beat."""
    assert len(beats.find(np.zeros(60), hz=30, rate_bpm=70).time_s) == 0
    assert len(beats.find(np.zeros(900), hz=30, rate_bpm=70).time_s) == 0


def test_a_faint_beginning_closes_the_gate_for_the_whole_stretch() -> None:
    """Beats of a minute of which a half hardly stands out tell no variability, in a recording and in a stream."""
    rng = np.random.default_rng(4)
    clear = render(Scene(seconds=64, amplitude=0.008, sway_bpm=3, breaths=13), rng).samples
    noise = np.where(clear.time_s[:, None] < 34, rng.normal(0, 0.35, clear.rgb.shape), 0.0)
    faint = replace(clear, rgb=clear.rgb + noise)
    assert analyze(clear).hrv is not None
    assert analyze(faint).hrv is None
    assert all(estimate.hrv is None for estimate in PulseEstimator().push(faint))
