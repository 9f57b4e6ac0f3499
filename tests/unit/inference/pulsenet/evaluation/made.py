"""Recordings made by hand for the evaluation's tests."""

import numpy as np

from inference.pulsenet.series import HEART_RATE, VITAL_COUNT, Series
from inference.slots import Floats

DAY_MIN = 1440


def recording(rate: Floats, *, steps: Floats | None = None, name: str = "somebody", offset_min: int = 0) -> Series:
    """A wearer with this heart rate who never walks unless told otherwise; minute 0 is a midnight UTC."""
    values = np.full((len(rate), VITAL_COUNT), np.nan)
    values[:, HEART_RATE] = rate
    return Series(
        name=name,
        data="real",
        first_minute=20_000 * DAY_MIN,
        utc_offset_min=offset_min,
        values=values,
        steps=np.zeros(len(rate)) if steps is None else steps,
        motion=np.full(len(rate), np.nan),
        worn=np.zeros(len(rate), dtype=np.int64),
    )


def restless(days: int, *, seed: int, bpm: float = 65.0) -> Floats:
    """A heart rate with noise and no two equal minutes in a row."""
    return bpm + np.random.default_rng(seed).normal(0.0, 3.0, days * DAY_MIN)


def walker(days: int, *, seed: int) -> Floats:
    """Ten minutes of slow steps at the start of every other hour, day and night but from 0 to 6."""
    minute = np.arange(days * DAY_MIN)
    hour = minute % DAY_MIN // 60
    walking = (hour >= 6) & (hour % 2 == 0) & (minute % 60 < 10)
    return np.where(walking, np.random.default_rng(seed).integers(5, 60, len(minute)), 0).astype(np.float64)
