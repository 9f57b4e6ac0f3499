"""Thresholds that keep promises."""

import numpy as np
import pytest

from inference.pulsenet.evaluation.alarms import alarms
from inference.pulsenet.evaluation.days import days_of
from inference.pulsenet.evaluation.protocol import Sided
from inference.pulsenet.evaluation.rates import Reference, Side, thresholds
from inference.slots import Floats
from tests.unit.inference.pulsenet.evaluation.made import DAY_MIN, recording, restless

pytestmark = pytest.mark.story


def test_the_threshold_is_the_conformal_one_of_daily_maxima() -> None:
    """Of 9 days at a rate of .1 it is the ceil(10 x .9) = 9th smallest, at .2 the 8th."""
    side = Side.of([np.array([np.nan, float(top), 0.0]) for top in range(1, 10)])
    assert side.threshold(0.1) == 9.0
    assert side.threshold(0.2) == 8.0
    assert side.threshold(0.01) == 9.0


def test_the_promised_share_of_new_days_reaches_the_threshold() -> None:
    """Over many draws of 49 days, the share of a 50th day's maximum above the threshold is the rate."""
    rng = np.random.default_rng(3)
    above = 0
    for _ in range(2000):
        tops = rng.normal(size=50)
        above += tops[-1] > Side.of([np.array([top]) for top in tops[:-1]]).threshold(0.1)
    assert above / 2000 == pytest.approx(0.1, abs=0.02)


def test_high_rates_count_alarms_and_not_days() -> None:
    """With two separate peaks every day, a rate of 1 leaves one of them an alarm."""
    day = np.zeros(DAY_MIN)
    day[300], day[900] = 5.0, 9.0
    threshold = Side.of([day] * 20).threshold(1.0)
    assert 5.0 < threshold <= 9.0


def test_half_of_a_wearer_s_threshold_is_the_own_past() -> None:
    """From day 8 the threshold lies halfway between the population's and the own highest of seven days."""
    days = days_of(recording(restless(10, seed=1)))
    score = _scores(10, peak=4.0)
    reference = _reference(peak=8.0)
    line = thresholds("shr", reference, Sided(high=score, low=score), days, rate=0.1)
    assert line.high[: days.test_from].tolist() == [8.0] * days.test_from
    assert line.high[-1] == 6.0
    assert thresholds("pop", reference, Sided(high=score, low=score), days, rate=0.1).high[-1] == 8.0


def test_the_past_of_a_wearer_is_never_the_future() -> None:
    """What happens on test days changes no threshold of the same day or before."""
    days = days_of(recording(restless(12, seed=1)))
    calm, wild = _scores(12, peak=4.0), _scores(12, peak=4.0)
    wild[10 * DAY_MIN :: 200] = 50.0
    reference = _reference(peak=8.0, spread=1.0)
    first = thresholds("adapt", reference, Sided(high=calm, low=calm), days, rate=1.0).high
    second = thresholds("adapt", reference, Sided(high=wild, low=wild), days, rate=1.0).high
    assert np.array_equal(first[: 11 * DAY_MIN], second[: 11 * DAY_MIN])
    assert second[-1] > first[-1]


def test_adaptation_ends_near_the_promised_rate() -> None:
    """Where the population promises far too much, the wearer's own alarms lift the threshold until they keep it."""
    days = days_of(recording(restless(200, seed=1)))
    score = np.random.default_rng(2).normal(size=200 * DAY_MIN)
    reference = Reference(high=_side(1.0, 2.0), low=_side(1.0, 2.0))
    line = thresholds("adapt", reference, Sided(high=score, low=score), days, rate=1.0).high
    last = slice(100 * DAY_MIN, None)
    assert len(alarms(score[last], line[last])) / 100 == pytest.approx(0.8, abs=0.2)


def _scores(days: int, *, peak: float) -> Floats:
    score = np.zeros(days * DAY_MIN)
    score[700::DAY_MIN] = peak
    return score


def _side(*peaks: float) -> Side:
    return Side.of([_scores(1, peak=peak) for peak in peaks])


def _reference(*, peak: float, spread: float = 0.0) -> Reference:
    side = _side(peak - spread, peak, peak + spread)
    return Reference(high=side, low=side) if spread else Reference(high=_side(peak), low=_side(peak))
