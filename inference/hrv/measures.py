"""Measures of heart rate variability in the time domain, over many windows at once.

Definitions: Task Force of the European Society of Cardiology and the North American Society of Pacing and
Electrophysiology, "Heart rate variability: standards of measurement, physiological interpretation, and clinical use",
Circulation 93 (1996) 1043-1065.

- RMSSD: the root of the mean of the squared differences between successive intervals.
- SDNN: the standard deviation of the intervals, with n - 1 as divisor.
- pNN50: the share of differences between successive intervals that are over 50 ms, in percent.
- Heart rate: 60 over the mean interval, in beats a minute; its standard deviation is that of 60 over each interval.

Short-term measures are taken over 5 min; SDNN grows with the length of its window, so that only windows of one length
may be compared, and RMSSD and SDNN never with each other. Each answer says its method and its window. Where too few
beats are believed there is no value, and a reason. Sums are of whole microseconds and so exact, in whatever order.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from inference.hrv.beats import US_PER_MS, Beats
from inference.slots import Floats, Ints

FIVE_MINUTES_S: Final = 300.0
METHOD: Final = "Task Force 1996, believed beats"

GIVEN, NO_BEATS, FEW_BEATS, LOW_COVERAGE = range(4)
REASONS: Final = ("given", "no_beats", "few_beats", "low_coverage")
"""Why there is a value or none; the code is the index."""

_CENTRE_US: Final = 800_000
"""Taken off before squaring: the sums stay small."""
_MILLI: Final = 1_000
_NN50_US: Final = 50 * US_PER_MS


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a window needs for a value: differences that count, and the share of its time within believed intervals."""

    least_pairs: int
    least_coverage: float


SHORT_TERM: Final = Gate(least_pairs=60, least_coverage=0.3)
"""For 5 min: 90 s of believed beats, about a minute of them unbroken. Wristbands lose beats in every movement."""
SPOT: Final = Gate(least_pairs=30, least_coverage=0.8)
"""For a measurement that a person sits still for, about a minute."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hrv:
    """Measures of windows, shape (windows,) each; NaN where `reason` says why.

    Attributes:
        window_s: Length of the windows in seconds.
        method: By which definition.
        rmssd_ms: RMSSD; `sdnn_ms` SDNN; `pnn50_percent` pNN50.
        heart_rate_bpm: Mean heart rate; `heart_rate_sd_bpm` its standard deviation.
        beats: Believed intervals; `pairs` differences that count.
        coverage: Share of the window within believed intervals, 0 to 1.
        reason: Index into `REASONS`.
    """

    window_s: Floats
    method: str
    rmssd_ms: Floats
    sdnn_ms: Floats
    pnn50_percent: Floats
    heart_rate_bpm: Floats
    heart_rate_sd_bpm: Floats
    beats: Ints
    pairs: Ints
    coverage: Floats
    reason: Ints


def measure(beats: Beats, first: Ints, after: Ints, *, window_s: npt.ArrayLike, gate: Gate) -> Hrv:
    """Return the measures of windows: window k holds the beats that end in it, `first[k]` up to before `after[k]`.

    Windows may overlap; none reaches from one sequence into another. A difference belongs to its later beat.
    """
    believed, paired = beats.believed, beats.paired
    interval_us = np.where(believed, beats.interval_us, 0)
    centred = np.where(believed, beats.interval_us - _CENTRE_US, 0)
    change = np.where(paired, np.diff(beats.interval_us, prepend=0), 0)
    rate = np.where(believed, np.rint(60_000.0 * _MILLI * US_PER_MS / beats.interval_us), 0).astype(np.int64)
    columns = (believed, paired, interval_us, centred, centred**2, change**2, np.abs(change) > _NN50_US, rate, rate**2)
    count, pairs, total, mean_sum, squares, changes, over, rates, rate_squares = (
        _sums(column.astype(np.int64), first, after) for column in columns
    )
    length_s = np.broadcast_to(np.asarray(window_s, dtype=np.float64), count.shape)
    coverage = np.minimum(total / (length_s * US_PER_MS * 1000), 1.0)
    reason = reasons(count, pairs, coverage, gate)
    given = reason == GIVEN

    def shown(values: Floats) -> Floats:
        return np.where(given, values, np.nan)

    n, m = np.maximum(count, 1), np.maximum(pairs, 1)
    return Hrv(
        window_s=length_s,
        method=METHOD,
        rmssd_ms=shown(rmssd_ms(changes, m)),
        sdnn_ms=shown(_deviation(mean_sum, squares, n) / US_PER_MS),
        pnn50_percent=shown(100.0 * over / m),
        heart_rate_bpm=shown(60_000.0 * US_PER_MS * n / np.maximum(total, 1)),
        heart_rate_sd_bpm=shown(_deviation(rates, rate_squares, n) / _MILLI),
        beats=count,
        pairs=pairs,
        coverage=coverage,
        reason=reason,
    )


def reasons(beats: Ints, pairs: Ints, coverage: Floats, gate: Gate) -> Ints:
    """Return for each window, by its believed beats, its differences and its coverage, an index into `REASONS`."""
    reason = np.where(coverage < gate.least_coverage, LOW_COVERAGE, GIVEN)
    reason = np.where(pairs < gate.least_pairs, FEW_BEATS, reason)
    return np.where(beats == 0, NO_BEATS, reason)


def whole(beats: Beats, *, gate: Gate = SPOT) -> Hrv:
    """Return the measures of each whole sequence; its window is the time that its intervals take."""
    first, after = beats.starts[:-1], beats.starts[1:]
    window_s = _sums(beats.interval_us, first, after) / (US_PER_MS * 1000.0)
    return measure(beats, first, after, window_s=np.where(window_s > 0, window_s, 1.0), gate=gate)


def five_minutes(beats: Beats, ends_s: Floats, until_s: Floats) -> Hrv:
    """Return the measures of one sequence over the 5 min before each moment; `ends_s` says when each interval ends."""
    after = np.searchsorted(ends_s, until_s, side="right")
    first = np.searchsorted(ends_s, until_s - FIVE_MINUTES_S, side="right")
    return measure(beats, first, after, window_s=FIVE_MINUTES_S, gate=SHORT_TERM)


def rmssd_ms(squares_us2: Ints, pairs: Ints) -> Floats:
    """Return RMSSD from the sum of squared differences (square microseconds) and their number, which is not 0."""
    root: Floats = np.sqrt(squares_us2 / pairs) / US_PER_MS
    return root


def _sums(column: Ints, first: Ints, after: Ints) -> Ints:
    """Return the sums over ranges; whole numbers may wrap around on the way, their differences do not."""
    running = np.concatenate(([0], np.cumsum(column)))
    between: Ints = running[after] - running[first]
    return between


def _deviation(sums: Ints, squares: Ints, count: Ints) -> Floats:
    """Return standard deviations, NaN where there is one value only."""
    mean = sums / count
    spread = np.maximum(squares - sums * mean, 0.0)
    deviation: Floats = np.sqrt(np.divide(spread, count - 1, out=np.full(len(count), np.nan), where=count > 1))
    return deviation
