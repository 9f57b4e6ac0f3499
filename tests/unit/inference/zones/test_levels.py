"""A region is called by how seldom chance gives as much, and never safe where it is blind."""

import numpy as np
import pytest

from inference.zones.levels import Level, level_of, recurrence_words, smallest_visible
from inference.zones.scan import LEAST_EXPECTED, excess


@pytest.mark.parametrize(
    ("days", "level"), [(3.0, "usual"), (30.0, "elevated"), (91.0, "warning"), (400.0, "critical")]
)
def test_levels_follow_the_interval(days: float, level: Level) -> None:
    """Once a month, a quarter, a year."""
    assert level_of(days, wearers=300, visible=16) == level


@pytest.mark.parametrize(("wearers", "visible"), [(9, 3), (20, 7), (50, None)])
def test_a_blind_zone_is_not_called_usual(wearers: float, visible: int | None) -> None:
    """Too few wearers, or an event that would need a quarter of them at once."""
    assert level_of(2.0, wearers=wearers, visible=visible) == "too_few_wearers"


@pytest.mark.parametrize(("expected", "flags"), [(0.2, 7), (1.0, 12), (5.0, 24), (10.0, 35)])
def test_the_smallest_visible_event_is_that_of_the_reference(expected: float, flags: int) -> None:
    """At a cut of 17.7 without over-dispersion it takes 7, 12, 24 and 35 flags, within one."""
    found = smallest_visible(expected, threshold=17.7, factor=1.0, wearers=100 * expected)
    assert found == pytest.approx(flags, abs=1)


def test_where_the_scan_counts_nothing_nothing_is_visible() -> None:
    """Below the expectation that the small-count guard asks for even everybody's flag would be no alarm."""
    assert smallest_visible(LEAST_EXPECTED - 0.001, threshold=2.0, factor=1.0, wearers=500) is None
    assert smallest_visible(LEAST_EXPECTED, threshold=2.0, factor=1.0, wearers=500) is not None
    assert excess(np.array([500.0]), np.array([LEAST_EXPECTED - 0.001]), np.array([1.0])) == [0.0]


def test_intervals_have_words() -> None:
    """Nothing rarer than once in ten years is claimed."""
    assert recurrence_words(400.0) == "about once a year"
    assert recurrence_words(36_500.0) == "less than once in ten years"
