"""Beats of a pulse, timed by how a beat looks on the whole; and their variability, behind its gates.

A plain peak moves with every noise: RMSSD of peaks is two to six times too high. Here each beat is placed where its
neighbourhood resembles the mean beat most, on a cubic spline, with a parabola between its points. Gates: see `Gates`.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.signal import butter, find_peaks, sosfiltfilt

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
    fine_hz = max(FINE_HZ, hz)
    wide = _fine(_banded(signal, (LOWEST_HZ, HIGHEST_HZ), hz), hz, fine_hz)
    narrow = _fine(_banded(signal, (max(AROUND[0] * rate_hz, LOWEST_HZ), AROUND[1] * rate_hz), hz), hz, fine_hz)
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
    views = np.lib.stride_tricks.sliding_window_view(wide, 2 * half + 1)
    moves = np.arange(-shift, shift + 1)
    around = views[place[:, None] + moves - half]
    around = around - around.mean(axis=2, keepdims=True)
    around /= np.maximum(np.linalg.norm(around, axis=2, keepdims=True), 1e-12)
    best = np.full(len(place), shift)
    rows = np.arange(len(place))
    likeness = np.zeros((len(place), len(moves)))
    for _ in range(ROUNDS):
        mean_beat = np.median(around[rows, best], axis=0)
        mean_beat /= max(float(np.linalg.norm(mean_beat)), 1e-12)
        likeness = around @ mean_beat
        best = np.argmax(likeness, axis=1)
    inner = np.clip(best, 1, len(moves) - 2)
    left, top, right = (likeness[rows, inner + step] for step in (-1, 0, 1))
    bend = np.minimum(left - 2 * top + right, -1e-12)
    part = np.where(inner == best, np.clip(0.5 * (left - right) / bend, -1, 1), 0.0)
    exact: Floats = place + moves[best] + part
    return exact, likeness[rows, best]


def _banded(signal: Floats, band_hz: tuple[float, float], hz: float) -> Floats:
    upper = min(band_hz[1], 0.45 * hz)
    values: Floats = sosfiltfilt(butter(2, (band_hz[0], upper), btype="bandpass", fs=hz, output="sos"), signal)
    return values


def _fine(signal: Floats, hz: float, fine_hz: float) -> Floats:
    if hz >= fine_hz:
        return signal
    places = np.arange(0, (len(signal) - 1) / hz, 1 / fine_hz) * hz
    values: Floats = CubicSpline(np.arange(len(signal)), signal)(places)
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
