"""The rhythm in a window: spectra on fine steps, the peak between them, harmonics, and how far it stands out."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np

from inference.rppg.pulse import GRID_HZ
from inference.slots import Floats

POINTS: Final = 2048
"""Zero-padded to so many: steps of 0.88 beats a minute, refined by a parabola."""
STEP_HZ: Final = GRID_HZ / POINTS
LOWEST_HZ, HIGHEST_HZ = 0.5, 4.2
"""Where rhythms are looked for; what is told lies between `LEAST_BPM` and `MOST_BPM`, the rest has a reason."""
LEAST_BPM, MOST_BPM = 40.0, 200.0
NOISE_HZ: Final = (0.65, 4.2)
"""What signal and noise are shares of."""
AROUND_HZ, AROUND_SECOND_HZ = 0.1, 0.2
"""Around the rhythm and its second harmonic: de Haan and Jeanne 2013."""
MOST_DB: Final = 20.0

_FIRST, _LAST = round(LOWEST_HZ / STEP_HZ), round(HIGHEST_HZ / STEP_HZ)
_KEPT: Final = _LAST + 2
FREQUENCY_HZ: Final = np.arange(_KEPT) * STEP_HZ
_NEAR: Final = round(0.06 / STEP_HZ)
_HALF: Final = 0.35
"""Half the frequency with so much of the power is the rhythm, of which the peak found is the second harmonic."""


def powers(signals: Floats) -> Floats:
    """Return the power of signals, shape (m, n) -> (m, frequencies): means off, Hann, zero-padded."""
    n = signals.shape[-1]
    centred = signals - signals.mean(axis=-1, keepdims=True)
    made = np.fft.rfft(centred * _hann(n), POINTS, axis=-1)[..., :_KEPT]
    power: Floats = made.real**2 + made.imag**2
    return power


@lru_cache(maxsize=64)
def _hann(n: int) -> Floats:
    return np.hanning(n)


@dataclass(frozen=True, slots=True)
class Peak:
    """A rhythm: its rate, and how much of the power at half its frequency there is, relative to its own."""

    rate_bpm: float
    half: float


def peak(power: Floats) -> Peak:
    """Return the strongest rhythm, or the one at half its frequency where that is nearly as strong."""
    place = _FIRST + int(np.argmax(power[_FIRST : _LAST + 1]))
    lower = place // 2
    half = 0.0
    if lower * STEP_HZ * 60 >= LEAST_BPM:
        around = slice(lower - _NEAR, lower + _NEAR + 1)
        half = float(power[around].max() / max(power[place], 1e-300))
        local = lower - _NEAR + int(np.argmax(power[around]))
        if half > _HALF and power[local] >= power[local - 1] and power[local] >= power[local + 1]:
            return Peak(_refined(power, local), half)
    return Peak(_refined(power, place), half)


def _refined(power: Floats, place: int) -> float:
    """Return the rate at the top of the parabola through the logarithms of three powers."""
    left, top, right = np.log(np.maximum(power[place - 1 : place + 2], 1e-300))
    bend = left - 2 * top + right
    shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return float((place + min(max(shift, -0.5), 0.5)) * STEP_HZ * 60)


def snr_db(power: Floats, rate_bpm: float) -> Floats:
    """Return how far a rhythm and its second harmonic stand above the rest of the band, for each of many spectra."""
    rate_hz = rate_bpm / 60
    signal = _sum(power, rate_hz - AROUND_HZ, rate_hz + AROUND_HZ)
    second_from = max(2 * rate_hz - AROUND_SECOND_HZ, rate_hz + AROUND_HZ)
    signal += _sum(power, second_from, 2 * rate_hz + AROUND_SECOND_HZ)
    rest = np.maximum(_sum(power, *NOISE_HZ) - signal, 1e-300)
    ratio: Floats = 10 * np.log10(np.maximum(signal, 1e-300) / rest)
    return np.clip(ratio, -MOST_DB, MOST_DB)


def _sum(power: Floats, from_hz: float, to_hz: float) -> Floats:
    first = round(max(from_hz, NOISE_HZ[0]) / STEP_HZ)
    last = round(min(to_hz, NOISE_HZ[1]) / STEP_HZ)
    total: Floats = power[..., first : last + 1].sum(axis=-1)
    return total if last >= first else np.zeros_like(total)
