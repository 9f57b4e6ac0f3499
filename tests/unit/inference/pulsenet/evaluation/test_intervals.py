"""Intervals."""

import numpy as np
import pytest

from inference.pulsenet.evaluation.intervals import day_draws, percentile, poisson, share


def test_the_poisson_interval_is_the_exact_one() -> None:
    """None seen: 0 to 3.689; five: 1.623 to 11.668 (tables of Garwood's limits)."""
    assert poisson(0, 1.0) == pytest.approx((0.0, 3.6889), abs=1e-4)
    assert poisson(5, 1.0) == pytest.approx((1.6235, 11.6683), abs=1e-4)
    assert poisson(5, 10.0)[1] == pytest.approx(1.16683, abs=1e-5)


def test_days_are_drawn_as_a_whole() -> None:
    """Where all events of a day are found or none, the interval is as wide as that of the days."""
    draws = day_draws(10, seed=1)
    assert (draws.sum(axis=1) == 10).all()
    day = np.repeat(np.arange(10), 50)
    hit = np.repeat(np.arange(10) < 5, 50).astype(np.float64)
    low, high = percentile(share(draws, day, hit))
    assert low == pytest.approx(0.2, abs=0.1)
    assert high == pytest.approx(0.8, abs=0.1)
