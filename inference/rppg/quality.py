"""What speaks for and against the rhythm that a window shows."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.rppg.pulse import CHROM, GRID_HZ, METHODS, POS
from inference.rppg.spectrum import AROUND_HZ, MOST_DB, NOISE_HZ, STEP_HZ, peak, powers, snr_db
from inference.slots import Floats

STILL: Final = 0.02
"""Box widths a second: slower than this nothing is called movement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """What was seen in one window.

    Attributes:
        pulses: POS and CHROM of the face, then of the background (NaN where unknown), shape (4, n).
        background_light: Logarithm of the background's brightness, NaN where unknown, shape (m,).
        motion: Box widths a second, NaN where unknown, shape (m,).
        saturated: Share of pixels, NaN where unknown, shape (m,).
        light: Brightness of the face, 0 to 255, shape (m,).
        far: Whether a point lies far from every frame with a face, 0 or 1, shape (m,).
        fps: Frames a second.
    """

    pulses: Floats
    background_light: Floats
    motion: Floats
    saturated: Floats
    light: Floats
    far: Floats
    fps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Numbers that a heart rate is believed or refused by; NaN where not known.

    Attributes:
        rate_bpm: The rhythm of POS, and how much of the power is at half of it (`half`).
        snr_db: How far it stands out; `halves_db` the same at this rate in the worse half of the window.
        chrom_db: How far CHROM stands out at this rate; `agreement_bpm` by how much its own rhythm differs.
        background_db: How far the background stands out at this rate, by the strongest of POS, CHROM and brightness
            that is strong enough to matter in the face.
        motion: Mean speed in box widths a second; `motion_db` how far it stands out at this rate.
        saturated: Share of pixels; `light` brightness, 0 to 255.
        kurtosis: Of the band-passed pulse: 1.5 for a sine, 3 for noise, more for bursts.
        amplitude: Root mean square of the pulse, relative to the mean colour.
        window_s: Length of the window; `fps` frames a second; `far` share of points that are made up.
    """

    rate_bpm: float
    half: float
    snr_db: float
    halves_db: float
    chrom_db: float
    agreement_bpm: float
    background_db: float
    motion: float
    motion_db: float
    saturated: float
    light: float
    kurtosis: float
    amplitude: float
    window_s: float
    fps: float
    far: float


def components(evidence: Evidence, stability_bpm: float) -> Mapping[str, float | None]:
    """Return the evidence by name, None where not known."""
    named = {name: getattr(evidence, name) for name in Evidence.__slots__} | {"stability_bpm": stability_bpm}
    return {name: round(value, 6) if np.isfinite(value) else None for name, value in named.items()}


def weigh(window: Window) -> Evidence:
    """Return what speaks for and against the rhythm of a window whose pulse is not flat."""
    pulses = window.pulses.astype(np.float64)
    n = pulses.shape[1]
    known = METHODS + METHODS * int(np.isfinite(pulses[METHODS:]).all())
    power = powers(pulses[:known])
    found = peak(power[POS])
    rate = found.rate_bpm
    signal = snr_db(power, rate)
    chrom_rate = peak(power[CHROM]).rate_bpm
    halves = snr_db(powers(np.stack([pulses[POS, : n // 2], pulses[POS, n - n // 2 :]])), rate)
    square = _banded(pulses[POS]) ** 2
    mean_square = float(np.mean(square))
    motion, motion_db = _motion(window.motion, rate)
    return Evidence(
        rate_bpm=rate,
        half=found.half,
        snr_db=float(signal[POS]),
        halves_db=float(halves.min()),
        chrom_db=float(signal[CHROM]),
        agreement_bpm=abs(chrom_rate - rate),
        background_db=_background(power, signal, window.background_light, rate),
        motion=motion,
        motion_db=motion_db,
        saturated=_mean(window.saturated),
        light=_mean(window.light),
        kurtosis=float(np.mean(square**2)) / max(mean_square**2, 1e-300),
        amplitude=math.sqrt(mean_square),
        window_s=n / GRID_HZ,
        fps=window.fps,
        far=float(window.far.mean()),
    )


_MATTERS: Final = 0.3
"""A rhythm of the background's colour, relative to that of the face, from which on it could be the same one."""
_LEAKS: Final = 2.0
"""As above for its brightness, which POS and CHROM mostly take out of the face."""


def _background(power: Floats, signal: Floats, light: Floats, rate_bpm: float) -> float:
    if len(power) == METHODS:
        return float("nan")
    face = _around(power[POS], rate_bpm)
    rows = [row for row in range(METHODS, 2 * METHODS) if _around(power[row], rate_bpm) > _MATTERS**2 * face]
    found = [-MOST_DB, *(float(signal[row]) for row in rows)]
    if np.isfinite(light).all():
        seen = powers(light[None].astype(np.float64))
        if _around(seen[0], rate_bpm) > _LEAKS**2 * face:
            found.append(float(snr_db(seen, rate_bpm)[0]))
    return max(found)


def _around(power: Floats, rate_bpm: float) -> float:
    first = round((rate_bpm / 60 - AROUND_HZ) / STEP_HZ)
    last = round((rate_bpm / 60 + AROUND_HZ) / STEP_HZ)
    return float(power[first : last + 1].sum())


def _motion(motion: Floats, rate_bpm: float) -> tuple[float, float]:
    known = np.isfinite(motion)
    if not known.any():
        return float("nan"), float("nan")
    filled = np.where(known, motion, 0.0).astype(np.float64)
    mean = float(filled[known].mean())
    return mean, float(snr_db(powers(filled[None]), rate_bpm)[0]) if mean > STILL else -20.0


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _banded(pulse: Floats) -> Floats:
    """Return the pulse with nothing left outside the band in which signal and noise are measured."""
    n = len(pulse)
    spectrum = np.fft.rfft(pulse - pulse.mean())
    frequency = np.arange(len(spectrum)) * (GRID_HZ / n)
    spectrum[(frequency < NOISE_HZ[0]) | (frequency > NOISE_HZ[1])] = 0
    return np.fft.irfft(spectrum, n)
