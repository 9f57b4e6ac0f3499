"""The meter turns columns of durations into Prometheus histograms."""

import numpy as np
import pytest
from prometheus_client.exposition import generate_latest

from infra.metrics.meter import BOUNDS_S, PrometheusMeter, SpanHistogram


def buckets(histogram: SpanHistogram) -> dict[str, float]:
    """Return the cumulative counts by upper bound."""
    family = next(iter(histogram.collect()))
    return {s.labels["le"]: s.value for s in family.samples if s.name.endswith("_bucket")}


def test_every_duration_lands_in_the_first_bucket_that_holds_it() -> None:
    """A duration counts from the smallest bound that is not below it."""
    histogram = SpanHistogram("x_seconds", "x")
    histogram.observe(np.array([0.001, 0.0011, 1e9, -5.0]))
    found = buckets(histogram)
    assert found["0.001"] == 2
    assert found["0.0012"] == 3
    assert found["+Inf"] == 4


def test_bounds_resolve_a_percentile_within_a_fifth() -> None:
    """Neighbouring bounds differ by a factor of 1.2 and reach past a minute."""
    assert np.allclose(BOUNDS_S[1:] / BOUNDS_S[:-1], 1.2)
    assert BOUNDS_S[-1] > 60


def test_an_unknown_name_is_refused() -> None:
    """A metric that is not in the table raises KeyError."""
    with pytest.raises(KeyError):
        PrometheusMeter().count("typo_total")


def test_labels_and_prefix_appear_in_the_exposition() -> None:
    """Counters, gauges and histograms carry the prefix and their labels."""
    meter = PrometheusMeter()
    meter.count("rejected_total", 2, code="out_of_range")
    meter.gauge("sessions", 3)
    meter.observe("ack", 0.02)
    text = generate_latest(meter.registry).decode()
    assert 'pulsera_rejected_total{code="out_of_range"} 2.0' in text
    assert "pulsera_sessions 3.0" in text
    assert "pulsera_ack_seconds_count 1.0" in text
