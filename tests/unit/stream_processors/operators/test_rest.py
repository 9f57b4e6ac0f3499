"""At rest or not."""

from typing import Any

import numpy as np

from stream_processors.operators.rest import Activity, Rest
from tests.closed_bins import end_ms, values

LANE = np.array([0])


def follow(rest: Rest, numbers: range, **vitals: Any) -> Activity:
    """Take bins of one lane and return what is known after the last."""
    for number in numbers:
        end = np.array([end_ms(number)])
        activity = rest.follow(LANE, end, end - 5_000, values(**vitals))
    return activity


def made() -> Rest:
    """Return an operator with one lane."""
    rest = Rest()
    rest.table.extend(1)
    return rest


def test_two_quiet_minutes_are_rest() -> None:
    """After movement, rest begins with the bin that completes two minutes without steps."""
    rest = made()
    follow(rest, range(1), steps=5.0)
    assert not follow(rest, range(1, 24), steps=0.0).at_rest[0]
    activity = follow(rest, range(24, 25), steps=0.0)
    assert (activity.at_rest[0], activity.unknown[0]) == (True, False)
    assert activity.resting_ms[0] == 120_000


def test_rest_is_assumed_at_the_beginning() -> None:
    """Before two quiet minutes are known rest is assumed, said to be unknown, and has lasted for no known time."""
    rest = made()
    begun = follow(rest, range(3), motion=0.01)
    assert (begun.at_rest[0], begun.unknown[0], begun.resting_ms[0]) == (True, True, 0)
    known = follow(rest, range(3, 30), motion=0.01)
    assert (known.at_rest[0], known.unknown[0]) == (True, False)


def test_movement_ends_the_assumption() -> None:
    """Once a sensor told of movement, rest has to be known."""
    rest = made()
    follow(rest, range(2), motion=0.5)
    assert not follow(rest, range(2, 8), motion=0.01).at_rest[0]


def test_either_sensor_suffices() -> None:
    """Low motion alone tells of rest as no steps do."""
    rest = made()
    assert follow(rest, range(30), motion=0.02).at_rest[0]


def test_one_step_ends_rest() -> None:
    """A bin with steps is not at rest, nor are the two minutes after it."""
    rest = made()
    follow(rest, range(40), steps=0.0)
    assert not follow(rest, range(40, 41), steps=1.0).at_rest[0]
    assert not follow(rest, range(41, 64), steps=0.0).at_rest[0]
    assert follow(rest, range(64, 65), steps=0.0).at_rest[0]


def test_a_gesture_is_not_movement() -> None:
    """A single bin of motion leaves rest, half a minute of it ends rest."""
    rest = made()
    follow(rest, range(40), motion=0.02)
    assert follow(rest, range(40, 41), motion=0.3).at_rest[0]
    assert not follow(rest, range(41, 47), motion=0.3).at_rest[0]


def test_unknown_activity_counts_as_rest_after_five_minutes() -> None:
    """Five minutes after the last word of a sensor rest is assumed, and said to be unknown."""
    rest = made()
    follow(rest, range(2), steps=5.0)
    assert not follow(rest, range(2, 61)).at_rest[0]
    activity = follow(rest, range(61, 62))
    assert (activity.at_rest[0], activity.unknown[0]) == (True, True)


def test_recall_changes_nothing() -> None:
    """Asking what is known of a later moment leaves the state as it is."""
    rest = made()
    follow(rest, range(30), steps=0.0)
    before = {name: array.copy() for name, array in rest.dump().items()}
    assert rest.recall(LANE, np.array([end_ms(35)])).at_rest[0]
    assert all(rest.dump()[name].tobytes() == array.tobytes() for name, array in before.items())


def test_a_lane_never_heard_counts_as_rest() -> None:
    """Where nothing was ever followed rest is assumed, and said to be unknown."""
    recalled = made().recall(LANE, np.array([end_ms(0)]))
    assert (recalled.at_rest[0], recalled.unknown[0], recalled.resting_ms[0]) == (True, True, 0)
