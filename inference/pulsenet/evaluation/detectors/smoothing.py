"""Exponential averages that wait where nothing is known."""

from dataclasses import dataclass

import numpy as np

from inference.slots import Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Smoothing:
    """An exponential average.

    Attributes:
        rate: Weight of a new value.
        fade: What the average is multiplied by in a minute without a value.
    """

    rate: float
    fade: float = 1.0


def smoothed(values: Floats, smoothing: Smoothing) -> Floats:
    """The average at each minute, 0 before the first value; NaN values make it fade, shape (N, T)."""
    known = np.ascontiguousarray(np.isfinite(values).T)
    given = np.ascontiguousarray((smoothing.rate * np.nan_to_num(values)).T)
    keep = np.where(known, 1.0 - smoothing.rate, smoothing.fade)
    average = np.empty_like(given)
    state = np.zeros(given.shape[1])
    for minute in range(len(given)):
        state = keep[minute] * state + given[minute]
        average[minute] = state
    return np.ascontiguousarray(average.T)


def followed(values: Floats, smoothing: Smoothing) -> Floats:
    """As `smoothed`, for values that are known at every minute."""
    return smoothed(np.nan_to_num(values), smoothing)


def lagged(values: Floats, minutes: int) -> Floats:
    """The values of so many minutes before, NaN before there are any, shape (N, T)."""
    late = np.full_like(values, np.nan)
    late[:, minutes:] = values[:, : values.shape[1] - minutes]
    return late
