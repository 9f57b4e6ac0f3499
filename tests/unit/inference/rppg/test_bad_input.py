"""Frames that are no frames: each has a reason, none an exception or a value."""

import numpy as np
import pytest

from inference.rppg.analysis import analyze
from inference.rppg.estimator import PulseEstimator
from inference.rppg.fitting.renders import Scene, render
from inference.rppg.reasons import Reason
from inference.rppg.samples import Samples, join, trace, unreadable
from inference.rppg.waveform import analyze_waveform
from inference.slots import Floats


def _times(seconds: float = 20, fps: float = 30) -> Floats:
    return np.arange(round(seconds * fps)) / fps


def _rgb(n: int) -> Floats:
    return np.random.default_rng(0).normal(120, 0.1, (n, 3))


def _alive(time_s: Floats) -> Samples:
    samples = render(Scene(seconds=len(time_s) / 30), np.random.default_rng(1)).samples
    return trace(time_s, samples.rgb, background=samples.background)


@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (trace(np.empty(0), np.empty((0, 3))), Reason.NO_FRAMES),
        (trace([0.0], [[1.0, 2.0, 3.0]]), Reason.TOO_SHORT),
        (trace(_times(5), _rgb(150)), Reason.TOO_SHORT),
        (trace(_times(), np.full((600, 3), 120.0)), Reason.NO_SIGNAL),
        (trace(_times(), np.zeros((600, 3))), Reason.NO_FACE),
        (trace(_times(), np.full((600, 3), np.nan)), Reason.NO_FACE),
        (trace(_times(), np.full((600, 3), np.inf)), Reason.NO_FACE),
        (unreadable(_times()), Reason.UNREADABLE),
        (trace(_times(), np.full((600, 3), -5.0)), Reason.NO_FACE),
        (trace(_times(), _rgb(600) / 255), Reason.LOW_LIGHT),
        (trace(_times()[::-1], _rgb(600)), Reason.BAD_TIMES),
        (trace(np.zeros(600), _rgb(600)), Reason.BAD_TIMES),
        (trace(np.full(600, np.nan), _rgb(600)), Reason.BAD_TIMES),
        (trace(np.repeat(_times(10), 2), _rgb(600)), Reason.BAD_TIMES),
        (trace(np.arange(40.0), _rgb(40)), Reason.LOW_FPS),
        (trace(np.arange(40.0) * 1e9, _rgb(40)), Reason.LOW_FPS),
    ],
    ids=[
        "no frames", "one frame", "five seconds", "constant", "black", "nan", "infinite", "unreadable", "negative",
        "0 to 1", "backwards", "one time", "no times", "each time twice", "1 fps", "31 years a frame",
    ],
)  # fmt: skip
def test_bad_input_has_a_reason(samples: Samples, reason: Reason) -> None:
    """What cannot hold a pulse is answered with the reason, and without a heart rate."""
    analysis = analyze(samples)
    assert analysis.heart_rate_bpm is None
    assert all(window.heart_rate_bpm is None for window in analysis.windows)
    assert analysis.reason is reason
    assert analysis.confidence == 0


def test_a_glitch_of_the_clock_does_not_silence_a_stream() -> None:
    """One frame dated far ahead begins the stream anew twice, and a heart rate comes again."""
    time_s = _times(40)
    time_s[300] += 1e6
    estimates = PulseEstimator().push(_alive(time_s))
    assert estimates[-1].heart_rate_bpm == pytest.approx(70, abs=2)


def test_some_swapped_frames_are_left_out() -> None:
    """A swap of two frames in a hundred changes nothing that is told."""
    time_s = _times(24)
    swapped = time_s.copy()
    swapped[50:700:100], swapped[51:701:100] = time_s[51:701:100], time_s[50:700:100]
    assert analyze(_alive(swapped)).heart_rate_bpm == pytest.approx(70, abs=1)


def test_pictures_that_could_not_be_measured_are_told_as_such_and_never_as_a_missing_face() -> None:
    """A second without a readable picture says so; half a one costs nothing of the pulse before and after it."""
    seen = _alive(_times(30))
    gone = unreadable(seen.time_s)
    estimates = PulseEstimator().push(join([seen.rows(0, 600), gone.rows(600, 660), seen.rows(660, 900)]))
    told = [estimate.reason for estimate in estimates[20:22]]
    assert set(told) == {Reason.UNREADABLE}
    blinked = PulseEstimator().push(join([seen.rows(0, 600), gone.rows(600, 615), seen.rows(615, 900)]))
    assert {estimate.reason for estimate in blinked[19:]} <= {Reason.OK, Reason.LOW_CONFIDENCE}


def test_a_gap_begins_anew() -> None:
    """After a second and a half without frames nothing is told for 10 s."""
    time_s = _times(30)
    time_s[360:] += 1.5
    told = [e.time_s for e in PulseEstimator().push(_alive(time_s)) if e.heart_rate_bpm is not None]
    assert any(time <= 12 for time in told)
    assert not [time for time in told if 14 <= time <= 22]
    assert max(told) > 30


def test_columns_of_different_lengths_are_refused() -> None:
    """Columns that do not fit are refused when they are joined into samples."""
    with pytest.raises(ValueError, match="shape"):
        trace([0.0, 1.0], [[1.0, 2.0, 3.0]] * 2, motion=[0.0])
    with pytest.raises(ValueError, match="nothing to join"):
        join([])


@pytest.mark.parametrize(
    ("values", "hz"), [([], 30.0), ([1.0], 30.0), ([np.nan] * 900, 30.0), ([1.0] * 900, 30.0), ([1.0] * 9, 0.0)]
)
def test_a_wave_that_is_none_has_no_heart_rate(values: list[float], hz: float) -> None:
    """An empty, constant or broken wave gives a reason and no value."""
    analysis = analyze_waveform(np.array(values), hz=hz)
    assert analysis.heart_rate_bpm is None
    assert analysis.reason not in {Reason.OK, Reason.LOW_CONFIDENCE}
