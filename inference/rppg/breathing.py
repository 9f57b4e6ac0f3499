"""Breathing in the pulse: its intervals, its height and its brightness change with every breath.

Each modulation may have a rhythm of its own. It is believed where that of the intervals stands out and that of the
height or of the brightness is the same (after Karlen et al., "Multi-parameter respiratory rate estimation from the
photoplethysmogram", IEEE Transactions on Biomedical Engineering 60 (2013) 1946-1953, who ask for all three within 4
breaths a minute). Height and brightness alone are no two witnesses: whoever sways changes both.
"""

from typing import Final

import numpy as np

from inference.rppg.beats import GATES, Found
from inference.rppg.reasons import BreathReason
from inference.slots import Floats

LEAST_S: Final = 30.0
"""From the first beat to the last."""
BAND_PER_MIN: Final = (10.0, 30.0)
"""Slower, blood pressure swings by itself, in intervals and height alike: around 6 a minute, up to 9 (Task Force of the
European Society of Cardiology, Circulation 93 (1996) 1043-1065, the low frequency band); half a minute blurs that by
one more."""
AGREE_PER_MIN: Final = 2.0
CLEAR: Final = 0.5
"""Share of a modulation's power around its rhythm."""
ALONE: Final = 0.5
"""No other rhythm of the modulation has more of the largest one's power."""

_EVEN_HZ: Final = 4.0
_POINTS: Final = 2048
_NEAR_HZ: Final = 0.04
_LOOKED_HZ: Final = (0.06, 0.7)

Told = tuple[float | None, BreathReason]
"""Breaths a minute or None, and why."""


def rate(found: Found, light: Floats, *, light_hz: float) -> Told:
    """Return breaths a minute and `ok`, or None and why not.

    Args:
        found: The beats.
        light: Logarithm of the skin's brightness over the same time.
        light_hz: Values of it a second.
    """
    if len(found.time_s) < 2 or found.time_s[-1] - found.time_s[0] < LEAST_S:  # noqa: PLR2004  two make an interval
        return None, BreathReason.TOO_SHORT
    if float(np.median(found.likeness)) < GATES.least_likeness:
        return None, BreathReason.UNLIKE_BEATS
    even = np.arange(found.time_s[1], found.time_s[-1], 1 / _EVEN_HZ)
    rhythm = _rhythm(np.interp(even, found.time_s[1:], np.diff(found.time_s)))
    if rhythm is None:
        return None, BreathReason.UNCLEAR
    if not BAND_PER_MIN[0] <= rhythm <= BAND_PER_MIN[1]:
        return None, BreathReason.OUT_OF_BAND
    others = (
        _rhythm(np.interp(even, found.time_s, found.height)),
        _rhythm(np.interp(even, np.arange(len(light)) / light_hz, _smoothed(light, round(light_hz / 2)))),
    )
    agree = [other for other in others if other is not None and abs(other - rhythm) <= AGREE_PER_MIN]
    return (float(np.mean([rhythm, *agree])), BreathReason.OK) if agree else (None, BreathReason.DISAGREE)


def _smoothed(light: Floats, width: int) -> Floats:
    values: Floats = np.convolve(light, np.ones(width) / width, mode="same")
    return values


def _rhythm(series: Floats) -> float | None:
    """Return the rhythm of a modulation, times a minute, or None where none stands out."""
    place = np.arange(len(series)) - (len(series) - 1) / 2
    centred = series - series.mean()
    flat = centred - place * (float(place @ centred) / float(place @ place))
    power = np.abs(np.fft.rfft(flat * np.hanning(len(flat)), _POINTS)) ** 2
    frequency = np.arange(len(power)) * _EVEN_HZ / _POINTS
    looked = (frequency >= _LOOKED_HZ[0]) & (frequency <= _LOOKED_HZ[1])
    top = int(np.argmax(np.where(looked, power, 0.0)))
    total = float(power[looked].sum())
    around = np.abs(frequency - frequency[top]) <= _NEAR_HZ
    if total <= 0 or float(power[around & looked].sum()) < CLEAR * total:
        return None
    peak = (
        (power[1:-1] > power[:-2]) & (power[1:-1] >= power[2:]) & looked[1:-1] & (np.arange(1, len(power) - 1) != top)
    )
    if peak.any() and float(power[1:-1][peak].max()) > ALONE * power[top]:
        return None
    return float(frequency[top]) * 60
