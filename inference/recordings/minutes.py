"""Samples at any moments become a grid of minutes."""

from typing import Final

import numpy as np

from inference.pulsenet.series import VITAL_COUNT, Data, Series
from inference.slots import Floats, Ints
from schemas.errors import RecordingError
from schemas.vitals import BY_NAME

LONGEST_MINUTES: Final = 5 * 366 * 1_440
"""Whoever has a longer recording has a wrong date in it."""


def grid(first: int, last: int, *, name: str) -> int:
    """Return how many minutes a recording from one minute to another has.

    Raises:
        RecordingError: More than anybody records.
    """
    if last - first >= LONGEST_MINUTES:
        raise RecordingError(f"{name}: {(last - first) // 1_440} days from first to last time: a date is wrong.")
    return last - first + 1


def means(minute: Ints, values: Floats, *, minutes: int) -> Floats:
    """Return the mean of each minute's known values, NaN where there is none, shape (minutes,).

    `minute` is each value's place in the grid.
    """
    known = ~np.isnan(values)
    counts = np.bincount(minute[known], minlength=minutes)
    sums = np.bincount(minute[known], weights=values[known], minlength=minutes)
    mean: Floats = np.divide(sums, counts, out=np.full(minutes, np.nan), where=counts > 0)
    return mean


def plausible(vital: str, values: Floats) -> Floats:
    """Return the values, NaN where no living person's sensor reports such a one: the gateway refuses them too."""
    lowest, highest = BY_NAME[vital].plausible
    return np.where((values >= lowest) & (values <= highest), values, np.nan)


def empty(*, name: str, data: Data, first_minute: int, minutes: int, utc_offset_min: int) -> Series:
    """Return a series in which nothing was measured, to be filled."""
    return Series(
        name=name,
        data=data,
        first_minute=first_minute,
        utc_offset_min=utc_offset_min,
        values=np.full((minutes, VITAL_COUNT), np.nan),
        steps=np.full(minutes, np.nan),
        motion=np.full(minutes, np.nan),
        worn=np.zeros(minutes, dtype=np.int64),
    )
