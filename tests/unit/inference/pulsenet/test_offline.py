"""Whole recordings as waves of minutes."""

import numpy as np

from inference.pulsenet.offline import Grid
from inference.pulsenet.series import HEART_RATE, SPO2, VITAL_COUNT, Series
from tests.unit.inference.pulsenet.made import DAY, NOON


def recording(rates: list[float], *, first_minute: int = NOON, utc_offset_min: int = 0) -> Series:
    """Return a recording of a heart rate alone."""
    minutes = len(rates)
    values = np.full((minutes, VITAL_COUNT), np.nan)
    values[:, HEART_RATE] = rates
    return Series(
        name="Anna",
        data="simulated",
        first_minute=first_minute,
        utc_offset_min=utc_offset_min,
        values=values,
        steps=np.full(minutes, np.nan),
        motion=np.full(minutes, np.nan),
        worn=np.ones(minutes, dtype=np.int64),
    )


def test_recordings_lie_side_by_side() -> None:
    """Each has its own minutes, values and local time in a wave, in the order of the sequence."""
    grid = Grid([recording([70, 71]), recording([60, 61, 62], first_minute=NOON - DAY, utc_offset_min=-60)])
    told = grid.minute(np.array([0, 1]), 1)
    assert grid.minutes == 3
    assert told.slot.tolist() == [0, 1]
    assert told.minute.tolist() == [NOON + 1, NOON - DAY + 1]
    assert told.local_min.tolist() == [12 * 60 + 1, 11 * 60 + 1]
    assert told.values[:, HEART_RATE].tolist() == [71, 61]


def test_a_minute_without_anything_is_no_minute() -> None:
    """Only minutes in which some vital, steps or motion were measured are known; a shorter recording ends."""
    short, long = recording([70, np.nan, 72]), recording([np.nan] * 4)
    long.steps[1], long.motion[2] = 0.0, 0.1
    assert Grid([short, long]).known.tolist() == [[True, False], [False, True], [True, True], [False, False]]


def test_what_was_not_measured_stays_unmeasured() -> None:
    """Absent vitals, steps and motion are NaN in every wave, never 0."""
    told = Grid([recording([70])]).minute(np.array([0]), 0)
    assert np.isnan(told.values[0, SPO2])
    assert np.isnan(told.steps).all()
    assert np.isnan(told.motion).all()


def test_off_the_wrist_every_value_is_gated() -> None:
    """Minutes not worn are gated for all vitals; worn or unknown are not."""
    made = recording([70, 70, 70])
    made.worn[:] = (-1, 0, 1)
    grid = Grid([made])
    gated = [grid.minute(np.array([0]), row).gated.all(axis=1).tolist() for row in range(3)]
    assert gated == [[True], [False], [False]]


def test_no_recordings_have_no_minutes() -> None:
    """An empty sequence makes an empty grid."""
    assert Grid([]).minutes == 0
