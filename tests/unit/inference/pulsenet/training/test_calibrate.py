"""Daily maxima that set thresholds: whole local days only, and channels that said enough."""

import numpy as np
import pytest

from inference.pulsenet.calibration import DAY_LEAST_MIN
from inference.pulsenet.channels import CHANNEL_COUNT
from inference.pulsenet.series import VITAL_COUNT, Series
from inference.pulsenet.training.calibrate import Maxima

_DAY_MIN = 1_440


def _series(days: float, utc_offset_min: int) -> Series:
    minutes = round(days * _DAY_MIN)
    nothing = np.full(minutes, np.nan)
    return Series(
        name="somebody",
        data="simulated",
        first_minute=20_000 * _DAY_MIN,
        utc_offset_min=utc_offset_min,
        values=np.full((minutes, VITAL_COUNT), np.nan),
        steps=nothing,
        motion=nothing,
        worn=np.zeros(minutes, dtype=np.int64),
    )


@pytest.mark.parametrize(("utc_offset_min", "expected"), [(0, [1.0, 2.0]), (-60, [2.0])])
def test_only_whole_local_days_after_the_first_count(utc_offset_min: int, expected: list[float]) -> None:
    """The first whole day is left out; one hour west of UTC the ends of a recording are parts of days."""
    days = Maxima([_series(3, utc_offset_min)])
    for minute in range(3 * _DAY_MIN):
        local_day = (minute + utc_offset_min) // _DAY_MIN
        days.take(np.array([0]), minute, np.full((1, CHANNEL_COUNT), float(local_day)))
    told = days.maxima()
    assert told[:, 0].tolist() == [value - (utc_offset_min < 0) for value in expected]


def test_a_channel_that_says_little_says_nothing() -> None:
    """A channel judged for less than an hour of a day has no maximum of it; the others have."""
    days = Maxima([_series(2, 0)])
    for minute in range(_DAY_MIN, 2 * _DAY_MIN):
        score = np.full((1, CHANNEL_COUNT), 0.5)
        score[0, 0] = 9.0 if minute % _DAY_MIN < DAY_LEAST_MIN - 1 else np.nan
        days.take(np.array([0]), minute, score)
    told = days.maxima()
    assert np.isnan(told[0, 0])
    assert (told[0, 1:] == 0.5).all()
