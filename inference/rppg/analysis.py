"""The pulse of a whole recording: what its seconds told, and one answer of them."""

from collections import Counter
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from inference.rppg import beats, breathing
from inference.rppg.estimates import Analysis, Estimate, Variability
from inference.rppg.estimator import CLEAR_WINDOW_S, FIRST_AFTER_S, MOST_REFUSED, PulseEstimator, Step
from inference.rppg.gate import LEAST_FPS
from inference.rppg.pulse import GRID_HZ, LAG
from inference.rppg.reasons import GIVEN, BreathReason, HrvReason, Reason
from inference.rppg.samples import Samples
from inference.rppg.wave import smoothed
from inference.slots import Floats

LEAST_SHARE: Final = 0.2
"""A heart rate that fewer of the windows tell is none of the recording's."""
SPREAD_BPM: Final = 8.0
"""The middle half of the windows lies within so much, unless the heart rate goes one way."""

LONGEST: Final = 0.9
"""Windows of so much of the longest one's length make the answer."""

_NOT_YET: Final = frozenset({Reason.WARMING_UP, Reason.NO_FRAMES})
_NO_BREATHING_YET: Final = frozenset({BreathReason.NOT_DUE, BreathReason.TOO_SHORT, BreathReason.NO_HEART_RATE})


def analyze(samples: Samples, *, cut_off: bool = False) -> Analysis:
    """Return what a whole recording tells; nothing about it raises, whatever the frames are.

    `cut_off` says that the recording holds less than it claims: too little is then not called too short.
    """
    steps = list(PulseEstimator().steps(samples))
    times = samples.time_s[np.isfinite(samples.time_s)]
    duration = float(np.ptp(times)) if len(times) else 0.0
    fps = float((len(times) - 1) / duration) if duration > 0 else 0.0
    pulse_time_s, pulse = _pulse(steps)
    windows = [step.estimate for step in steps]
    answer = conclude(windows, duration_s=duration, frames=len(samples))
    if answer.heart_rate_bpm is None:
        short = Reason.UNREADABLE if cut_off and answer.reason is Reason.TOO_SHORT else answer.reason
        answer = replace(answer, reason=_faulty(samples.time_s, fps=fps) or short)
    hrv = _variability(steps, answer, fps=fps)
    return replace(
        answer, hrv=hrv.told, hrv_reason=hrv.reason, fps=fps, pulse_time_s=pulse_time_s, pulse=pulse,
        beat_time_s=hrv.beat_time_s,
    )  # fmt: skip


def conclude(windows: list[Estimate], *, duration_s: float, frames: int) -> Analysis:
    """Return the one answer that the estimates of a recording come to, without variability or pulse."""
    given = [window for window in windows if window.reason in GIVEN]
    judged = [window for window in windows if window.reason not in _NOT_YET]
    rate, reason = _rate(judged, given, frames=frames)
    told = given if rate is not None else judged
    breaths, breath_reason = _breathing(given) if rate is not None else (None, BreathReason.NO_HEART_RATE)
    after_first = max(len(windows) - round(FIRST_AFTER_S) - 1, 1)
    return Analysis(
        heart_rate_bpm=rate,
        confidence=float(np.median([window.confidence for window in given])) if rate is not None else 0.0,
        reason=reason,
        snr_db=_median([window.snr_db for window in told]),
        respiratory_rate=breaths,
        respiratory_reason=breath_reason,
        hrv=None,
        hrv_reason=HrvReason.NO_HEART_RATE,
        windows=judged,
        coverage=min(len(given) / after_first, 1.0),
        duration_s=duration_s,
        fps=0.0,
        pulse_time_s=np.empty(0),
        pulse=np.empty(0),
        beat_time_s=np.empty(0),
    )


def _faulty(time_s: Floats, *, fps: float) -> Reason | None:
    """Return what is wrong with the times of a recording, or None."""
    if len(time_s) < 2:  # noqa: PLR2004  one time is neither right nor wrong
        return None
    risen = np.diff(time_s) > 0
    if 1 - risen.mean() > MOST_REFUSED:
        return Reason.BAD_TIMES
    return Reason.LOW_FPS if fps < LEAST_FPS else None


def _rate(judged: list[Estimate], given: list[Estimate], *, frames: int) -> tuple[float | None, Reason]:
    """Return the heart rate and why, or None and why not."""
    if given and len(given) >= LEAST_SHARE * len(judged):
        rates = np.array([window.heart_rate_bpm for window in given], dtype=np.float64)
        spread = float(np.subtract(*np.percentile(rates, [75, 25])))
        if spread > SPREAD_BPM and abs(float(np.corrcoef(np.arange(len(rates)), rates)[0, 1])) < 1 / 2:
            return None, Reason.UNSTEADY
        sure = sum(window.reason is Reason.OK for window in given) * 2 >= len(given)
        return _mean(given), Reason.OK if sure else Reason.LOW_CONFIDENCE
    reasons = Counter(window.reason for window in judged if window.reason not in GIVEN)
    if reasons:
        return None, reasons.most_common(1)[0][0]
    return None, Reason.TOO_SHORT if frames else Reason.NO_FRAMES


def _breathing(given: list[Estimate]) -> breathing.Told:
    """Return the rate that at least half of the windows long enough tell, all within two a minute, and why."""
    long = [window for window in given if window.respiratory_reason not in _NO_BREATHING_YET]
    told = [window.respiratory_rate for window in long if window.respiratory_rate is not None]
    if not long:
        return None, BreathReason.TOO_SHORT
    if len(told) * 2 < len(long):
        why = Counter(window.respiratory_reason for window in long if window.respiratory_rate is None)
        return None, why.most_common(1)[0][0]
    if max(told) - min(told) > breathing.AGREE_PER_MIN:
        return None, BreathReason.DISAGREE
    return float(np.median(told)), BreathReason.OK


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    told: Variability | None
    reason: HrvReason
    beat_time_s: Floats


def _variability(steps: list[Step], answer: Analysis, *, fps: float) -> _Measured:
    """Return the variability over the longest unbroken stretch."""
    nothing = np.empty(0)
    if answer.heart_rate_bpm is None:
        return _Measured(told=None, reason=HrvReason.NO_HEART_RATE, beat_time_s=nothing)
    longest = max(stretches(steps), key=lambda stretch: sum(len(step.pulse) for step in stretch))
    pulse = np.concatenate([step.pulse for step in longest])
    inside = [step.estimate for step in longest if step.estimate.reason in GIVEN]
    rate = _median([estimate.heart_rate_bpm for estimate in inside])
    closed = beats.closed(
        seconds=(len(pulse) + LAG) / GRID_HZ,
        fps=fps,
        snr_db=_faintest(longest),
        rate_bpm=rate,
    )
    if closed is not None or rate is None:
        return _Measured(told=None, reason=closed or HrvReason.NO_HEART_RATE, beat_time_s=nothing)
    found = beats.find(pulse, hz=GRID_HZ, rate_bpm=rate)
    told, reason = beats.variability(found, rate_bpm=rate)
    return _Measured(told=told, reason=reason, beat_time_s=longest[0].pulse_from_s + found.time_s)


def _faintest(stretch: list[Step]) -> float | None:
    """Return the lowest signal-to-noise ratio of the long windows of a stretch, told or withheld."""
    evidence = [step.evidence for step in stretch if step.evidence is not None]
    long = [one.snr_db for one in evidence if one.window_s >= CLEAR_WINDOW_S]
    return min(long, default=evidence[-1].snr_db if evidence else None)


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


def _mean(given: list[Estimate]) -> float:
    """Return the mean of the longest windows, without the lowest and the highest tenth.

    The first windows are short and lie all at the beginning: counted too, they would pull towards it.
    """
    seconds = [window.components["window_s"] or 0.0 for window in given]
    least = LONGEST * max(seconds)
    rates = [w.heart_rate_bpm for w, long in zip(given, seconds, strict=True) if long >= least]
    cut = len(rates) // 10
    return float(np.sort(np.array(rates, dtype=np.float64))[cut : len(rates) - cut].mean())


def _median(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.median(known)) if known else None
