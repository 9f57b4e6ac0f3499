"""Beats of a pulse, timed by how a beat looks on the whole; and their variability, behind its gates.

A plain peak moves with every noise: RMSSD of peaks is two to six times too high. Here each beat is placed where its
neighbourhood resembles the mean beat most, on a cubic spline, with a parabola between its points. Gates: see `Gates`.

SciPy takes a second to load. It is loaded where it is first needed: whoever imports this may have to be there before.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from inference.hrv import beats as intervals
from inference.hrv import measures
from inference.rppg.estimates import Variability
from inference.rppg.reasons import HrvReason
from inference.slots import Floats

FINE_HZ: Final = 120.0
"""The spline is read at so many points a second, or at the signal's own rate where that is higher."""
LOWEST_HZ, HIGHEST_HZ = 0.5, 5.0
AROUND: Final = (0.6, 1.7)
"""Where the beats are first looked for, in multiples of the heart rate."""
HALF_BEAT: Final = 0.4
SHIFT: Final = 0.2
"""Of an interval: what is compared reaches so far to both sides, and is moved by so much at most."""
ROUNDS: Final = 3
LEAST_BEATS: Final = 8
_ENDS: Final = 15
"""So many values are turned over at the ends: three times what the filter remembers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Beats: their times since the beginning of the signal, how they resemble the mean beat, and how high they are."""

    time_s: Floats
    likeness: Floats
    height: Floats


NOTHING: Final = Found(time_s=np.empty(0), likeness=np.empty(0), height=np.empty(0))


def find(signal: Floats, *, hz: float, rate_bpm: float) -> Found:
    """Return the beats of a signal whose heart rate is about known; none where there are fewer than eight."""
    rate_hz = rate_bpm / 60
    if len(signal) < LEAST_BEATS * hz / rate_hz:
        return NOTHING
    from scipy.signal import find_peaks

    fine_hz = max(FINE_HZ, hz)
    near_hz = round(rate_bpm) / 60
    bands = ((LOWEST_HZ, HIGHEST_HZ), (max(AROUND[0] * near_hz, LOWEST_HZ), AROUND[1] * near_hz))
    wide, narrow = _fine(np.stack([_banded(signal, band_hz, hz) for band_hz in bands]), hz, fine_hz)
    half, shift = round(HALF_BEAT / rate_hz * fine_hz), round(SHIFT / rate_hz * fine_hz)
    place, _ = find_peaks(narrow, distance=max(round(0.5 / rate_hz * fine_hz), 1), height=0.0)
    place = place[(place >= half + shift) & (place < len(wide) - half - shift)]
    if len(place) < LEAST_BEATS:
        return NOTHING
    exact, likeness = _placed(wide, place, half=half, shift=shift)
    inside = np.lib.stride_tricks.sliding_window_view(wide, 2 * half + 1)[place - half]
    return Found(time_s=exact / fine_hz, likeness=likeness, height=np.ptp(inside, axis=1))


def _placed(
    wide: Floats, place: np.ndarray[tuple[int, ...], np.dtype[np.int64]], *, half: int, shift: int
) -> tuple[Floats, Floats]:
    """Return where each beat is most like the mean beat, and how like: the correlation of the two.

    Every window of the whole signal is correlated at once: they overlap so much that each by itself costs more.
    """
    length = 2 * half + 1
    views = np.lib.stride_tricks.sliding_window_view(wide, length)
    mean = _running(wide, length) / length
    norm = np.sqrt(np.maximum(_running(wide * wide, length) - length * mean * mean, 1e-24))
    moves = np.arange(-shift, shift + 1)
    begin = place[:, None] + moves - half
    best = np.full(len(place), shift)
    rows = np.arange(len(place))
    likeness = np.zeros(begin.shape)
    for _ in range(ROUNDS):
        chosen = begin[rows, best]
        mean_beat = np.median((views[chosen] - mean[chosen, None]) / norm[chosen, None], axis=0)
        mean_beat /= max(float(np.linalg.norm(mean_beat)), 1e-12)
        alike = (np.correlate(wide, mean_beat, mode="valid") - mean * mean_beat.sum()) / norm
        likeness = alike[begin]
        best = np.argmax(likeness, axis=1)
    inner = np.clip(best, 1, len(moves) - 2)
    left, top, right = (likeness[rows, inner + step] for step in (-1, 0, 1))
    bend = np.minimum(left - 2 * top + right, -1e-12)
    part = np.where(inner == best, np.clip(0.5 * (left - right) / bend, -1, 1), 0.0)
    exact: Floats = place + moves[best] + part
    return exact, likeness[rows, best]


def _running(values: Floats, length: int) -> Floats:
    """Return the sum of every window."""
    sums = np.concatenate(([0.0], np.cumsum(values)))
    total: Floats = sums[length:] - sums[:-length]
    return total


def _banded(signal: Floats, band_hz: tuple[float, float], hz: float) -> Floats:
    """Return the signal filtered forth and back, turned over at both ends so that it neither begins nor ends at once.

    What `scipy.signal.sosfiltfilt` does, with a filter that is not designed anew each time.
    """
    from scipy.signal import sosfilt

    design = _design(band_hz[0], min(band_hz[1], 0.45 * hz), hz)
    ends = min(_ENDS, len(signal) - 1)
    head, tail = 2 * signal[0] - signal[ends:0:-1], 2 * signal[-1] - signal[-2 : -ends - 2 : -1]
    there, _ = sosfilt(design.sections, long := np.concatenate((head, signal, tail)), zi=design.settled * long[0])
    back, _ = sosfilt(design.sections, there[::-1], zi=design.settled * there[-1])
    values: Floats = back[::-1][ends : len(back) - ends]
    return values


@dataclass(frozen=True, slots=True)
class _Design:
    sections: Floats
    settled: Floats
    """The filter's state after a 1 that went on for ever."""


@lru_cache(maxsize=512)
def _design(from_hz: float, to_hz: float, hz: float) -> _Design:
    from scipy.signal import butter, sosfilt_zi

    sections: Floats = butter(2, (from_hz, to_hz), btype="bandpass", fs=hz, output="sos")
    return _Design(sections, sosfilt_zi(sections))


def _fine(signals: Floats, hz: float, fine_hz: float) -> Floats:
    """Return signals, shape (m, n), on finer steps, by a cubic spline."""
    if hz >= fine_hz:
        return signals
    from scipy.interpolate import CubicSpline

    n = signals.shape[1]
    places = np.arange(0, (n - 1) / hz, 1 / fine_hz) * hz
    values: Floats = CubicSpline(np.arange(n), signals, axis=1)(places)
    return values


@dataclass(frozen=True, slots=True)
class Gates:
    """What beats need before their variability is told; how the pulse was measured decides before that.

    Attributes:
        least_s: Seconds of signal; a recording of a minute ends with its last frame, a little before.
        least_fps: Frames a second.
        least_db: Signal-to-noise ratio of the pulse.
        least_kept: Share of the beats that the heart rate promises whose intervals are believed.
        least_likeness: Median correlation of the beats with the mean beat.
        most_apart_bpm: Between the heart rate of the beats and that of the spectrum.
    """

    least_s: float = 59.0
    least_fps: float = 24.5
    least_db: float = 6.0
    least_kept: float = 0.85
    least_likeness: float = 0.8
    most_apart_bpm: float = 3.0


GATES: Final = Gates()


def closed(*, seconds: float, fps: float, snr_db: float | None, rate_bpm: float | None) -> HrvReason | None:
    """Return the gate that is closed before any beat is looked for, or None."""
    if rate_bpm is None or snr_db is None:
        return HrvReason.NO_HEART_RATE
    if seconds < GATES.least_s:
        return HrvReason.TOO_SHORT
    if fps < GATES.least_fps:
        return HrvReason.LOW_FPS
    return HrvReason.LOW_SNR if snr_db < GATES.least_db else None


def variability(found: Found, *, rate_bpm: float) -> tuple[Variability | None, HrvReason]:
    """Return the variability of beats, and why there is one or none."""
    interval_ms = np.diff(found.time_s) * 1000
    if len(found.time_s) < LEAST_BEATS or (interval_ms <= 0).any():
        return None, HrvReason.FEW_BEATS
    judged = intervals.judge(interval_ms, ends_s=found.time_s[1:])
    span_s = float(found.time_s[-1] - found.time_s[0])
    kept = min(float(judged.believed.mean()), float(judged.believed.sum()) / (span_s * rate_bpm / 60))
    likeness = float(np.median(found.likeness))
    told = measures.whole(judged)
    if kept < GATES.least_kept or told.reason[0] != measures.GIVEN:
        return None, HrvReason.FEW_BEATS
    if likeness < GATES.least_likeness:
        return None, HrvReason.UNLIKE_BEATS
    if abs(float(told.heart_rate_bpm[0]) - rate_bpm) > GATES.most_apart_bpm:
        return None, HrvReason.RATE_MISMATCH
    made = Variability(
        rmssd_ms=float(told.rmssd_ms[0]),
        sdnn_ms=float(told.sdnn_ms[0]),
        pnn50_percent=float(told.pnn50_percent[0]),
        heart_rate_bpm=float(told.heart_rate_bpm[0]),
        heart_rate_sd_bpm=float(told.heart_rate_sd_bpm[0]),
        window_s=span_s,
        beats=int(told.beats[0]),
        kept=kept,
        template=likeness,
    )
    return made, HrvReason.OK
