"""Breathing in the pulse: its brightness, its height and its intervals change with every breath.

Three modulations, each with a rhythm of its own, are believed where two at least agree (after Karlen et al., "Multi-
parameter respiratory rate estimation from the photoplethysmogram", IEEE Transactions on Biomedical Engineering 60
(2013) 1946-1953, who ask for all three within 4 breaths a minute).
"""

from typing import Final

import numpy as np

from inference.rppg.beats import Found
from inference.slots import Floats

LEAST_S: Final = 28.0
"""Of half a minute of frames, the pulse lacks the first and last moments."""
BAND_HZ: Final = (0.1, 0.5)
"""6 to 30 breaths a minute: slower ones need minutes."""
AGREE_PER_MIN: Final = 2.0
CLEAR: Final = 0.5
"""Share of a modulation's power around its rhythm."""

_EVEN_HZ: Final = 4.0
_POINTS: Final = 2048
_NEAR_HZ: Final = 0.04
_LOOKED_HZ: Final = (0.06, 0.7)


def rate(found: Found, light: Floats, *, light_hz: float) -> float | None:
    """Return breaths a minute, or None where fewer than two modulations agree.

    Args:
        found: The beats.
        light: Logarithm of the skin's brightness over the same time.
        light_hz: Values of it a second.
    """
    if len(found.time_s) < 4 or found.time_s[-1] - found.time_s[0] < LEAST_S - 4:  # noqa: PLR2004  a few beats
        return None
    even = np.arange(found.time_s[1], found.time_s[-1], 1 / _EVEN_HZ)
    middle = found.time_s[1:]
    series = [
        np.interp(even, middle, np.diff(found.time_s)),
        np.interp(even, found.time_s, found.height),
        np.interp(even, np.arange(len(light)) / light_hz, _smoothed(light, round(light_hz / 2))),
    ]
    clear = [rhythm for rhythm in map(_rhythm, series) if rhythm is not None]
    best: list[float] = []
    for rhythm in clear:
        near = [other for other in clear if abs(other - rhythm) * 60 <= AGREE_PER_MIN]
        best = near if len(near) > len(best) else best
    return float(np.mean(best)) * 60 if len(best) > 1 else None


def _smoothed(light: Floats, width: int) -> Floats:
    values: Floats = np.convolve(light, np.ones(width) / width, mode="same")
    return values


def _rhythm(series: Floats) -> float | None:
    """Return the rhythm of a modulation in Hz, or None where none stands out."""
    place = np.arange(len(series)) - (len(series) - 1) / 2
    centred = series - series.mean()
    flat = centred - place * (float(place @ centred) / float(place @ place))
    power = np.abs(np.fft.rfft(flat * np.hanning(len(flat)), _POINTS)) ** 2
    frequency = np.arange(len(power)) * _EVEN_HZ / _POINTS
    looked = (frequency >= _LOOKED_HZ[0]) & (frequency <= _LOOKED_HZ[1])
    inside = np.flatnonzero((frequency >= BAND_HZ[0]) & (frequency <= BAND_HZ[1]))
    top = inside[int(np.argmax(power[inside]))]
    total = float(power[looked].sum())
    around = np.abs(frequency - frequency[top]) <= _NEAR_HZ
    if total <= 0 or float(power[around].sum()) < CLEAR * total or top in {inside[0], inside[-1]}:
        return None
    return float(frequency[top])
