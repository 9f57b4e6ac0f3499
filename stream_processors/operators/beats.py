"""Beats become RMSSD: for wearers whose device tells the intervals between beats and no variability of its own.

RMSSD (see `inference.hrv`) over the 5 min of event time before each minute, taken once a minute, with the first bin of
the next one. What is kept of a minute is sums, so that a wearer costs a few hundred bytes however many beats there are;
beats wait only for their bin to close. One stream's beats are used at a time: another one takes over, from nothing,
when the first has told none for `TAKE_OVER_MS`. No beat counts twice: of one identity the first to come counts, and
what a reading says of the time before the reading before it is a repeat.

A list of beats ends at its reading's time, which some devices round up to the second: a hole between two readings is
seen only when it is over `HOLE_US`. A beat that was lost there joins two intervals that were not neighbours.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.hrv.beats import CONTEXT, PLAUSIBLE_MS, US_PER_MS, believe
from inference.hrv.measures import FIVE_MINUTES_S, GIVEN, NO_BEATS, SHORT_TERM, reasons, rmssd_ms
from inference.slots import FOREVER, NEVER, Bools, Column, Floats, Ints, Table
from schemas.scores import BIN_MS
from schemas.vitals import NAMES
from stream_processors.operators.bins import Bins

WINDOW_MIN: Final = 5
MINUTE_MS: Final = 60_000
HOLE_US: Final = 1_000_000
TAKE_OVER_MS: Final = 60_000
OWN_MS: Final = 86_400_000
"""For a day after a device told RMSSD of its own, none of ours stands beside it: two methods are never one baseline."""

_HRV_RMSSD: Final = NAMES.index("hrv_rmssd")
_NOBODY: Final = -1
_REPEAT_US: Final = 20_000
"""No beat ends this soon after another; clocks of devices jitter less."""

_COLUMNS: Final = ("wearer", "end_ms", "stream_id", "sent_ms", "time_ms", "place", "count", "interval_us")
_AT: Final = {name: column for column, name in enumerate(_COLUMNS)}
_IDENTITY: Final = [_AT["wearer"], _AT["end_ms"], _AT["stream_id"], _AT["sent_ms"]]
_BEAT: Final = [*_IDENTITY, _AT["place"]]
_BIN: Final = [_AT["wearer"], _AT["end_ms"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class BeatLists:
    """Readings with their lists of beats.

    Attributes:
        wearer: Wearer slot, shape (n,).
        stream_id: Device number x 256 + source code, shape (n,).
        sent_ms: Time as sent; `time_ms` the corrected one, at which the list ends.
        end_ms: End of the wearer's bin, `FOREVER` where the reading is late for it or does not count.
        beats_ms: All lists, one after the other.
        starts: Reading k's beats are `beats_ms[starts[k]:starts[k + 1]]`, shape (n + 1,).
    """

    wearer: Ints
    stream_id: Ints
    sent_ms: Ints
    time_ms: Ints
    end_ms: Ints
    beats_ms: npt.NDArray[np.float32]
    starts: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Rmssd:
    """One answer a bin, shape (n,) each.

    Attributes:
        due: Whether the bin is its wearer's first of a minute; elsewhere nothing is told.
        rmssd_ms: RMSSD over the `WINDOW_MIN` min before that minute, NaN where `reason` says why.
        pairs: Differences that count; `coverage` the share of the window within believed intervals.
        reason: Index into `inference.hrv.measures.REASONS`.
    """

    due: Bools
    rmssd_ms: Floats
    pairs: Ints
    coverage: Floats
    reason: Ints


class Beats:
    """Beats that wait for their bin, and each wearer's sums of the last minutes.

    In one step: `take` what came, `gather` the bins that close, then `fold` (or `fill`) them wave by wave.
    """

    def __init__(self) -> None:
        self._waiting: list[Ints] = []
        self._closing = _NONE
        self._keys: Ints = _NONE[:, _BIN]
        self._heard = False
        self.table = Table({
            "minute": Column("i8", NEVER),
            "stream_id": Column("i8", _NOBODY),
            "last_ms": Column("i8", NEVER),
            "last_us": Column("i4", 0),
            "last_believed": Column("?", 0),
            "context_us": Column("i4", 0, CONTEXT),
            "minutes": Column("i8", NEVER, WINDOW_MIN),
            "beats": Column("i4", 0, WINDOW_MIN),
            "pairs": Column("i4", 0, WINDOW_MIN),
            "covered_us": Column("i8", 0, WINDOW_MIN),
            "squares_us2": Column("i8", 0, WINDOW_MIN),
            "own_ms": Column("i8", NEVER),
        })  # fmt: skip

    def take(self, lists: BeatLists) -> None:
        """Keep the beats of readings until their bin closes."""
        counts = np.diff(lists.starts)
        counts[lists.end_ms == FOREVER] = 0
        if not counts.any():
            return
        self._heard = True
        reading = np.repeat(np.arange(len(counts)), counts)
        place = np.arange(len(reading)) - np.repeat(np.cumsum(counts) - counts, counts)
        interval_ms = lists.beats_ms[lists.starts[reading] + place].astype(np.float64)
        rows = np.empty((len(reading), len(_COLUMNS)), dtype=np.int64)
        for name in ("wearer", "end_ms", "stream_id", "sent_ms", "time_ms"):
            rows[:, _AT[name]] = getattr(lists, name)[reading]
        rows[:, _AT["place"]], rows[:, _AT["count"]] = place, counts[reading]
        rows[:, _AT["interval_us"]] = np.rint(interval_ms * US_PER_MS)
        self._waiting.append(rows)

    def gather(self, wearer: Ints, end_ms: Ints) -> None:
        """Take from the waiting beats those of the bins that this step closes."""
        self._closing, self._keys = _NONE, _NONE[:, _BIN]
        if not self._waiting:
            return
        rows = np.concatenate(self._waiting)
        newest = np.full(self.table.rows, NEVER)
        np.maximum.at(newest, wearer, end_ms)
        due = rows[:, _AT["end_ms"]] <= newest[rows[:, _AT["wearer"]]]
        self._waiting = [] if due.all() else [rows[~due]]
        if due.any():
            self._closing = _once(rows[due])
            self._keys = self._closing[:, _BIN]

    def fold(self, wearer: Ints, end_ms: Ints) -> Rmssd:
        """Tell what is due with a wave of closed bins, at most one of each wearer, then count their beats."""
        minute = (end_ms - BIN_MS) // MINUTE_MS
        told = self._tell(wearer, minute)
        self.table["minute"][wearer] = minute
        rows = self._of_bins(wearer, end_ms)
        if len(rows):
            self._count(_used(rows, self._streams(rows)))
        return told

    def fill(self, bins: Bins) -> Bins:
        """Return a wave of closed bins with the RMSSD that is due, unless the wearer's device tells one of its own.

        It stands only where beats came within the last minute: as a value that changes it says that the sensor lives,
        and a window that merely runs empty says nothing of the kind.
        """
        own = ~np.isnan(bins.values[:, _HRV_RMSSD])
        self.table["own_ms"][bins.wearer[own]] = bins.end_ms[own]
        if not self._heard:
            return bins
        told = self.fold(bins.wearer, bins.end_ms)
        ours = (told.reason == GIVEN) & (bins.end_ms - self.table["own_ms"][bins.wearer] > OWN_MS)
        ours &= bins.start_ms - self.table["last_ms"][bins.wearer] <= MINUTE_MS
        if not ours.any():
            return bins
        values = bins.values.copy()
        values[ours, _HRV_RMSSD] = told.rmssd_ms[ours]
        return replace(bins, values=values)

    def _tell(self, wearer: Ints, minute: Ints) -> Rmssd:
        table = self.table
        due = minute > table["minute"][wearer]
        count = len(wearer)
        told = Rmssd(
            due=due,
            rmssd_ms=np.full(count, np.nan),
            pairs=np.zeros(count, dtype=np.int64),
            coverage=np.zeros(count),
            reason=np.full(count, NO_BEATS),
        )
        rows = np.flatnonzero(due)
        if not len(rows):
            return told
        whose = wearer[rows]
        inside = table["minutes"][whose] >= minute[rows, None] - WINDOW_MIN
        beats, pairs, covered_us, squares = (
            np.where(inside, table[name][whose], 0).sum(axis=1)
            for name in ("beats", "pairs", "covered_us", "squares_us2")
        )
        coverage = np.minimum(covered_us / (FIVE_MINUTES_S * 1000 * US_PER_MS), 1.0)
        reason = reasons(beats, pairs, coverage, SHORT_TERM)
        value = np.where(reason == GIVEN, rmssd_ms(squares, np.maximum(pairs, 1)), np.nan)
        told.rmssd_ms[rows], told.pairs[rows], told.coverage[rows], told.reason[rows] = value, pairs, coverage, reason
        return told

    def _of_bins(self, wearer: Ints, end_ms: Ints) -> Ints:
        """Return the gathered beats of these bins, by (wearer, stream, time)."""
        if not len(self._keys):
            return _NONE
        wanted = np.full(self.table.rows, NEVER)
        wanted[wearer] = end_ms
        rows: Ints = self._closing[wanted[self._keys[:, 0]] == self._keys[:, 1]]
        return rows

    def _streams(self, rows: Ints) -> Ints:
        """Return each row's wearer's stream in use; who changes to another one begins anew."""
        table = self.table
        first = np.flatnonzero(np.append(True, np.diff(rows[:, _AT["wearer"]]) != 0))
        wearer, lowest = rows[first, _AT["wearer"]], rows[first, _AT["stream_id"]]
        start_ms = rows[first, _AT["end_ms"]] - BIN_MS
        stays = start_ms - table["last_ms"][wearer] < TAKE_OVER_MS
        there = np.logical_or.reduceat(rows[:, _AT["stream_id"]] == table["stream_id"][rows[:, _AT["wearer"]]], first)
        changes = ~stays & ~there
        anew = wearer[changes]
        kept = {name: table[name][anew] for name in ("minute", "own_ms")}
        table.reset(anew)
        for name, values in kept.items():
            table[name][anew] = values
        table["stream_id"][anew] = lowest[changes]
        streams: Ints = table["stream_id"][rows[:, _AT["wearer"]]]
        return streams

    def _count(self, rows: Ints) -> None:
        if not len(rows):
            return
        table = self.table
        wearer, time_us = rows[:, _AT["wearer"]], rows[:, _AT["time_ms"]] * US_PER_MS
        before_us = _before(rows, np.maximum(table["last_ms"][wearer], 0) * US_PER_MS)
        end_us = _ends(rows)
        last = np.flatnonzero(np.append(np.diff(wearer) != 0, True))
        table["last_ms"][wearer[last]] = time_us[last] // US_PER_MS
        new = end_us > before_us + _REPEAT_US
        rows, wearer, end_us, before_us = rows[new], wearer[new], end_us[new], before_us[new]
        if not len(rows):
            return
        interval_us = rows[:, _AT["interval_us"]]
        joined = (before_us[1:] == before_us[:-1]) & (wearer[1:] == wearer[:-1])
        near = end_us - interval_us - before_us <= HOLE_US
        near[1:] |= joined
        first = np.flatnonzero(np.append(True, wearer[1:] != wearer[:-1]))
        self._add(wearer, interval_us, near, first, (rows[first, _AT["end_ms"]] - BIN_MS) // MINUTE_MS)

    def _add(self, wearer: Ints, interval_us: Ints, near: Bools, first: Ints, minute: Ints) -> None:
        """Count beats, ordered by wearer and time; `near` says where nothing lies between a beat and the one before."""
        table, whose = self.table, wearer[first]
        believed = self._believed(wearer, interval_us, first)
        before_us, before_believed = np.roll(interval_us, 1), np.roll(believed, 1)
        before_us[first], before_believed[first] = table["last_us"][whose], table["last_believed"][whose]
        paired = near & believed & before_believed
        column = minute % WINDOW_MIN
        stale = table["minutes"][whose, column] != minute
        table["minutes"][whose, column] = minute
        squares = np.where(paired, interval_us - before_us, 0) ** 2
        sums = {"beats": believed, "pairs": paired, "covered_us": np.where(believed, interval_us, 0)}
        for name, found in {**sums, "squares_us2": squares}.items():
            total = np.add.reduceat(found.astype(np.int64), first)
            table[name][whose, column] = np.where(stale, 0, table[name][whose, column]) + total
        last = np.append(first[1:], len(wearer)) - 1
        table["last_us"][whose], table["last_believed"][whose] = interval_us[last], believed[last]

    def _believed(self, wearer: Ints, interval_us: Ints, first: Ints) -> Bools:
        """Return which beats are believed after those before them; the last plausible ones are kept for the next."""
        whose = wearer[first]
        context = self.table["context_us"][whose]
        width = CONTEXT + np.diff(np.append(first, len(wearer)))
        starts = np.append(0, np.cumsum(width))
        together = np.zeros(starts[-1], dtype=np.int64)
        together[(starts[:-1, None] + np.arange(CONTEXT)).ravel()] = context.ravel()
        new = np.arange(len(wearer)) + np.repeat(CONTEXT * np.arange(1, len(first) + 1), width - CONTEXT)
        together[new] = interval_us
        interval_ms = together / US_PER_MS
        believed = believe(interval_ms, starts, known=CONTEXT)
        plausible = (interval_ms >= PLAUSIBLE_MS[0]) & (interval_ms <= PLAUSIBLE_MS[1])
        found = np.append(np.zeros(CONTEXT, dtype=np.int64), together[plausible])
        counted = np.append(0, np.cumsum(plausible))[starts]
        newest = counted[1:, None] + np.arange(CONTEXT)
        # Places before the wearer's own first belong to somebody else: nothing is known there.
        own = newest - CONTEXT >= counted[:-1, None]
        self.table["context_us"][whose] = np.where(own, found[newest], 0)
        return believed[new]

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return the wearers' state, a row a wearer."""
        return self.table.dump()

    def waiting(self) -> dict[str, npt.NDArray[Any]]:
        """Return the beats that wait, a row a beat, with the wearer's slot in column 0."""
        return {"rows": np.concatenate([_NONE, *self._waiting])}

    def load(self, arrays: Mapping[str, npt.NDArray[Any]], waiting: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over what `dump` and `waiting` returned."""
        self.table.load(arrays)
        self._waiting = [waiting["rows"]] if len(waiting["rows"]) else []
        self._heard = bool(self._waiting) or bool((arrays["stream_id"] != _NOBODY).any())


_NONE: Final[Ints] = np.empty((0, len(_COLUMNS)), dtype=np.int64)


def _once(rows: Ints) -> Ints:
    """Return beats by (wearer, bin, stream, time as sent, place); of each identity those that came first."""
    rows = rows[np.lexsort(rows[:, _BEAT[::-1]].T)]
    fresh = np.append(True, (rows[1:, _BEAT] != rows[:-1, _BEAT]).any(axis=1))
    if fresh.all():
        return rows
    rows = rows[fresh]
    first = np.flatnonzero(np.append(True, (rows[1:, _IDENTITY] != rows[:-1, _IDENTITY]).any(axis=1)))
    sizes = np.diff(np.append(first, len(rows)))
    whole: Ints = rows[rows[:, _AT["count"]] == np.repeat(rows[first, _AT["count"]], sizes)]
    return whole


def _used(rows: Ints, streams: Ints) -> Ints:
    """Return the beats of the streams in use, by (wearer, time)."""
    rows = rows[rows[:, _AT["stream_id"]] == streams]
    order = [_AT["place"], _AT["sent_ms"], _AT["time_ms"], _AT["wearer"]]
    in_order: Ints = rows[np.lexsort(rows[:, order].T)]
    return in_order


def _readings(rows: Ints) -> Ints:
    """Return where each reading's beats begin."""
    return np.flatnonzero(np.append(True, (rows[1:, _IDENTITY] != rows[:-1, _IDENTITY]).any(axis=1)))


def _ends(rows: Ints) -> Ints:
    """Return when each beat ends, the last of a reading at the reading's time."""
    first = _readings(rows)
    running = np.cumsum(rows[:, _AT["interval_us"]])
    last = np.append(first[1:], len(rows)) - 1
    after_us = np.repeat(running[last], np.diff(np.append(first, len(rows)))) - running
    ends: Ints = rows[:, _AT["time_ms"]] * US_PER_MS - after_us
    return ends


def _before(rows: Ints, known_us: Ints) -> Ints:
    """Return the time of the reading before each beat's; of a wearer's first what was known already."""
    first = _readings(rows)
    time_us = rows[first, _AT["time_ms"]] * US_PER_MS
    wearer = rows[first, _AT["wearer"]]
    before = np.append(0, time_us[:-1])
    begins = np.append(True, wearer[1:] != wearer[:-1])
    before = np.where(begins, known_us[first], before)
    repeated: Ints = np.repeat(before, np.diff(np.append(first, len(rows))))
    return repeated
