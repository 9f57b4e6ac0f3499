"""Where faults go in made people."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest

from inference.physiology.minutes import simulate_minutes
from inference.physiology.people import Population
from inference.pulsenet.channels import CHANNEL_COUNT
from inference.pulsenet.engine import PulseNet
from inference.pulsenet.evaluation.days import days_of
from inference.pulsenet.evaluation.detectors.engine import Engine, Watched, Window
from inference.pulsenet.evaluation.faults import Put, examine, put_in, row
from inference.pulsenet.evaluation.grid import believed, moving, since
from inference.pulsenet.series import Series

pytestmark = pytest.mark.story


@pytest.fixture(scope="module")
def person() -> Series:
    """Somebody with every vital, for seventeen days."""
    return simulate_minutes(1, 17, seed=4, population=Population(devices=(0.0, 0.0, 1.0)))[0]


@pytest.fixture(scope="module")
def made(person: Series) -> tuple[list[Series], list[Put]]:
    """The copies and what is in them."""
    return put_in([person], seed=1)


def test_faults_lie_on_test_days_and_apart(person: Series, made: tuple[list[Series], list[Put]]) -> None:
    """None begins in the first seven days, and in a copy none begins before the one before has ended."""
    copies, puts = made
    assert len(copies) == 3
    assert min(put.onset for put in puts) >= days_of(person).test_from
    for copy in range(3):
        mine = sorted((put for put in puts if put.copy == copy), key=lambda put: put.onset)
        assert all(first.end <= second.onset for first, second in pairwise(mine))


def test_only_a_fault_s_own_minutes_are_changed(person: Series, made: tuple[list[Series], list[Put]]) -> None:
    """Outside of all faults a copy equals the person."""
    copies, puts = made
    for number, copy in enumerate(copies):
        outside = np.ones(person.minutes, dtype=np.bool_)
        for put in puts:
            if put.copy == number:
                outside[put.onset : put.end] = False
        assert np.array_equal(copy.values[outside], person.values[outside], equal_nan=True)
        assert not np.array_equal(copy.values[~outside], person.values[~outside], equal_nan=True)


def test_short_faults_begin_at_rest(person: Series, made: tuple[list[Series], list[Put]]) -> None:
    """In the quarter of an hour before, at most three minutes have steps."""
    _, puts = made
    assert len(puts) >= 12
    for put in puts:
        assert (person.steps[put.onset - 15 : put.onset] > 0).sum() <= 3


def test_a_fault_is_counted_in_its_own_minutes_and_beside_the_untouched_person(person: Series) -> None:
    """An engine for fast hearts finds the tachycardia, the untouched minutes show none, and what it misses is told."""

    class Simple(Engine):
        def watch(self, series: Sequence[Series], windows: Sequence[Window]) -> Watched:
            rates = [believed(one) for one in series]
            fast = [
                {"heart_rate.high": np.flatnonzero((since(moving(one)) > 15) & (rate > 95.0))}
                for one, rate in zip(series, rates, strict=True)
            ]
            return Watched(alerts=(fast, [{} for _ in series]), nearest=np.full((len(windows), CHANNEL_COUNT), 0.5))

    def no_model() -> PulseNet:
        raise AssertionError

    simple = Simple(no_model, name="simple")
    told = row(simple, [person], seed=1)
    assert told["sustained_tachycardia"]["events"] == told["sustained_tachycardia"]["found"] == 1
    assert told["sustained_tachycardia"]["untouched"] == 0
    assert told["dropout"]["must_alarm"] is False
    assert not any("missed" in one for one in told.values())
    whole = examine(simple, [person], seed=1)
    missed = whole.faults["desaturation_ramp"]["missed"]
    assert [(one["minutes"], one["nearest"], one["channel"]) for one in missed] == [(60, 0.5, "spo2.low, 5 min")]
    assert 0 < missed[0]["longest_at_rest"] <= missed[0]["at_rest"] <= 60
    assert whole.faults["sustained_tachycardia"]["missed"] == whole.faults["dropout"]["missed"] == []
    assert whole.untouched["0.1"]["wearer_days"] == whole.untouched["0.01"]["wearer_days"] == days_of(person).test.sum()
    assert whole.untouched["0.01"]["alarms"] == 0
