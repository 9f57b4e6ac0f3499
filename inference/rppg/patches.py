"""The documented mode of earlier systems: each patch of the face by itself, POS, Welch, the median of the patches.

With the median of patches POS is no better than with one region (docs/models/rppg.md); it is here for parity. Whether
anything is told at all is still decided by the whole region: the patches bring no gate of their own.
"""

from dataclasses import replace
from typing import Final

import numpy as np
from scipy.signal import welch

from inference.rppg.analysis import analyze, conclude
from inference.rppg.estimates import Analysis, Estimate
from inference.rppg.gate import STEADY_BPM
from inference.rppg.pulse import GRID_HZ, POS, Projection
from inference.rppg.reasons import GIVEN, Reason
from inference.rppg.samples import Samples
from inference.rppg.spectrum import LEAST_BPM, MOST_BPM
from inference.slots import Floats

WINDOW_S: Final = 8
SEGMENT: Final = 6 * GRID_HZ
POINTS: Final = 2048
LEAST_PATCHES: Final = 3
LEAST_KNOWN: Final = 0.8
"""Share of the frames in which a patch must show skin."""


def analyze_patches(samples: Samples, *, cut_off: bool = False) -> Analysis:
    """Return what a recording tells by the patches of the face.

    A second's heart rate is the median of its patches' Welch peaks over 8 s. It is withheld where the whole region's
    is, and where the two differ by more than 5 beats a minute.

    Raises:
        ValueError: The patches were not measured.
    """
    if samples.patches is None:
        raise ValueError("The patches of the face were not measured: measure with patches, or analyze the region.")
    whole = analyze(samples, cut_off=cut_off)
    pulses, begin_s = _pulses(samples.time_s, samples.patches)
    windows = [_judged(window, pulses, begin_s) for window in whole.windows]
    told = conclude(windows, duration_s=whole.duration_s, frames=len(samples))
    given = sum(window.reason in GIVEN for window in windows)
    before = sum(window.reason in GIVEN for window in whole.windows)
    return replace(
        whole,
        heart_rate_bpm=told.heart_rate_bpm,
        confidence=told.confidence,
        reason=whole.reason if whole.heart_rate_bpm is None else told.reason,
        respiratory_rate=told.respiratory_rate,
        respiratory_reason=told.respiratory_reason,
        windows=windows,
        coverage=whole.coverage * given / before if before else 0.0,
    )


def _pulses(time_s: Floats, patches: Floats) -> tuple[Floats, float]:
    """Return POS of each patch on the grid, shape (patches, m), and the time of its first value."""
    known = np.isfinite(patches).all(axis=2) & np.isfinite(time_s)[:, None]
    usable = np.flatnonzero(known.mean(axis=0) >= LEAST_KNOWN) if len(time_s) else np.empty(0, dtype=np.int64)
    ordered = np.unique(time_s[np.isfinite(time_s)])
    if not len(usable) or len(ordered) < GRID_HZ:
        return np.empty((0, 0)), 0.0
    grid = np.arange(ordered[0], ordered[-1], 1 / GRID_HZ)
    even = np.stack([_evened(grid, time_s[known[:, patch]], patches[known[:, patch], patch]) for patch in usable])
    pulses: Floats = Projection(len(usable)).push(even)[:, POS]
    return pulses, float(ordered[0])


def _evened(grid: Floats, time_s: Floats, colours: Floats) -> Floats:
    times, kept = np.unique(time_s, return_index=True)
    return np.stack([np.interp(grid, times, colours[kept, c]) for c in range(colours.shape[1])], axis=1)


def _judged(window: Estimate, pulses: Floats, begin_s: float) -> Estimate:
    end = round((window.time_s - begin_s) * GRID_HZ)
    part = pulses[:, max(end - WINDOW_S * GRID_HZ, 0) : end]
    if window.heart_rate_bpm is None or part.shape[1] < SEGMENT or len(part) < LEAST_PATCHES:
        return window
    rate = _rate(part)
    if abs(rate - window.heart_rate_bpm) <= STEADY_BPM:
        return replace(window, heart_rate_bpm=rate)
    return replace(window, heart_rate_bpm=None, confidence=0.0, reason=Reason.UNSTEADY)


def _rate(part: Floats) -> float:
    frequency, power = welch(part, fs=GRID_HZ, nperseg=SEGMENT, nfft=POINTS, axis=1)
    inside = (frequency * 60 >= LEAST_BPM) & (frequency * 60 <= MOST_BPM)
    return float(np.median(frequency[inside][np.argmax(power[:, inside], axis=1)]) * 60)
