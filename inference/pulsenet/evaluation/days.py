"""Wearer-days: what rates are promised for."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.pulsenet.evaluation.grid import DAY_MIN, believed
from inference.pulsenet.series import Series
from inference.slots import Bools, Ints

PAST_DAYS: Final = 7
"""The first worn days of a wearer: a detector may learn from them, and nothing is judged on them."""
WORN_MIN: Final = 60
"""A local day with so many minutes of believed heart rate is a wearer-day."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Days:
    """The local days of one recording.

    Attributes:
        of_minute: Day of each minute, 0 is the recording's first, shape (T,).
        minutes: Believed minutes of each day, shape (D,).
        worn: The day is a wearer-day, shape (D,).
        test: The day comes after the wearer's past and is a wearer-day, shape (D,).
        test_from: First minute after the past; T where there is none.
    """

    of_minute: Ints
    minutes: Ints
    worn: Bools
    test: Bools
    test_from: int


def days_of(series: Series) -> Days:
    """Cut a recording into local days."""
    local = series.first_minute + series.utc_offset_min + np.arange(series.minutes)
    of_minute = local // DAY_MIN - local[0] // DAY_MIN
    minutes = np.bincount(of_minute, weights=np.isfinite(believed(series))).astype(np.int64)
    worn = minutes >= WORN_MIN
    seen = np.cumsum(worn)
    past = (seen < PAST_DAYS) | ((seen == PAST_DAYS) & worn)
    test = worn & ~past
    after = np.flatnonzero(~past[of_minute])
    test_from = int(after[0]) if after.size else series.minutes
    return Days(of_minute=of_minute, minutes=minutes, worn=worn, test=test, test_from=test_from)
