"""Technical episodes: a wearer of whom nothing is heard, a device whose clock is wrong."""

from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from inference.slots import NEVER, Column, Ints, Table
from schemas.episodes import Evidence
from schemas.scores import BIN_MS
from schemas.vitals import ORIGINS, SOURCE_NAMES, SOURCES
from stream_processors.operators import reasons
from stream_processors.operators.clock import LogClock
from stream_processors.operators.clock_offset import TECHNICAL_MS
from stream_processors.operators.conditions import CLOCK_OFFSET, NO_DATA
from stream_processors.operators.episodes import PAGES_WITHIN_MS, Change, Episodes
from stream_processors.operators.readings import NOT_WORN, Readings

SILENT_MS: Final = 60_000
"""Observed time without any reading of a wearable."""

_AWAITED: Final = np.ones(256, dtype=np.bool_)
_AWAITED[[SOURCES["rppg"], SOURCES["manual"]]] = False
"""By the code of a source: whether its readings let expect more. A camera or an entry ends on purpose."""


class Silence:
    """Watches when each wearer was last heard.

    Nobody is missed of whom no wearable has told yet, whose last reading of one says "not worn", or of whom there is
    only history older than 15 min. A camera and what a person enters neither make a wearer expected nor put it off; but
    where they are heard, the words name the wearable that is not.
    """

    def __init__(self, episodes: Episodes, ids: list[bytes]) -> None:
        self._episodes = episodes
        self._ids = ids
        self._look_at_ms = 0
        # `heard_ms` is of any source, every other column of wearables alone.
        self.table = Table({
            "heard_ms": Column("i8", NEVER),
            "awaited_ms": Column("i8", NEVER),
            "heard_at_ms": Column("i8", NEVER),
            "newest_ms": Column("i8", NEVER),
            "source": Column("i1", 0),
            "worn": Column("i1", 0),
            "origin": Column("i1", 0),
            "injected": Column("?", 0),
        })  # fmt: skip

    def hear(self, wearer: Ints, readings: Readings, time_ms: Ints, clock: LogClock) -> Ints:
        """Take the rows of a record, each with its wearer's slot and corrected time; return the wearers."""
        table = self.table
        source = readings.stream_id & 255
        awaited = _AWAITED[source]
        order = np.lexsort((time_ms, wearer))
        newest = _last(wearer, order)
        wearers = wearer[newest]
        back, rows = wearers, newest
        if not awaited.all():
            rows = _last(wearer, order[awaited[order]])
            back = wearer[rows]
        self._answer(wearers, back, clock)
        table["heard_ms"][wearers] = clock.observed_ms
        table["awaited_ms"][back] = clock.observed_ms
        table["heard_at_ms"][back] = clock.now_ms
        fresh = time_ms[rows] >= table["newest_ms"][back]
        if not fresh.all():
            back, rows = back[fresh], rows[fresh]
        table["newest_ms"][back] = time_ms[rows]
        table["source"][back] = source[rows]
        table["worn"][back] = readings.worn[rows]
        table["origin"][back] = readings.origin[rows]
        table["injected"][back] = readings.injected[rows]
        return wearers

    def _answer(self, wearers: Ints, back: Ints, clock: LogClock) -> None:
        """End `no_data` of those who are back, or of whom nothing is awaited; of others who are heard, say what is."""
        missed = wearers[self._episodes.table["tier"][wearers, NO_DATA] >= 0]
        if len(missed) == 0:
            return
        ends = np.isin(missed, back) | (self.table["awaited_ms"][missed] == NEVER)
        for wearer, over in zip(missed.tolist(), ends.tolist(), strict=True):
            if over:
                self._back(wearer, clock)
            else:
                self._name(wearer, clock)

    def missed(self, clock: LogClock) -> Ints:
        """Return the wearers who fell silent and of whom that was not told."""
        if clock.observed_ms < self._look_at_ms:
            return np.empty(0, dtype=np.int64)
        waiting = self._waiting()
        silent: Ints = waiting[self.table["awaited_ms"][waiting] + SILENT_MS <= clock.observed_ms]
        return silent

    def expire(self, clock: LogClock) -> None:
        """Open `no_data` for the wearers who fell silent."""
        if clock.observed_ms < self._look_at_ms:
            return
        for wearer in self.missed(clock).tolist():
            self._miss(wearer, clock)
        # Who is not missed now, or returns, is heard later than now: no deadline can lie before this one.
        rest = self.table["awaited_ms"][self._waiting()]
        self._look_at_ms = int(rest.min() if len(rest) else clock.observed_ms) + SILENT_MS

    def _waiting(self) -> Ints:
        """Return the wearers who would be missed, and are not yet."""
        table = self.table.dump()
        missed = (table["awaited_ms"] > NEVER) & (table["worn"] != NOT_WORN)
        missed &= table["heard_at_ms"] - table["newest_ms"] < PAGES_WITHIN_MS
        waiting: Ints = np.flatnonzero(missed & (self._episodes.table["tier"][: self.table.rows, NO_DATA] < 0))
        return waiting

    def give_up(self, wearers: Ints, clock: LogClock) -> None:
        """End `no_data` of wearers who are forgotten."""
        for wearer in wearers.tolist():
            episode = self._episodes.open.get((wearer, NO_DATA))
            if episode is None:
                continue
            gap_ms = self._gap_ms(wearer, clock)
            sentence = reasons.given_up(gap_ms) + reasons.marks(episode.evidence)
            change = Change(phase="ended", at_ms=clock.now_ms, reason=sentence, end_reason="data_ended")
            self._episodes.tell(episode, change, clock=clock, wearer_id=self._ids[wearer])

    def _miss(self, wearer: int, clock: LogClock) -> None:
        gap_ms = self._gap_ms(wearer, clock)
        heard_at = int(self.table["heard_at_ms"][wearer])
        evidence = Evidence(
            rule="no_data",
            gap_s=gap_ms / 1000,
            sources=self._missing(wearer) if self.table["heard_ms"][wearer] > self.table["awaited_ms"][wearer] else [],
            origin=ORIGINS[self.table["origin"][wearer]],
            injected=bool(self.table["injected"][wearer]),
        )
        first_bin_ms = heard_at // BIN_MS * BIN_MS
        episode = self._episodes.begin(
            wearer=wearer,
            condition=NO_DATA,
            first_bin_ms=first_bin_ms,
            decided_ms=clock.now_ms,
            tier=0,
            evidence=evidence,
        )
        sentence = reasons.no_data(gap_ms, evidence.sources) + reasons.marks(evidence)
        change = Change(phase="opened", at_ms=clock.now_ms, reason=sentence)
        self._episodes.tell(episode, change, clock=clock, wearer_id=self._ids[wearer])

    def _name(self, wearer: int, clock: LogClock) -> None:
        """Say once of an open episode which wearable is silent: another source is heard."""
        episode = self._episodes.open[wearer, NO_DATA]
        sources = self._missing(wearer)
        if episode.evidence.sources or not sources:
            return
        gap_ms = self._gap_ms(wearer, clock)
        episode.evidence = msgspec.structs.replace(episode.evidence, gap_s=gap_ms / 1000, sources=sources)
        sentence = reasons.no_data(gap_ms, sources) + reasons.marks(episode.evidence)
        change = Change(phase="updated", at_ms=clock.now_ms, reason=sentence)
        self._episodes.tell(episode, change, clock=clock, wearer_id=self._ids[wearer])

    def _missing(self, wearer: int) -> list[str]:
        name = SOURCE_NAMES.get(int(self.table["source"][wearer]))
        return [] if name is None else [name]

    def _gap_ms(self, wearer: int, clock: LogClock) -> int:
        awaited_ms = int(self.table["awaited_ms"][wearer])
        return clock.observed_ms - (int(self.table["heard_ms"][wearer]) if awaited_ms == NEVER else awaited_ms)

    def _back(self, wearer: int, clock: LogClock) -> None:
        episode = self._episodes.open[wearer, NO_DATA]
        gap_ms = self._gap_ms(wearer, clock)
        episode.evidence = msgspec.structs.replace(episode.evidence, gap_s=gap_ms / 1000)
        sentence = reasons.data_back(gap_ms) + reasons.marks(episode.evidence)
        change = Change(phase="ended", at_ms=clock.now_ms, reason=sentence, end_reason="recovered")
        self._episodes.tell(episode, change, clock=clock, wearer_id=self._ids[wearer])

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return the arrays."""
        return {**self.table.dump(), "look_at_ms": np.array([self._look_at_ms])}

    def load(self, arrays: dict[str, npt.NDArray[Any]], streams: Table, heard: Table) -> None:
        """Take over a dump.

        One of an earlier version does not tell wearables apart: when each was heard is then read from the roster's
        `streams` and what is kept of when each stream was `heard`.
        """
        arrays = dict(arrays)
        self._look_at_ms = int(arrays.pop("look_at_ms")[0])
        self.table.load(arrays)
        if arrays and "awaited_ms" not in arrays:
            stream_id, wearer = streams.dump()["stream_id"], streams.dump()["wearer"]
            wearable = _AWAITED[stream_id & 255] & (wearer >= 0)
            np.maximum.at(self.table["awaited_ms"], wearer[wearable], heard.dump()["heard_ms"][wearable])
            self._look_at_ms = 0


def _last(wearer: Ints, order: Ints) -> Ints:
    """Return the last row of each wearer, of rows in the order of wearers."""
    last: Ints = order[np.append(np.diff(wearer[order]) != 0, True)[: len(order)]]
    return last


class ClockOffsets:
    """Tells of devices whose clock is over 60 s off; one episode a wearer, until that device's clock is right.

    It dates from the receipt, when the offset was seen: the readings that come with it may be an old backlog.
    """

    def __init__(self, episodes: Episodes, ids: list[bytes]) -> None:
        self._episodes = episodes
        self._ids = ids

    def check(self, wearer: Ints, readings: Readings, clock: LogClock) -> None:
        """Take the rows of a record."""
        wrong = np.abs(readings.clock_offset_ms) > TECHNICAL_MS
        is_open = self._episodes.table["tier"][wearer, CLOCK_OFFSET] >= 0
        for row in np.flatnonzero(wrong != is_open).tolist():
            slot, device = int(wearer[row]), int(readings.device[row])
            episode = self._episodes.open.get((slot, CLOCK_OFFSET))
            if wrong[row] and episode is None:
                self._open(slot, row, readings, clock)
            elif not wrong[row] and episode is not None and episode.device == device:
                change = Change(
                    phase="ended",
                    at_ms=int(readings.received_ms[row]),
                    reason=reasons.clock_right() + reasons.marks(episode.evidence),
                    end_reason="recovered",
                )
                self._episodes.tell(episode, change, clock=clock, wearer_id=self._ids[slot])

    def _open(self, wearer: int, row: int, readings: Readings, clock: LogClock) -> None:
        offset, seen_ms = int(readings.clock_offset_ms[row]), int(readings.received_ms[row])
        evidence = Evidence(
            rule="clock_offset",
            clock_offset_ms=offset,
            origin=ORIGINS[readings.origin[row]],
            injected=bool(readings.injected[row]),
        )
        episode = self._episodes.begin(
            wearer=wearer,
            condition=CLOCK_OFFSET,
            first_bin_ms=seen_ms // BIN_MS * BIN_MS,
            decided_ms=seen_ms,
            tier=0,
            evidence=evidence,
        )
        episode.device = int(readings.device[row])
        sentence = reasons.clock_wrong(offset) + reasons.marks(evidence)
        change = Change(phase="opened", at_ms=seen_ms, reason=sentence)
        self._episodes.tell(episode, change, clock=clock, wearer_id=self._ids[wearer])
