"""Which record closes which bin: the vectorised rule against the rule as the design words it, reading by reading."""

from collections import defaultdict
from typing import Any, Final

from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.scores import BIN_MS
from stream_processors.families.vitals import VitalsFamily
from tests.vitals_frames import T0_MS, LoggedState, reading, wearer_id

WAITS_MS: Final = {0: 2_000, 1: 2_025, 7: 2_175, 11: 2_275, 12: 2_000, 13: 2_025}
"""How long some partitions wait for what is late (docs/adr/0026-partitions-close-one-after-the-other.md)."""
LIVE_MS: Final = 10_000

Arrival = tuple[int, str, int]
"""Wearer, source, and how long before the record it was measured (ms)."""


class Worded:
    """The rule in the design's words, for one wearer: slow, and re-examined at every record."""

    def __init__(self, wait_ms: int) -> None:
        self.wait_ms = wait_ms
        self.watermark: dict[str, int] = {}
        self.heard: dict[str, int] = {}
        self.closed_to = -(2**62)
        self.waiting: dict[int, set[tuple[str, int]]] = {}
        self.put: dict[int, int] = {}
        self.late = 0

    def place(self, source: str, time_ms: int, observed_ms: int) -> None:
        """Put a reading into its bin, unless that is closed."""
        end = (time_ms // BIN_MS + 1) * BIN_MS
        if end <= self.closed_to:
            self.late += 1
            return
        self.waiting.setdefault(end, set()).add((source, time_ms))
        self.put[end] = observed_ms

    def hear(self, source: str, time_ms: int, clock_ms: int, observed_ms: int) -> None:
        """Move the stream's watermark, never beyond the clock."""
        self.watermark[source] = max(self.watermark.get(source, -(2**62)), min(time_ms, clock_ms))
        self.heard[source] = observed_ms

    def close(self, clock_ms: int, observed_ms: int) -> dict[int, int]:
        """Return the bins that close now, by end, with their number of readings."""
        if not self.watermark:
            return {}
        newest = max(self.watermark.values())
        live = [
            mark
            for source, mark in self.watermark.items()
            if observed_ms - self.heard[source] <= LIVE_MS and newest - mark <= LIVE_MS
        ]
        if live:
            self.closed_to = max(self.closed_to, min(live) - self.wait_ms)
        else:
            for end in sorted(self.waiting):
                if end > clock_ms or observed_ms - self.put[end] < self.wait_ms:
                    break
                self.closed_to = max(self.closed_to, end)
        ready = sorted(end for end in self.waiting if end <= self.closed_to)
        return {end: len(self.waiting.pop(end)) for end in ready}


arrivals: Final = st.lists(
    st.tuples(
        st.integers(0, 2),
        st.sampled_from(["watch", "phone", "manual"]),
        st.one_of(st.integers(-3_000, 3_000), st.integers(0, 40_000)),
    ),
    max_size=5,
)
records: Final = st.lists(
    st.tuples(st.sampled_from([0, 100, 700, 1_000, 1_900, 5_000, 30_000]), arrivals), min_size=1, max_size=70
)


@settings(max_examples=40, deadline=None)
@given(log=records, partition=st.sampled_from(sorted(WAITS_MS)))
def test_bins_close_at_the_record_that_the_design_names(log: list[tuple[int, list[Arrival]]], partition: int) -> None:
    """For any log and partition, each record closes exactly the bins, and with the readings, that the rule closes."""
    actual = LoggedState(VitalsFamily().open(partition, None))
    expected: defaultdict[int, Worded] = defaultdict(lambda: Worded(WAITS_MS[partition]))
    clock_ms, observed_ms = T0_MS, 0
    actual.append(clock_ms)
    for step_ms, people in [*log, *[(1_000, [])] * 15]:
        observed_ms += min(step_ms, 2_000)
        clock_ms += step_ms
        rows: list[dict[str, Any]] = []
        for wearer, source, before_ms in people:
            time_ms = clock_ms - before_ms
            rows.append(reading(time_ms, wearer=wearer, source=source, heart_rate=70.0))
            expected[wearer].place(source, time_ms, observed_ms)
        for wearer, source, before_ms in people:
            expected[wearer].hear(source, clock_ms - before_ms, clock_ms, observed_ms)
        seen = len(actual.rows)
        actual.append(clock_ms, rows)
        closed = {
            (row["wearer"], round(row["bin"].timestamp() * 1000) + BIN_MS): row["readings"]
            for row in actual.rows[seen:]
        }
        assert closed == {
            (wearer_id(wearer).bytes, end): count
            for wearer, rule in expected.items()
            for end, count in rule.close(clock_ms, observed_ms).items()
        }
    for wearer, rule in expected.items():
        told = sum(row["late"] for row in actual.rows if row["wearer"] == wearer_id(wearer).bytes)
        assert told <= rule.late
