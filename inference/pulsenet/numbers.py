"""Functions whose last bit must not depend on where in an array a number stands: tables, read by interpolation.

The vectorised exp, log and sin of numpy may round the last elements of an array in another way than the rest; sums,
products, quotients, roots and `numpy.interp` do not. So one log gives one answer, however its readings came together.
Where many numbers are read, their places in a table are computed and not searched (`Curve`): what a search compares
next is a guess that is wrong every other time.
"""

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import Final

import numpy as np

from inference.slots import Floats, Ints

T_DEGREES: Final = 5.0
"""Degrees of freedom of the predicted distribution: tails as heavy as residual heart rates of people at rest."""

_LONGEST_MIN: Final = 1_440
"""Tables by minutes end here: whoever reads one of them has longer durations cut off (`take(.., mode="clip")`)."""
_DAY_MIN: Final = 1_440


def decays(time_constant_min: float) -> Floats:
    """Return exp(-t / time constant) for t = 0 to 1440 minutes."""
    return np.array([math.exp(-minutes / time_constant_min) for minutes in range(_LONGEST_MIN + 1)])


def powers(base: float) -> Floats:
    """Return base ** t for t = 0 to 1440 minutes."""
    return np.array([base**minutes for minutes in range(_LONGEST_MIN + 1)])


class Curve:
    """A function read from a table by interpolation, as `numpy.interp` reads it, to the last bit."""

    def __init__(self, x: Floats, y: Floats, *, near: Callable[[Floats], Ints]) -> None:
        """`x` rises; `near` gives numbers between its ends a place, from 0 on, which rises too and no two of `x` share.

        Raises:
            ValueError: Two of `x` share a place.
        """
        place = near(x)
        if len(np.unique(place)) != len(x):
            raise ValueError("two numbers of a table share a place")
        self._near = near
        self._ends = float(x[0]), float(x[-1])
        self._below = np.maximum(np.searchsorted(place, np.arange(place[-1] + 1)) - 1, 0)
        self.x, self.y = x, y
        self._next = np.append(x[1:], np.inf)
        self._slope = np.append(np.diff(y) / np.diff(x), 0.0)

    def __call__(self, values: Floats) -> Floats:
        """Return the function of each number, those of the ends beyond them; NaN stays NaN."""
        inside = np.minimum(np.maximum(values, self._ends[0]), self._ends[1])
        known = np.fmax(inside, self._ends[0])
        below = self._below.take(self._near(known))
        below += known >= self._next.take(below)
        inside -= self.x.take(below)
        inside *= self._slope.take(below)
        inside += self.y.take(below)
        return inside


def _evenly(first: float, width: float) -> Callable[[Floats], Ints]:
    """Return which of even steps of this width a number lies in."""

    def place(values: Floats) -> Ints:
        return ((values - first) / width).astype(np.int64)

    return place


def _by_size(first: float) -> Callable[[Floats], Ints]:
    """Return which 256th of an octave a number lies in: the first bits of a float are its logarithm, nearly."""

    def bits(values: Floats) -> Ints:
        return np.ascontiguousarray(values).view(np.int64) >> _BITS_BEYOND

    least = int(bits(np.array([first]))[0])
    return lambda values: bits(values) - least


_BITS_BEYOND: Final = 52 - 8
"""Of the 52 binary digits of a float, all after the first eight."""


def _t_tail(ratio: float) -> float:
    """Return the probability that a Student t of five degrees of freedom lies above a number that is not negative."""
    theta = math.atan(ratio / math.sqrt(T_DEGREES))
    cosine = math.cos(theta)
    inside = theta + math.sin(theta) * cosine * (1.0 + 2.0 / 3.0 * cosine * cosine)
    return 0.5 - inside / math.pi


_RATIOS: Final = np.concatenate((np.arange(0.0, 10.0, 0.01), np.arange(10.0, 200.0, 0.25)))
_NORMAL: Final = NormalDist()
_Z: Final = np.array([
    -_NORMAL.inv_cdf(_t_tail(float(ratio))) for ratio in _RATIOS
])  # fmt: skip
_DEVIATE: Final = Curve(_RATIOS, _Z, near=_evenly(0.0, 0.005))


def normal_z(ratio: Floats) -> Floats:
    """Return the normal deviate of equal probability for residual / scale of a Student t with five degrees of freedom.

    Clipped where the table ends, at 200 scales and a deviate of 6.5; NaN stays NaN.
    """
    return np.copysign(_DEVIATE(np.abs(ratio)), ratio)


_LOG_GRID: Final = np.array([0.25 * 1.004**k for k in range(2_100)])
_LOGS: Final = np.array([math.log(value) for value in _LOG_GRID])
_LOGARITHM: Final = Curve(_LOG_GRID, _LOGS, near=_by_size(0.25))
_EXPONENTIAL: Final = Curve(_LOGS, _LOG_GRID, near=_evenly(math.log(0.25), 0.002))


def logarithm(values: Floats) -> Floats:
    """Return natural logarithms of values between 0.25 and 1,088, and those of the ends beyond; NaN stays NaN."""
    return _LOGARITHM(values)


def exponential(logs: Floats) -> Floats:
    """Return the inverse of `logarithm`; NaN stays NaN."""
    return _EXPONENTIAL(logs)


_COUNTS: Final = np.arange(401.0)
_COUNTED: Final = np.array([math.log1p(count) for count in range(401)])


def log_steps(steps: Floats) -> Floats:
    """Return ln(1 + steps) of steps in a minute, up to 400; 0 where no sensor told."""
    logs: Floats = np.interp(np.where(np.isnan(steps), 0.0, steps), _COUNTS, _COUNTED)
    return logs


_MOTIONS: Final = np.arange(0.0, 16.001, 0.01)
_MOTION_LOGS: Final = np.array([math.log1p(20.0 * motion) for motion in _MOTIONS])


def log_motion(motion: Floats) -> Floats:
    """Return ln(1 + 20 g) of a minute's motion in g; 0 where no sensor told."""
    logs: Floats = np.interp(np.where(np.isnan(motion), 0.0, motion), _MOTIONS, _MOTION_LOGS)
    return logs


DAY_WAVES: Final = np.array([
    [wave(2.0 * math.pi * turns * minute / _DAY_MIN) for turns in (1, 2) for wave in (math.sin, math.cos)]
    for minute in range(_DAY_MIN)
])  # fmt: skip
"""Two sine and cosine pairs of the time of day, by minute of the day, shape (1440, 4)."""
