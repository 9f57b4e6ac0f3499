"""The pulse of a whole recording: what its seconds told, and one answer of them."""

from collections import Counter
from typing import Final

import numpy as np

from inference.rppg.estimates import Analysis, Estimate
from inference.rppg.estimator import FIRST_AFTER_S, PulseEstimator, Step
from inference.rppg.pulse import GRID_HZ
from inference.rppg.reasons import GIVEN, HrvReason, Reason
from inference.rppg.samples import Samples
from inference.rppg.wave import smoothed
from inference.slots import Floats

LEAST_SHARE: Final = 0.2
"""A heart rate that fewer of the windows tell is none of the recording's."""
AGREE_BPM: Final = 8.0
"""Half of the windows that tell a heart rate must lie within so much."""

_WAITING: Final = frozenset({Reason.WARMING_UP, Reason.NO_FRAMES})


def analyze(samples: Samples) -> Analysis:
    """Return what a whole recording tells; nothing about it raises, whatever the frames are."""
    estimator = PulseEstimator()
    steps = list(estimator.steps(samples))
    windows = [step.estimate for step in steps]
    given = [window for window in windows if window.reason in GIVEN]
    times = samples.time_s[np.isfinite(samples.time_s)]
    duration = float(np.ptp(times)) if len(times) else 0.0
    rate, reason = _rate(windows, given, frames=len(times))
    told = given if rate is not None else [window for window in windows if window.snr_db is not None]
    pulse_time_s, pulse = _pulse(steps)
    return Analysis(
        heart_rate_bpm=rate,
        confidence=_median([window.confidence for window in given]) or 0.0 if rate is not None else 0.0,
        reason=reason,
        snr_db=_median([window.snr_db for window in told if window.snr_db is not None]),
        respiratory_rate=_median([w.respiratory_rate for w in windows if w.respiratory_rate is not None]),
        hrv=None,
        hrv_reason=HrvReason.NO_HEART_RATE,
        windows=windows,
        coverage=len(given) / max(len(_after_first(windows)), 1),
        duration_s=duration,
        fps=float((len(times) - 1) / duration) if duration > 0 else 0.0,
        pulse_time_s=pulse_time_s,
        pulse=pulse,
        beat_time_s=np.empty(0),
    )


def _rate(windows: list[Estimate], given: list[Estimate], *, frames: int) -> tuple[float | None, Reason]:
    """Return the heart rate and why, or None and why not."""
    judged = _after_first(windows)
    rates = np.array([window.heart_rate_bpm for window in given], dtype=np.float64)
    if len(given) and len(given) >= LEAST_SHARE * len(judged):
        if np.subtract(*np.percentile(rates, [75, 25])) > AGREE_BPM and len(set(np.sign(np.diff(rates)))) > 1:
            return None, Reason.UNSTEADY
        sure = sum(window.reason is Reason.OK for window in given) * 2 >= len(given)
        return float(np.median(rates)), Reason.OK if sure else Reason.LOW_CONFIDENCE
    if not frames:
        return None, Reason.NO_FRAMES
    reasons = Counter(window.reason for window in judged if window.reason not in _WAITING | GIVEN)
    if not reasons:
        reasons = Counter(window.reason for window in windows if window.reason not in _WAITING | GIVEN)
    if not reasons:
        return None, Reason.TOO_SHORT if not given else Reason.LOW_SNR
    return None, reasons.most_common(1)[0][0]


def _after_first(windows: list[Estimate]) -> list[Estimate]:
    """Return the windows after those that no recording could have a heart rate in."""
    return windows[int(FIRST_AFTER_S) + 1 :]


def _pulse(steps: list[Step]) -> tuple[Floats, Floats]:
    """Return the pulse on the grid, each unbroken stretch band-passed by itself, NaN between."""
    times: list[Floats] = []
    values: list[Floats] = []
    for stretch in stretches(steps):
        pulse = smoothed(np.concatenate([step.pulse for step in stretch]))
        begin = stretch[0].pulse_from_s
        if times:
            times.append(np.array([begin]))
            values.append(np.array([np.nan]))
        times.append(begin + np.arange(len(pulse)) / GRID_HZ)
        values.append(pulse)
    if not times:
        return np.empty(0), np.empty(0)
    return np.concatenate(times), np.concatenate(values)


def stretches(steps: list[Step]) -> list[list[Step]]:
    """Return the runs of seconds whose pulses follow on one another; none is empty."""
    runs: list[list[Step]] = []
    fresh = True
    for step in steps:
        fresh = fresh or step.broken
        if not len(step.pulse):
            continue
        if fresh:
            runs.append([])
        runs[-1].append(step)
        fresh = False
    return runs


def _median(values: list[float]) -> float | None:
    return float(np.median(values)) if values else None
