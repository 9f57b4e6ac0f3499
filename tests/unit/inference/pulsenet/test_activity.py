"""What is known of a wearer's activity."""

from collections.abc import Sequence

import numpy as np
import pytest

from inference.pulsenet.activity import (
    ACTIVITY_FEATURES,
    ASLEEP,
    GAP_MIN,
    JUST_MOVED,
    LOW_MOTION_G,
    MOVING,
    RESTING,
    SETTLING,
    SINCE_MOST_MIN,
    STEP_LEVELS,
    Active,
    Activity,
)
from tests.unit.inference.pulsenet.made import DAY, MIDNIGHT, NOON, wave

NAN = float("nan")
Minute = tuple[int, float, float]
"""When it is, steps, motion."""


def followed(minutes: Sequence[Minute]) -> list[Active]:
    """Return what is known of one wearer, minute by minute."""
    activity = Activity()
    activity.table.extend(1)
    return [activity.follow(wave(minute, steps=steps, motion=motion)) for minute, steps, motion in minutes]


def still(minutes: int, start: int = NOON) -> list[Minute]:
    """Return minutes without a step."""
    return [(start + minute, 0.0, 0.0) for minute in range(minutes)]


def test_minutes_since_movement_are_counted_and_bounded() -> None:
    """A step sets them to 0, each minute without one adds one, up to four hours."""
    told = followed([(NOON, 5.0, NAN), *still(SINCE_MOST_MIN + 9, NOON + 1)])
    since = [int(one.since_min[0]) for one in told]
    assert since[:3] == [0, 1, 2]
    assert since[-1] == SINCE_MOST_MIN


@pytest.mark.parametrize(
    ("steps", "motion", "moves"),
    [(1.0, NAN, True), (0.0, LOW_MOTION_G, True), (NAN, 0.3, True), (0.0, 0.09, False), (NAN, NAN, False)],
)
def test_steps_or_motion_alone_tell_of_movement(steps: float, motion: float, *, moves: bool) -> None:
    """Either sensor suffices, and where neither tells no movement is assumed."""
    told = followed([*still(3), (NOON + 3, steps, motion)])
    assert bool(told[-1].since_min[0] == 0) is moves


def test_states_follow_from_how_long_ago_movement_was() -> None:
    """Moving, just moved, settling from the fifth minute, at rest from the fifteenth."""
    told = followed([(NOON, 50.0, NAN), *still(20, NOON + 1)])
    states = [int(one.state[0]) for one in told]
    assert states == [MOVING] + [JUST_MOVED] * 4 + [SETTLING] * 10 + [RESTING] * 6


def test_an_hour_without_movement_at_night_counts_as_sleep() -> None:
    """From the sixtieth minute on between 22 and 8 o'clock a wearer sleeps, in the same hour of the day not."""
    for start, state in ((MIDNIGHT + 60, ASLEEP), (NOON, RESTING)):
        told = followed([(start, 9.0, NAN), *still(61, start + 1)])
        assert int(told[59].state[0]) == RESTING
        assert int(told[60].state[0]) == state


def test_the_local_hour_decides_about_the_night() -> None:
    """A wearer whose clock shows noon at midnight UTC does not sleep then."""
    activity = Activity()
    activity.table.extend(2)
    for minute in range(70):
        told = activity.follow(wave(MIDNIGHT + minute, slot=(0, 1)))
        if minute == 69:
            assert told.state.tolist() == [ASLEEP, ASLEEP]
    later = wave(MIDNIGHT + 70, slot=(0, 1))
    later.local_min[1] = 12 * 60
    assert activity.follow(later).state.tolist() == [ASLEEP, RESTING]


def test_a_gap_counts_as_minutes_without_movement() -> None:
    """After ten minutes without data movement is ten minutes further away."""
    told = followed([(NOON, 50.0, NAN), (NOON + 10, 0.0, NAN)])
    assert told[-1].since_min.tolist() == [10]
    assert told[-1].gap_min.tolist() == [10]


def test_averages_fade_through_a_gap_as_through_minutes_of_rest() -> None:
    """Minutes without data and minutes without movement leave the same averages."""
    walk = [(NOON + minute, 100.0, 0.4) for minute in range(20)]
    gap = followed([*walk, (NOON + 40, 0.0, 0.0)])[-1]
    rest = followed([*walk, *still(21, NOON + 20)])[-1]
    np.testing.assert_allclose(gap.features, rest.features, rtol=1e-12)


def test_only_a_long_gap_begins_the_warm_up_anew() -> None:
    """Minutes with data are counted through a gap of an hour, and from one after a longer gap."""
    told = followed([*still(20), (NOON + 19 + GAP_MIN, 0.0, 0.0), (NOON + 20 + 2 * GAP_MIN, 0.0, 0.0)])
    assert [int(one.worn_min[0]) for one in told][-3:] == [20, 21, 1]


def test_features_say_whether_a_sensor_told() -> None:
    """No steps and steps that nobody counted differ in one feature, and so for motion."""
    zero, unknown = followed([(NOON, 0.0, 0.0)])[0], followed([(NOON, NAN, NAN)])[0]
    assert zero.features.shape == (1, ACTIVITY_FEATURES)
    assert np.isfinite(unknown.features).all()
    assert int((zero.features != unknown.features).sum()) == 2


def test_levels_of_walking_have_their_own_times() -> None:
    """A slow walk moves the time since movement and since walking, not that since a brisk walk."""
    activity = Activity()
    activity.table.extend(1)
    for minute in range(5):
        activity.follow(wave(NOON + minute, steps=float(STEP_LEVELS[1])))
    assert activity.table["since"][0].tolist()[:2] == [0, 0]
    assert activity.table["since"][0][2] > 5


def test_a_swinging_wrist_counts_as_walking_where_steps_are_unknown() -> None:
    """Motion of twice the low level moves the time since walking too."""
    activity = Activity()
    activity.table.extend(2)
    activity.follow(wave(NOON, slot=(0, 1), steps=NAN, motion=np.array([LOW_MOTION_G, 2 * LOW_MOTION_G])))
    assert activity.table["since"][:2, 1].tolist() == [SINCE_MOST_MIN, 0]


def test_the_time_of_day_is_the_wearers_own() -> None:
    """The last features are those of the local minute, whatever day it is."""
    now, tomorrow = followed([(NOON, 0.0, 0.0)])[0], followed([(NOON + DAY, 0.0, 0.0)])[0]
    assert now.features[0, -4:].tolist() == pytest.approx([0.0, -1.0, 0.0, 1.0], abs=1e-12)
    assert tomorrow.features.tobytes() == now.features.tobytes()
