"""Percentiles of the spans, read from the histograms that the processes themselves publish."""

from collections.abc import Sequence
from dataclasses import dataclass

import httpx
import numpy as np
import numpy.typing as npt
from prometheus_client.parser import text_string_to_metric_families


@dataclass(frozen=True, slots=True)
class Buckets:
    """Cumulative counts (n,) at upper bounds (n,) in seconds; the last bound is infinity."""

    bounds_s: npt.NDArray[np.float64]
    counts: npt.NDArray[np.float64]

    def minus(self, before: "Buckets | None") -> "Buckets":
        """Return what was added since `before`."""
        return self if before is None else Buckets(self.bounds_s, self.counts - before.counts)


@dataclass(frozen=True, slots=True)
class Percentiles:
    """p50, p99 and max in milliseconds, and of how many values."""

    p50: float
    p99: float
    max: float
    count: int

    def as_json(self) -> dict[str, float]:
        """Return the JSON form."""
        return {
            "p50": round(self.p50, 1),
            "p99": round(self.p99, 1),
            "max": round(self.max, 1),
            "count": self.count,
        }


def of_values(values_ms: npt.NDArray[np.float64]) -> Percentiles:
    """Return the percentiles of single values; there must be at least one."""
    p50, p99 = np.percentile(values_ms, [50, 99])
    return Percentiles(float(p50), float(p99), float(values_ms.max()), len(values_ms))


def of_buckets(buckets: Buckets) -> Percentiles | None:
    """Return percentiles from buckets, linear within a bucket; max is the bound of the last bucket that holds any."""
    total = buckets.counts[-1]
    if total <= 0:
        return None
    last = int(np.searchsorted(buckets.counts, total, side="left"))
    bounds_ms = buckets.bounds_s * 1000
    top = bounds_ms[min(last, len(bounds_ms) - 2)]

    def at(share: float) -> float:
        rank = share * total
        index = int(np.searchsorted(buckets.counts, rank, side="left"))
        if index >= len(bounds_ms) - 1:
            return float(bounds_ms[-2])
        low = 0.0 if index == 0 else bounds_ms[index - 1]
        below = 0.0 if index == 0 else buckets.counts[index - 1]
        return float(low + (bounds_ms[index] - low) * (rank - below) / (buckets.counts[index] - below))

    return Percentiles(at(0.5), at(0.99), float(top), int(total))


async def read_histogram(client: httpx.AsyncClient, url: str, name: str) -> Buckets | None:
    """Return the histogram `pulsera_<name>_seconds` that the process at `url` publishes, or None where it has none."""
    answer = await client.get(url)
    answer.raise_for_status()
    wanted = f"pulsera_{name}_seconds"
    for family in text_string_to_metric_families(answer.text):
        if family.name == wanted:
            samples = [(float(s.labels["le"]), s.value) for s in family.samples if s.name == f"{wanted}_bucket"]
            bounds, counts = zip(*sorted(samples), strict=True)
            return Buckets(np.array(bounds), np.array(counts))
    return None


async def read_counters(client: httpx.AsyncClient, url: str, names: Sequence[str]) -> dict[str, float]:
    """Return what the counters `pulsera_<name>` of the process at `url` stand at, all their labels together."""
    answer = await client.get(url)
    answer.raise_for_status()
    found = dict.fromkeys(names, 0.0)
    for family in text_string_to_metric_families(answer.text):
        for sample in family.samples:
            name = sample.name.removeprefix("pulsera_")
            if name in found:
                found[name] += sample.value
    return found
