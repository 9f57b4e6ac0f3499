"""Watermarks, and which bins they close.

A wearer's bin closes when the clock has passed its end and every live stream's watermark has passed it by 2 s, in most
partitions by a little more (`lateness_ms`); a stream is live while it was heard within 10 s of observed time and is at
most 10 s behind the wearer's newest. With none live, a bin closes as much of observed time after the last record that
put a reading into it, and after every earlier bin. A stream's own bin (for the clinical floor) closes by that stream's
watermark alone.
"""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.slots import FOREVER, NEVER, Column, Ints, Table
from schemas.scores import BIN_MS
from stream_processors.operators.clock import LogClock
from stream_processors.operators.pending import FACT, Pending
from stream_processors.operators.wearers import Roster

LATENESS_MS: Final = 2_000
LIVE_MS: Final = 10_000
_APART_MS: Final = 25
_TURNS: Final = 12


def lateness_ms(partition: int) -> int:
    """Return how long the bins of a partition wait for what is late: 25 ms longer than those of the one before it.

    Bins of all wearers end at one moment. Closed at one moment too, they would keep every reading waiting that comes
    meanwhile (docs/adr/0026-partitions-close-one-after-the-other.md). The thirteenth partition begins anew at 2 s.
    """
    return LATENESS_MS + partition % _TURNS * _APART_MS


class Lateness:
    """How far every stream and every wearer has come.

    Attributes:
        wearers: `frontier_ms` (bins ending up to here are closed), `due_ms` (observed time at which silence may close
            something), `waiting` (rows), `earliest_ms` (no waiting bin ends before).
        streams: `watermark_ms`, `heard_ms` (observed time), `frontier_ms`, `waiting`, `earliest_ms`.
    """

    def __init__(self, wait_ms: int) -> None:
        """`wait_ms` is how long bins wait for what is late."""
        self.wait_ms = wait_ms
        common = {"frontier_ms": Column("i8", NEVER), "waiting": Column("i8", 0), "earliest_ms": Column("i8", FOREVER)}
        self.wearers = Table({**common, "due_ms": Column("i8", FOREVER)})
        self.streams = Table({**common, "watermark_ms": Column("i8", NEVER), "heard_ms": Column("i8", NEVER)})

    def extend(self, wearers: int, streams: int) -> None:
        """Make room."""
        self.wearers.extend(wearers)
        self.streams.extend(streams)

    def expect(self, wearer: Ints, stream: Ints, *, wearer_end_ms: Ints, stream_end_ms: Ints) -> None:
        """Note rows that begin to wait; `FOREVER` where a row does not."""
        for table, lane, end in ((self.wearers, wearer, wearer_end_ms), (self.streams, stream, stream_end_ms)):
            np.add.at(table["waiting"], lane, end < FOREVER)
            np.minimum.at(table["earliest_ms"], lane, end)

    def hear(self, stream: Ints, time_ms: Ints, clock: LogClock) -> None:
        """Move watermarks to the times of these rows, never beyond the log's clock."""
        np.maximum.at(self.streams["watermark_ms"], stream, np.minimum(time_ms, clock.now_ms))
        self.streams["heard_ms"][stream] = clock.observed_ms

    def move(self, touched: Ints, clock: LogClock, roster: Roster, pending: Pending) -> Ints:
        """Move the frontiers of wearers that were heard or whose time has come; return those wearers' slots."""
        due = np.flatnonzero(self.wearers["due_ms"][: self.wearers.rows] <= clock.observed_ms)
        wearers = touched if len(due) == 0 else np.union1d(touched, due)
        if len(wearers) == 0:
            return wearers
        slots = roster.of_wearer[wearers]
        watermark = self.streams["watermark_ms"][slots]
        heard = self.streams["heard_ms"][slots]
        newest = watermark.max(axis=1)
        live = (heard >= clock.observed_ms - LIVE_MS) & (watermark >= newest[:, None] - LIVE_MS)
        slowest = np.where(live, watermark, FOREVER).min(axis=1)
        frontier, due_ms = self.wearers["frontier_ms"], self.wearers["due_ms"]
        frontier[wearers] = np.maximum(frontier[wearers], np.where(slowest < FOREVER, slowest - self.wait_ms, NEVER))
        due_ms[wearers] = np.where(live, heard, FOREVER).min(axis=1) + (LIVE_MS + 1)
        silent = wearers[(slowest == FOREVER) & (self.wearers["waiting"][wearers] > 0)]
        if len(silent):
            self._close_silent(silent, clock, pending)
        streams = slots.ravel()
        own = self.streams["frontier_ms"]
        own[streams] = np.maximum(own[streams], watermark.ravel() - self.wait_ms)
        return wearers

    def _close_silent(self, wearers: Ints, clock: LogClock, pending: Pending) -> None:
        mask = np.zeros(self.wearers.rows, dtype=np.bool_)
        mask[wearers] = True
        rows = pending.waiting_of(mask)
        wearer = pending.facts[rows, FACT["wearer"]]
        end = pending.wearer_end_ms[rows]
        order = np.lexsort((end, wearer))
        wearer, end, put = wearer[order], end[order], pending.facts[rows[order], FACT["put_ms"]]
        first = np.r_[True, (wearer[1:] != wearer[:-1]) | (end[1:] != end[:-1])].nonzero()[0]
        wearer, end, put = wearer[first], end[first], np.maximum.reduceat(put, first)
        lane = np.cumsum(np.r_[0, wearer[1:] != wearer[:-1]]) * (1 << 50)
        put = np.maximum.accumulate(put + lane) - lane
        ready = (put + self.wait_ms <= clock.observed_ms) & (end <= clock.now_ms)
        np.maximum.at(self.wearers["frontier_ms"], wearer[ready], end[ready])
        # What is not ready yet: by silence at a known observed time, or by the clock, which may jump at any record.
        later = np.where(end > clock.now_ms, clock.observed_ms + 1, put + self.wait_ms)
        due_ms = self.wearers["due_ms"]
        due_ms[wearers] = FOREVER
        np.minimum.at(due_ms, wearer[~ready], later[~ready])

    def closing(self, wearers: Ints, roster: Roster, pending: Pending) -> tuple[Ints, Ints]:
        """Return the rows that close now, for wearers' bins and for streams' own bins; usually one same array."""
        streams = roster.of_wearer[wearers].ravel()
        by_wearer = _closing(self.wearers, wearers, pending.due_for_wearers)
        by_stream = _closing(self.streams, streams, pending.due_for_streams)
        if len(by_wearer) == len(by_stream) and bool((by_wearer == by_stream).all()):
            by_stream = by_wearer
        if len(by_wearer) or len(by_stream):
            _settle(self.wearers, pending.facts[by_wearer, FACT["wearer"]])
            _settle(self.streams, pending.facts[by_stream, FACT["stream"]])
        return by_wearer, by_stream

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return all arrays."""
        return {
            **{f"wearers.{name}": array for name, array in self.wearers.dump().items()},
            **{f"streams.{name}": array for name, array in self.streams.dump().items()},
        }

    def load(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over a dump."""
        for prefix, table in (("wearers.", self.wearers), ("streams.", self.streams)):
            table.load({name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)})


def bin_end_ms(time_ms: Ints) -> Ints:
    """Return the end of the bin that holds each time."""
    return (time_ms // BIN_MS + 1) * BIN_MS


def _closing(table: Table, lanes: Ints, find: Any) -> Ints:
    frontier = table["frontier_ms"]
    reached = frontier[lanes]
    ready = table["earliest_ms"][lanes] <= reached
    if not ready.any():
        return np.empty(0, dtype=np.int64)
    rows: Ints = find(frontier, latest_ms=int(reached[ready].max()))
    return rows


def _settle(table: Table, lane: Ints) -> None:
    """Note that rows of these lanes wait no more."""
    rows = np.bincount(lane)
    lanes = np.flatnonzero(rows)
    waiting = table["waiting"]
    waiting[lanes] -= rows[lanes]
    next_end = (table["frontier_ms"][lanes] // BIN_MS + 1) * BIN_MS
    table["earliest_ms"][lanes] = np.where(waiting[lanes] == 0, FOREVER, next_end)
