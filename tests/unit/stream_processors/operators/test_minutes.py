"""Bins become minutes."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from schemas.vitals import NAMES
from stream_processors.operators.bins import Bins
from stream_processors.operators.minutes import MINUTE_MS, Minute, Minutes
from tests.closed_bins import T0_MS, activity, bins

FIRST = -(-T0_MS // MINUTE_MS)
"""The first whole minute after T0."""
OFFSET = (FIRST * MINUTE_MS - T0_MS) // 5_000
"""Bins of T0 before it."""
SPO2 = NAMES.index("spo2")
TRUE, FALSE = np.array([True]), np.array([False])


def gather(*given: Bins, frozen: bool = False) -> Minutes:
    """Return what gathers of one wearer after these bins."""
    minutes = Minutes()
    minutes.table.extend(1)
    for one in given:
        minutes.add(one, activity(), frozen=TRUE if frozen else FALSE)
    return minutes


def given_out(minutes: Minutes) -> Minute:
    """Return the minute of the one wearer."""
    return minutes.give(np.array([0]))


def at(number: int, **vitals: Any) -> Bins:
    """Return the `number`-th bin of the first whole minute."""
    return bins(OFFSET + number, **vitals)


def test_a_minute_holds_means_and_sums() -> None:
    """Vitals and motion are means over the bins that have them, steps are summed; the unmeasured is not a number."""
    minute = given_out(gather(at(0, heart_rate=60.0, steps=3.0, motion=0.1), at(5, heart_rate=70.0, steps=2.0), at(11)))
    steps = minute.steps
    assert (steps.minute[0], steps.values[0, 0], steps.steps[0], steps.motion[0]) == (FIRST, 65.0, 5.0, 0.1)
    assert np.isnan(steps.values[0, 1:]).all()
    assert not steps.gated.any()


def test_a_minute_without_steps_or_motion_says_that_no_sensor_told() -> None:
    """Neither is zero: nobody told."""
    steps = given_out(gather(at(0, heart_rate=60.0))).steps
    assert np.isnan(steps.steps[0])
    assert np.isnan(steps.motion[0])


def test_the_local_minute_follows_the_device() -> None:
    """Minute of the day in the offset that came with the last reading, UTC where there was none."""
    shifted = dataclasses.replace(at(0, heart_rate=60.0), utc_offset_min=np.array([-300]))
    assert given_out(gather(at(0, heart_rate=60.0))).steps.local_min[0] == FIRST % 1440
    assert given_out(gather(shifted)).steps.local_min[0] == (FIRST - 300) % 1440


def test_what_is_not_believed_is_gated_and_not_averaged() -> None:
    """A heart rate that repeats itself, or a value off the wrist, leaves no value but says that there was one."""
    frozen = given_out(gather(at(0, heart_rate=60.0, spo2=97.0), frozen=True)).steps
    assert (frozen.gated[0, 0], frozen.gated[0, SPO2]) == (True, False)
    assert np.isnan(frozen.values[0, 0])
    doubted = dataclasses.replace(at(0), doubted=np.array([1 << SPO2]))
    steps = given_out(gather(doubted)).steps
    assert steps.gated[0].tolist() == [number == SPO2 for number in range(7)]


def test_one_believed_value_is_enough() -> None:
    """A minute in which some values are believed has their mean and is not gated."""
    doubted = dataclasses.replace(at(1), doubted=np.array([1]))
    steps = given_out(gather(at(0, heart_rate=60.0), doubted)).steps
    assert (steps.values[0, 0], steps.gated[0, 0]) == (60.0, False)


@pytest.mark.parametrize(("number", "over"), [(11, False), (12, True)])
def test_a_minute_is_over_when_a_bin_of_a_later_one_comes(number: int, *, over: bool) -> None:
    """The last bin of the minute does not end it, the first of the next does."""
    assert gather(at(0, heart_rate=60.0)).before(at(number)).tolist() == ([0] if over else [])


def test_a_minute_is_over_when_nothing_of_it_can_come() -> None:
    """A frontier at its end is enough, one before it is not."""
    minutes, end_ms = gather(at(0, heart_rate=60.0)), (FIRST + 1) * MINUTE_MS
    assert minutes.until(np.array([0]), np.array([end_ms - 1])).tolist() == []
    assert minutes.until(np.array([0]), np.array([end_ms])).tolist() == [0]
    assert [column.tolist() for column in minutes.gathering()] == [[0], [end_ms]]


def test_what_comes_for_a_minute_that_was_given_out_is_left_out() -> None:
    """A minute is given out once; later bins of it gather nothing."""
    minutes = gather(at(0, heart_rate=60.0))
    given_out(minutes)
    minutes.add(at(3, heart_rate=90.0), activity(), frozen=FALSE)
    assert len(minutes.gathering()[0]) == 0
    minutes.add(at(12, heart_rate=90.0), activity(), frozen=FALSE)
    assert given_out(minutes).steps.values[0, 0] == 90.0


def test_a_minute_tells_what_its_bins_told() -> None:
    """Worst quality, any injection, the least live origin and all sources of its bins stand in its evidence."""
    first = dataclasses.replace(at(0, heart_rate=60.0), quality=np.array([900]), sources=np.array([2]))
    second = dataclasses.replace(
        at(1, heart_rate=60.0), quality=np.array([600]), sources=np.array([4]), injected=np.array([1]),
        origin=np.array([2]),
    )  # fmt: skip
    minute = given_out(gather(first, second)).bins
    assert (minute.quality[0], minute.sources[0], minute.injected[0], minute.origin[0]) == (600, 6, 1, 2)
    assert (minute.end_ms[0] - minute.start_ms[0], minute.readings[0]) == (MINUTE_MS, 10)
