"""Which minutes are believed."""

import numpy as np

from inference.pulsenet.evaluation.grid import believed, grid, since
from tests.unit.inference.pulsenet.evaluation.made import recording, restless


def test_a_run_of_equal_minutes_is_not_believed_from_its_fourth_and_for_five_minutes_after_a_long_one() -> None:
    """Twelve equal minutes leave three believed, and five more are lost after them."""
    rate = restless(1, seed=1)
    rate[100:112] = 71.0
    lost = np.flatnonzero(np.isnan(believed(recording(rate))[30:200])) + 30
    assert lost.tolist() == list(range(103, 117))


def test_the_first_quarter_of_an_hour_after_an_hour_of_nothing_is_not_believed() -> None:
    """The recording's first 15 minutes and those after a gap of an hour are lost, those after 59 minutes are not."""
    rate = restless(1, seed=2)
    rate[200:260] = np.nan
    rate[400:459] = np.nan
    lost = np.flatnonzero(np.isnan(believed(recording(rate))))
    assert lost.tolist() == [*range(15), *range(200, 275), *range(400, 459)]


def test_impossible_rates_are_not_believed() -> None:
    """A zero of a sensor without contact is no heart rate."""
    rate = restless(1, seed=3)
    rate[500], rate[600] = 0.0, 240.0
    assert np.isnan(believed(recording(rate))[[500, 600]]).all()


def test_since_counts_minutes_from_the_last_time() -> None:
    """It is 0 where it happens, and counts from the start where it never did."""
    happened = np.array([[False, False, True, False, False], [True, True, False, False, True]])
    assert since(happened).tolist() == [[1, 2, 0, 1, 2], [0, 0, 1, 2, 0]]


def test_recordings_of_different_lengths_lie_side_by_side() -> None:
    """The shorter one is padded with minutes that nobody believes, and local time follows each one's offset."""
    laid = grid([recording(restless(1, seed=4)), recording(restless(2, seed=5), offset_min=-60)])
    assert laid.lengths.tolist() == [1440, 2880]
    assert np.isnan(laid.rate[0, 1440:]).all()
    assert laid.local_min[:, 0].tolist() == [0, 1380]
