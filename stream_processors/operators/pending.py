"""Readings that wait for their bin to close, with their identities."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.slots import FOREVER, Ints
from stream_processors.operators.readings import VITAL_COUNT

FACTS: Final = (
    "wearer", "stream", "stream_id", "end_ms", "sent_ms", "received_ms", "time_ms", "put_ms", "arrival",
    "cell", "firmware", "origin", "injected", "worn", "utc_offset_min",
)  # fmt: skip
"""Columns of `Pending.facts`: `put_ms` is the observed time of the record, `arrival` counts readings of all time."""
FACT: Final = {name: column for column, name in enumerate(FACTS)}


class Pending:
    """A pool of rows; each waits for its wearer's bin, for its stream's own bin (the floor), or for both.

    Attributes:
        facts: Integers of each row, shape (capacity, len(FACTS)).
        numbers: Vitals and quality, float32, shape (capacity, VITAL_COUNT + 1).
        wearer_end_ms: End of the wearer's bin, `FOREVER` where the row does not wait for it; `stream_end_ms` likewise.
    """

    def __init__(self) -> None:
        self._capacity = 1024
        self.facts: Ints = np.zeros((self._capacity, len(FACTS)), dtype=np.int64)
        self.numbers = np.zeros((self._capacity, VITAL_COUNT + 1), dtype=np.float32)
        self.wearer_end_ms: Ints = np.full(self._capacity, FOREVER, dtype=np.int64)
        self.stream_end_ms: Ints = np.full(self._capacity, FOREVER, dtype=np.int64)
        self._free = np.arange(self._capacity - 1, -1, -1)
        self._free_count = self._capacity
        self._high = 0

    def add(self, facts: Ints, numbers: npt.NDArray[np.float32], *, wearer_end_ms: Ints, stream_end_ms: Ints) -> None:
        """Keep rows until they are closed for both."""
        count = len(facts)
        while self._free_count < count:
            self._grow()
        self._free_count -= count
        rows = self._free[self._free_count : self._free_count + count]
        self.facts[rows] = facts
        self.numbers[rows] = numbers
        self.wearer_end_ms[rows] = wearer_end_ms
        self.stream_end_ms[rows] = stream_end_ms
        self._high = max(self._high, int(rows.max()) + 1)

    def due_for_wearers(self, frontier_ms: Ints, *, latest_ms: int) -> Ints:
        """Return the rows whose bin ends no later than the frontier of their wearer; none lies beyond `latest_ms`."""
        return self._due(self.wearer_end_ms, "wearer", frontier_ms, latest_ms)

    def due_for_streams(self, frontier_ms: Ints, *, latest_ms: int) -> Ints:
        """Return the rows whose bin ends no later than the frontier of their stream."""
        return self._due(self.stream_end_ms, "stream", frontier_ms, latest_ms)

    def _due(self, ends_ms: Ints, lane: str, frontier_ms: Ints, latest_ms: int) -> Ints:
        rows = np.flatnonzero(ends_ms[: self._high] <= latest_ms)
        due: Ints = rows[ends_ms[rows] <= frontier_ms[self.facts[rows, FACT[lane]]]]
        return due

    def waiting_of(self, wearers: npt.NDArray[np.bool_]) -> Ints:
        """Return the rows that wait for the bin of one of these wearers (a mask over wearer slots)."""
        rows = np.flatnonzero(self.wearer_end_ms[: self._high] < FOREVER)
        of_these: Ints = rows[wearers[self.facts[rows, FACT["wearer"]]]]
        return of_these

    def ends_of(self, stream: Ints, sent_ms: Ints, end_ms: Ints) -> Ints:
        """Return the end of the open bin in which a reading of the same identity lies already, else `end_ms`."""
        rows = np.flatnonzero(np.minimum(self.wearer_end_ms, self.stream_end_ms)[: self._high] < FOREVER)
        rows = rows[np.isin(self.facts[rows, FACT["stream"]], stream)]
        columns = [self.facts[rows, FACT[name]].tolist() for name in ("stream", "sent_ms", "end_ms")]
        known = {(lane, sent): end for lane, sent, end in zip(*columns, strict=True)}
        keys = zip(stream.tolist(), sent_ms.tolist(), end_ms.tolist(), strict=True)
        return np.array([known.get((lane, sent), end) for lane, sent, end in keys], dtype=np.int64)

    def close(self, wearer_rows: Ints, stream_rows: Ints) -> None:
        """End the waiting of rows; who waits for nothing more leaves the pool."""
        self.wearer_end_ms[wearer_rows] = FOREVER
        self.stream_end_ms[stream_rows] = FOREVER
        both = wearer_rows if wearer_rows is stream_rows else np.union1d(wearer_rows, stream_rows)
        gone = both[(self.wearer_end_ms[both] == FOREVER) & (self.stream_end_ms[both] == FOREVER)]
        self._free[self._free_count : self._free_count + len(gone)] = gone
        self._free_count += len(gone)
        if self._free_count == self._capacity:
            self._high = 0

    def _grow(self) -> None:
        old = self._capacity
        self._capacity = 2 * old
        self.facts = np.concatenate((self.facts, np.zeros_like(self.facts)))
        self.numbers = np.concatenate((self.numbers, np.zeros_like(self.numbers)))
        empty = np.full(old, FOREVER, dtype=np.int64)
        self.wearer_end_ms = np.concatenate((self.wearer_end_ms, empty))
        self.stream_end_ms = np.concatenate((self.stream_end_ms, empty))
        free = np.empty(self._capacity, dtype=np.int64)
        free[:old] = np.arange(self._capacity - 1, old - 1, -1)
        free[old : old + self._free_count] = self._free[: self._free_count]
        self._free = free
        self._free_count += old

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return the waiting rows in the order in which they came."""
        waiting = (self.wearer_end_ms[: self._high] < FOREVER) | (self.stream_end_ms[: self._high] < FOREVER)
        rows = np.flatnonzero(waiting)
        rows = rows[np.argsort(self.facts[rows, FACT["arrival"]])]
        return {
            "facts": self.facts[rows],
            "numbers": self.numbers[rows],
            "wearer_end_ms": self.wearer_end_ms[rows],
            "stream_end_ms": self.stream_end_ms[rows],
        }

    def load(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over a dump into an empty pool."""
        if len(arrays["facts"]):
            self.add(
                arrays["facts"],
                arrays["numbers"],
                wearer_end_ms=arrays["wearer_end_ms"],
                stream_end_ms=arrays["stream_end_ms"],
            )
