"""Where events go, and what they add."""

from itertools import pairwise

import numpy as np
import pytest

from inference.pulsenet.evaluation.grid import since
from inference.pulsenet.evaluation.injection import Event, Scenario, injected, plans, profile
from inference.pulsenet.series import HEART_RATE, Series
from tests.unit.inference.pulsenet.evaluation.made import DAY_MIN, recording, restless, walker

DAYS = 12
REST = Scenario("rest", 25, 30)
SLEEP = Scenario("sleep", -15, 60)
LIGHT = Scenario("light", 40, 5)


@pytest.fixture(scope="module")
def wearer() -> Series:
    """Somebody who walks at times by day."""
    return recording(restless(DAYS, seed=1), steps=walker(DAYS, seed=2))


def test_an_event_is_added_to_the_noise_with_ramps_and_nothing_else_is_touched(wearer: Series) -> None:
    """The difference to the untouched recording is the event's profile; the original stays as it was."""
    before = wearer.values.copy()
    copy = injected(wearer, [Event(REST, 9 * DAY_MIN)])
    added = copy.values[:, HEART_RATE] - wearer.values[:, HEART_RATE]
    assert np.allclose(added[9 * DAY_MIN : 9 * DAY_MIN + 32], profile(REST))
    assert np.count_nonzero(np.abs(added) > 1e-9) == 32
    assert np.array_equal(before, wearer.values, equal_nan=True)
    assert copy.data == "semi"


def test_ramps_take_two_minutes_on_and_two_off() -> None:
    """The ramp on lies within the duration and the ramp off after it."""
    assert profile(Scenario("rest", 40, 5)).tolist() == [10.0, 30.0, 40.0, 40.0, 40.0, 30.0, 10.0]


def test_places_are_the_same_for_the_same_seed_and_do_not_depend_on_the_other_scenarios(wearer: Series) -> None:
    """Which scenarios are asked for changes neither where one of them starts nor how often it does."""
    few = plans(wearer, [REST], seed=7, events=20, headline_events=20)
    many = plans(wearer, [LIGHT, SLEEP, REST], seed=7, events=20, headline_events=20)
    other = plans(wearer, [REST], seed=8, events=20, headline_events=20)
    assert _starts(few, REST) == _starts(many, REST)
    assert _starts(few, REST) != _starts(other, REST)


def test_events_keep_the_protocol_s_distances_and_stay_on_test_days(wearer: Series) -> None:
    """None lies in the first seven days, and in no copy do two lie within three hours of one another."""
    planned = plans(wearer, [REST, SLEEP, LIGHT], seed=7, events=20, headline_events=20)
    for events in planned:
        ordered = sorted(events, key=lambda one: one.start)
        assert all(later.start - earlier.end >= 180 for earlier, later in pairwise(ordered))
    assert min(one.start for events in planned for one in events) >= 7 * DAY_MIN


def test_each_context_is_what_it_is_called(wearer: Series) -> None:
    """Rest has no steps 15 minutes before and during, sleep none for 90 minutes at night, light has some."""
    planned = plans(wearer, [REST, SLEEP, LIGHT], seed=7, events=20, headline_events=20)
    free = since(wearer.steps > 0)
    for event in (one for events in planned for one in events):
        steps = wearer.steps[event.start : event.end]
        hour = event.start % DAY_MIN / 60
        if event.scenario == LIGHT:
            assert steps.any()
            assert 8 <= hour < 22
            continue
        assert not steps.any()
        asleep = event.scenario == SLEEP
        assert free[event.start - 1] >= (90 if asleep else 15)
        assert (hour < 6) if asleep else (8 <= hour < 22)
    assert {one.scenario for events in planned for one in events} == {REST, SLEEP, LIGHT}


def _starts(planned: list[tuple[Event, ...]], scenario: Scenario) -> list[int]:
    return sorted(one.start for events in planned for one in events if one.scenario == scenario)
