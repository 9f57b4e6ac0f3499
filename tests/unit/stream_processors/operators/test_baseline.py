"""A wearer's own resting heart rate."""

import numpy as np
import pytest

from stream_processors.operators.baseline import Baseline

LANE = np.array([0])
HERE = np.array([True])


def learned(rates: list[float]) -> Baseline:
    """Return a baseline that saw these bins at rest."""
    baseline = Baseline()
    baseline.extend(1)
    for rate in rates:
        baseline.learn(LANE, np.array([rate]), where=HERE)
    return baseline


def test_five_minutes_are_enough() -> None:
    """Sixty bins at rest make a baseline usable, fifty-nine do not."""
    assert not learned([60.0] * 59).usual(LANE).enough[0]
    assert learned([60.0] * 60).usual(LANE).enough[0]


def test_the_first_minutes_are_a_mean() -> None:
    """A young baseline is the mean of what it saw."""
    usual = learned([58.0, 62.0] * 30).usual(LANE)
    assert usual.centre_bpm[0] == pytest.approx(60.0)


def test_an_outburst_moves_it_little() -> None:
    """One wild bin is clipped to three scales and weighs little."""
    rates = [60.0] * 120
    assert learned([*rates, 240.0]).usual(LANE).centre_bpm[0] == pytest.approx(60.0, abs=0.05)


def test_the_scale_has_a_floor_and_young_baselines_are_wide() -> None:
    """A still heart keeps a scale of 4, and little history widens it."""
    young, old = learned([60.0] * 60), learned([60.0] * 20_000)
    assert young.usual(LANE).scale_bpm[0] > old.usual(LANE).scale_bpm[0] >= 4.0


def test_it_learns_only_where_told() -> None:
    """A bin that may not be learned from changes nothing."""
    baseline = learned([60.0] * 60)
    before = baseline.table.dump()["centre_bpm"].copy()
    baseline.learn(LANE, np.array([90.0]), where=np.array([False]))
    assert (baseline.table.dump()["centre_bpm"] == before).all()
