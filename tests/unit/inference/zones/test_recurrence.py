"""Scores become recurrence intervals by a Gumbel law of the days seen."""

import numpy as np
import pytest

from inference.zones.recurrence import DAYS_KEPT, Days, Gumbel, fit

LAW = Gumbel(10.0, 1.5)


@pytest.mark.parametrize("days", [7.0, 30.0, 365.0])
def test_threshold_and_interval_are_each_others_inverse(days: float) -> None:
    """What passes the threshold of once in so many days recurs in so many days."""
    assert LAW.recurrence_days(LAW.threshold(days)) == pytest.approx(days, rel=1e-9)


def test_many_days_find_the_law_that_made_them() -> None:
    """From 2,000 days of a law the fit finds its location and scale, whatever the prior."""
    days = np.random.default_rng(3).gumbel(LAW.location, LAW.scale, 2_000)
    found = fit(days, Gumbel(3.0, 0.5))
    assert found.location == pytest.approx(LAW.location, abs=0.2)
    assert found.scale == pytest.approx(LAW.scale, rel=0.1)


def test_few_days_leave_the_prior() -> None:
    """Four days say nothing yet."""
    assert fit([30.0, 31.0, 32.0, 33.0], LAW) == LAW


def test_one_extreme_day_raises_the_law_by_little() -> None:
    """A day of an event counts as once in two months, so that the next event is still seen."""
    draws = np.random.default_rng(4).gumbel(LAW.location, LAW.scale, 40)
    with_event, without = Days(LAW), Days(LAW)
    for number, score in enumerate(draws.tolist()):
        for days, value in ((with_event, 80.0 if number == 20 else score), (without, score)):
            days.saw(value)
            days.close_day(LAW, cap_days=60.0)
    assert with_event.law.threshold(365.0) < without.law.threshold(365.0) + 0.5 * LAW.scale


def test_old_days_are_forgotten() -> None:
    """Only the last days are kept."""
    days = Days(LAW)
    for _ in range(DAYS_KEPT + 5):
        days.close_day(LAW, cap_days=60.0)
    assert len(days.maxima) == DAYS_KEPT
