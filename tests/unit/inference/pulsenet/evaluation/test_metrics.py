"""Precision, recall and their volume, on cases small enough to be done by hand."""

import numpy as np
import pytest

from inference.pulsenet.evaluation.metrics import auc_pr, vus_pr


def test_average_precision_of_four_minutes() -> None:
    """Ranked anomalous, normal, anomalous, normal: (1 + 2/3) / 2."""
    found = auc_pr(np.array([4.0, 3.0, 2.0, 1.0]), np.array([True, False, True, False]), np.ones(4))
    assert found == pytest.approx((1 + 2 / 3) / 2)


def test_minutes_of_one_score_are_told_together_and_unknown_ones_last() -> None:
    """A constant score has the precision of chance, whatever the order; NaN is worse than everything."""
    anomalous = np.array([True, False, False, False])
    assert auc_pr(np.ones(4), anomalous, np.ones(4)) == pytest.approx(0.25)
    assert auc_pr(np.array([np.nan, 1.0, 1.0, 1.0]), anomalous, np.ones(4)) == pytest.approx(0.25)


def test_a_weight_is_a_number_of_minutes() -> None:
    """An anomalous minute that counts three times is three anomalous minutes."""
    once = auc_pr(np.array([2.0, 2.0, 2.0, 3.0]), np.array([True, True, True, False]), np.ones(4))
    heavy = auc_pr(np.array([2.0, 3.0]), np.array([True, False]), np.array([3.0, 1.0]))
    assert once == pytest.approx(heavy)


def test_without_buffer_the_volume_of_a_perfect_score_is_one() -> None:
    """Told are exactly the event's minutes."""
    score = np.zeros(100)
    score[40:50] = 1.0
    assert vus_pr(score, [(40, 50)], np.ones(100), buffers=(0,)) == pytest.approx(1.0)


def test_a_score_that_is_late_by_a_minute_gains_from_the_buffer() -> None:
    """Told one minute after an event of one: nothing without buffer, its faded label with one."""
    score = np.zeros(100)
    score[41] = 1.0
    weight = np.ones(100)
    strict = vus_pr(score, [(40, 41)], weight, buffers=(0,))
    # buffer 4: labels sqrt(3/4), sqrt(2/4) on each side; positives (1 + 1 + 2 (sqrt .75 + sqrt .5)) / 2 = 2.5731;
    # the first threshold tells minute 41: recall .8660 / 2.5731, precision .8660; the second tells all 100.
    label = 1 + 2 * (np.sqrt(0.75) + np.sqrt(0.5))
    positives = (1 + label) / 2
    first = np.sqrt(0.75) / positives
    by_hand = first * np.sqrt(0.75) + (1 - first) * label / 100
    assert strict == pytest.approx(1 / 100)
    assert vus_pr(score, [(40, 41)], weight, buffers=(4,)) == pytest.approx(by_hand)


def test_recall_is_reduced_by_the_share_of_events_seen() -> None:
    """Of two equal events one is told in full: recall 1/2 times 1/2 at precision 1, then that of all."""
    score = np.zeros(100)
    score[20:30] = 1.0
    found = vus_pr(score, [(20, 30), (60, 70)], np.ones(100), buffers=(0,))
    assert found == pytest.approx(0.25 * 1.0 + 0.75 * 0.2)
