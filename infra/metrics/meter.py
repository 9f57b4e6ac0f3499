"""The meter that every room counts with: Prometheus metrics that take whole columns at once."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from infra.metrics.table import BY_NAME, METRICS

BOUNDS_S = np.array([0.001 * 1.2**step for step in range(64)])
"""Upper bounds of the buckets: 1 ms to 97 s, each 1.2 times the last, so that a percentile is known within 10 %."""


class SpanHistogram(Collector):
    """A histogram whose `observe` adds a column of durations in one numpy step."""

    def __init__(self, name: str, documentation: str) -> None:
        self._name = name
        self._documentation = documentation
        self._counts = np.zeros(len(BOUNDS_S) + 1, dtype=np.int64)
        self._sum_s = 0.0

    def observe(self, seconds: npt.NDArray[np.float64] | float) -> None:
        """Add durations; those below zero (clocks of two machines) count as zero."""
        values = np.maximum(np.atleast_1d(np.asarray(seconds, dtype=np.float64)), 0.0)
        buckets = np.searchsorted(BOUNDS_S, values, side="left")
        self._counts += np.bincount(buckets, minlength=len(self._counts))
        self._sum_s += float(values.sum())

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Yield the cumulative buckets."""
        cumulative = np.cumsum(self._counts)
        buckets = [(f"{bound:.6g}", float(count)) for bound, count in zip(BOUNDS_S, cumulative[:-1], strict=True)]
        buckets.append(("+Inf", float(cumulative[-1])))
        family = HistogramMetricFamily(self._name, self._documentation)
        family.add_metric([], buckets=buckets, sum_value=self._sum_s)
        yield family


class PrometheusMeter:
    """Counts under the names of `infra.metrics.table`; an unknown name is a KeyError, so a typo cannot hide."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._histograms: dict[str, SpanHistogram] = {}
        self._counters: dict[str, Counter] = {}
        self._gauges: dict[str, Gauge] = {}

    def begin(self, process: str, topics: Iterable[str] = ()) -> None:
        """Show the counters of a process at zero, those by topic for each topic that it reads."""
        for row in METRICS:
            if row.kind != "counter" or process not in row.by:
                continue
            if not row.labels:
                self.count(row.name, 0)
            elif row.labels == ("topic",):
                for topic in topics:
                    self.count(row.name, 0, topic=topic)

    def observe(self, name: str, seconds: npt.NDArray[np.float64] | float) -> None:
        """Add one or many durations to the histogram `name`."""
        histogram = self._histograms.get(name)
        if histogram is None:
            histogram = SpanHistogram(f"pulsera_{name}_seconds", BY_NAME[name].help)
            self.registry.register(histogram)
            self._histograms[name] = histogram
        histogram.observe(seconds)

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        """Add to the counter `name`."""
        counter = self._counters.get(name)
        if counter is None:
            row = BY_NAME[name]
            counter = Counter(f"pulsera_{name}", row.help, row.labels, registry=self.registry)
            self._counters[name] = counter
        (counter.labels(**labels) if labels else counter).inc(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set the gauge `name`."""
        gauge = self._gauges.get(name)
        if gauge is None:
            row = BY_NAME[name]
            gauge = Gauge(f"pulsera_{name}", row.help, row.labels, registry=self.registry)
            self._gauges[name] = gauge
        (gauge.labels(**labels) if labels else gauge).set(value)
