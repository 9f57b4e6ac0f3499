"""The simple model."""

import numpy as np
import pytest

from stream_processors.operators.score import Deviation, RestingRate
from tests.closed_bins import activity, bins

YES = np.array([True])


def score(model: RestingRate, number: int, rate: float, *, at_rest: bool = True, learn: bool = True) -> Deviation:
    """Take one bin of one wearer."""
    one = bins(number, heart_rate=rate)
    return model.score(one, activity(at_rest=at_rest), rate_usable=YES, learn=np.array([learn]))


def taught() -> RestingRate:
    """Return a model that saw an hour of 60 beats a minute."""
    model = RestingRate()
    model.extend(1)
    for number in range(720):
        score(model, number, 60.0)
    return model


def test_without_history_there_is_no_score() -> None:
    """The first bins are scored as unknown, not as 0."""
    model = RestingRate()
    model.extend(1)
    assert np.isnan(score(model, 0, 60.0).combined[0])


def test_what_is_usual_scores_low() -> None:
    """A rate as always has a score near 0 and is expected."""
    said = score(taught(), 720, 60.0)
    assert said.combined[0] == pytest.approx(0.0, abs=0.1)
    assert said.expected[0] == pytest.approx(60.0)


def test_a_deviation_grows_over_minutes() -> None:
    """One wild bin says little, three minutes say much."""
    model = taught()
    first = score(model, 720, 110.0, learn=False).combined[0]
    for number in range(721, 756):
        said = score(model, number, 110.0, learn=False)
    assert first < 0.5
    assert said.combined[0] > 4.0
    assert said.sided[0] > 0


def test_the_low_side_is_negative() -> None:
    """A rate below what is usual gives a negative deviation and a positive score."""
    said = score(taught(), 720, 40.0)
    assert said.sided[0] < 0 < said.combined[0]


def test_movement_is_not_judged() -> None:
    """A moving bin has no z, and the score fades."""
    model = taught()
    for number in range(720, 756):
        before = score(model, number, 110.0, learn=False)
    moving = score(model, 756, 150.0, at_rest=False)
    assert np.isnan(moving.z[0])
    assert moving.combined[0] < before.combined[0]


def test_recovery_forgets_the_deviation_alone() -> None:
    """After `calm` the score begins at 0 with the same baseline."""
    model = taught()
    for number in range(720, 756):
        score(model, number, 110.0, learn=False)
    model.calm(np.array([0]))
    said = score(model, 756, 60.0)
    assert said.combined[0] == pytest.approx(0.0, abs=0.1)
    assert said.expected[0] == pytest.approx(60.0, abs=0.1)
