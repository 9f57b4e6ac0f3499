"""Percentiles from buckets are those of the values, within a bucket's width."""

import numpy as np

from infra.bench.scrape import Buckets, of_buckets, of_values


def buckets_of(values_s: np.ndarray) -> Buckets:
    """Return cumulative counts over bounds 1.2 apart."""
    bounds = np.append(0.001 * 1.2 ** np.arange(64), np.inf)
    return Buckets(bounds, np.array([(values_s <= bound).sum() for bound in bounds], dtype=float))


def test_bucket_percentiles_are_near_the_true_ones() -> None:
    """p50 and p99 from buckets lie within 10 % of those of the values, which are as many."""
    values = np.random.default_rng(3).gamma(2.0, 0.03, 20_000)
    truth, found = of_values(values * 1000), of_buckets(buckets_of(values))
    assert found is not None
    assert abs(found.p50 / truth.p50 - 1) < 0.1
    assert abs(found.p99 / truth.p99 - 1) < 0.1
    assert found.count == truth.count == 20_000
    assert truth.max <= found.max <= truth.max * 1.2


def test_only_what_was_added_counts() -> None:
    """A scrape before the run is taken off."""
    before, after = buckets_of(np.full(100, 5.0)), buckets_of(np.append(np.full(100, 5.0), np.full(50, 0.010)))
    found = of_buckets(after.minus(before))
    assert found is not None
    assert found.max < 13


def test_no_observation_gives_no_percentile() -> None:
    """An empty histogram has no percentile rather than a zero."""
    assert of_buckets(buckets_of(np.array([]))) is None
