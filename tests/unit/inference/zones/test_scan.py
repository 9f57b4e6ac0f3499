"""The scores of regions follow their formulas and stay silent where little is behind them."""

import math

import numpy as np
import pytest

from inference.zones.scan import BINS_KEPT, WINDOW_BINS, common_shift, excess, windows_of


def test_the_excess_is_the_likelihood_ratio_over_the_scatter() -> None:
    """F is C ln(C/E) - (C - E), divided by the over-dispersion."""
    found = excess(np.array([12.0]), np.array([2.0]), np.array([1.5]))
    assert found[0] == pytest.approx((12 * math.log(6) - 10) / 1.5, abs=1e-6)


@pytest.mark.parametrize(("count", "expected"), [(3.0, 0.5), (6.0, 0.1), (2.0, 4.0), (4.0, 4.0), (0.0, 0.0)])
def test_small_counts_and_deficits_score_nothing(count: float, expected: float) -> None:
    """Fewer than four flags, less than 0.2 expected, or no excess: the score is 0."""
    assert excess(np.array([count]), np.array([expected]), np.ones(1))[0] == 0.0


def test_a_common_shift_is_a_sum_over_its_standard_deviation() -> None:
    """Eleven wearers each one deviate up give a z of the root of eleven, ten give nothing, downward gives nothing."""
    shift, wearers = np.array([11.0, 10.0, -11.0]), np.array([11.0, 10.0, 11.0])
    found = common_shift(shift, wearers, np.ones(3), np.ones(3))
    assert found.tolist() == [pytest.approx(math.sqrt(11), abs=1e-6), 0.0, 0.0]


def test_windows_are_sums_of_the_newest_bins() -> None:
    """The window of k bins is the sum of the k newest, for each length."""
    bins = np.arange(BINS_KEPT, dtype=np.float64)[:, None, None] + np.zeros((1, 2, 1))
    found = windows_of(bins)
    assert found[0, :, 0].tolist() == [float(sum(range(length))) for length in WINDOW_BINS.tolist()]
