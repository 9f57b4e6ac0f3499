"""Gathers scored bins of 5 s of all partitions into closed bins of five minutes, one row a wearer, for the zones.

A bin closes when the smallest clock that the writers of all partitions carry is two minutes past its end. What comes
after the clock of its own partition has passed that is counted as late and scored no more, whether others are behind or
not. A scored bin counts once however often it comes, and sums are of whole numbers: however the partitions' records lie
between one another, and however often they come, the closed bins are the same, bit for bit.

Who is not watched is not there: a wearer of whom nothing is expected yet raises no flag and has no deviate, and would
only make a blind zone look calm.
"""

import zlib
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from inference.slots import NEVER, Bools, Column, Floats, Ints, Table
from inference.zones.bins import ClosedBin
from schemas.frame import OFFSET_UNKNOWN, Frame
from schemas.scores import BIN_MS, ScoreFrame

ZONE_BIN_MS: Final = 300_000
GRACE_MS: Final = 120_000
STALLED_MS: Final = 60_000
"""A partition whose clock is so far behind the newest holds everything up, and the status says so."""
FORGET_MS: Final = 86_400_000
_PARTS: Final = ZONE_BIN_MS // BIN_MS
_MILLION: Final = 1e6
_DEVIATE: Final = "z_heart_rate"
"""Of a common shift only the heart rate tells: everybody's device measures it."""
_READ: Final = ("wearer", "bin", "tier0", "tier0_rate", "worn", "at_rest", "cell", "firmware", "readings", "backfill",
                "utc_offset_min", _DEVIATE)  # fmt: skip
_GATHER_ROWS: Final = 4_000
_GATHER_FRAMES: Final = 256
"""So much waits until it is gathered at once: most of what a small frame costs does not depend on its rows."""


class _Open:
    """One open bin: what was heard of each wearer slot."""

    def __init__(self) -> None:
        self.table = Table({
            "parts": Column("i8", 0),
            "flags": Column("i8", 0),
            "rate": Column("i8", 0),
            "rated": Column("i8", 0),
            "deviates": Column("i8", 0),
            "judged": Column("i8", 0),
            "moving": Column("i8", 0),
            "late": Column("i8", 0),
            "firmware": Column("i8", -1),
            "offset_min": Column("i8", 0),
            "cell": Column("i8", 0),
            "told_ms": Column("i8", NEVER),
        })  # fmt: skip


class ZoneBins:
    """All partitions' scores of the last minutes, by wearer."""

    def __init__(self, partitions: int) -> None:
        self.clocks: Ints = np.full(partitions, NEVER, dtype=np.int64)
        self.late = 0
        self._slots: dict[bytes, int] = {}
        self._heard_ms = Table({"heard_ms": Column("i8", NEVER)})
        self._open: dict[int, _Open] = {}
        self._waiting: list[tuple[int, Frame]] = []
        self._rows = 0
        self._passed = NEVER

    def take(self, partition: int, scores: ScoreFrame) -> list[ClosedBin]:
        """Take one record of `scores.v1`; return the bins that it closes, in order of time."""
        clock_ms = int(self.clocks[partition])
        if not scores.frame.absent("cell"):
            self._waiting.append((clock_ms if clock_ms > NEVER else scores.clock_ms, scores.frame))
            self._rows += scores.rows
        self.clocks[partition] = max(clock_ms, scores.clock_ms)
        passed = (int(self.clocks.min()) - GRACE_MS) // ZONE_BIN_MS
        if passed == self._passed and self._rows < _GATHER_ROWS and len(self._waiting) < _GATHER_FRAMES:
            return []
        self._passed = passed
        self._gather()
        return self._close()

    def reached(self) -> dict[int, int]:
        """Return each partition's clock; where one was never heard of, when the oldest bin that waits for it began."""
        oldest_ms = min(self._open, default=NEVER)
        told = np.where(self.clocks > NEVER, self.clocks, oldest_ms)
        return {number: clock_ms for number, clock_ms in enumerate(told.tolist()) if clock_ms > NEVER}

    def stalled(self) -> list[int]:
        """Return the partitions that are a minute behind the newest clock."""
        newest = int(self.clocks.max())
        behind: list[int] = np.flatnonzero(self.clocks < newest - STALLED_MS).tolist()
        return behind

    def _gather(self) -> None:
        """Add up what waits; what came too late is counted only now."""
        if not self._waiting:
            return
        frame = _joined([frame for _, frame in self._waiting])
        clock_ms = np.repeat([clock_ms for clock_ms, _ in self._waiting], [frame.rows for _, frame in self._waiting])
        self._waiting, self._rows = [], 0
        cells = frame.integers("cell").view(np.int64)
        rows = np.flatnonzero((cells != 0) & (frame.booleans("worn") | ~frame.known("worn")))
        if len(rows) == 0:
            return
        start_ms = frame.integers("bin")[rows] // 1000
        bin_ms = start_ms // ZONE_BIN_MS * ZONE_BIN_MS
        late = bin_ms + ZONE_BIN_MS + GRACE_MS <= clock_ms[rows]
        self.late += int(late.sum())
        slots = self._placed(frame, rows)
        columns = _columns(frame, rows) | {"cell": cells[rows]}
        for one in np.unique(bin_ms[~late]).tolist():
            here = np.flatnonzero((bin_ms == one) & ~late)
            kept = {name: column[here] for name, column in columns.items()}
            self._add(one, slots[here], start_ms[here], kept)

    def _placed(self, frame: Frame, rows: Ints) -> Ints:
        """Return the slot of each row's wearer; slots are given in the order of the rows, however they were joined."""
        ids, index = frame.ids("wearer")
        used, first, place = np.unique(index[rows], return_index=True, return_inverse=True)
        found = np.empty(len(used), dtype=np.int64)
        for at in np.argsort(first).tolist():
            found[at] = self._slots.setdefault(ids[used[at]], len(self._slots))
        self._heard_ms.extend(len(self._slots))
        slots: Ints = found[place]
        return slots

    def _add(self, bin_ms: int, slots: Ints, start_ms: Ints, columns: dict[str, Ints]) -> None:
        table = self._open.setdefault(bin_ms, _Open()).table
        table.extend(len(self._slots))
        part = (start_ms - bin_ms) // BIN_MS
        _, first = np.unique(slots * _PARTS + part, return_index=True)
        fresh = first[(table["parts"][slots[first]] >> part[first]) & 1 == 0]
        if len(fresh) == 0:
            return
        slots, start_ms, part = slots[fresh], start_ms[fresh], part[fresh]
        columns = {name: column[fresh] for name, column in columns.items()}
        np.bitwise_or.at(table["parts"], slots, np.int64(1) << part)
        for name in ("flags", "rate", "rated", "deviates", "judged", "moving", "late"):
            np.add.at(table[name], slots, columns[name])
        order = np.lexsort((start_ms, slots))
        newest = order[np.append(np.diff(slots[order]) != 0, True)]
        newest = newest[start_ms[newest] > table["told_ms"][slots[newest]]]
        for name in ("firmware", "offset_min", "cell"):
            table[name][slots[newest]] = columns[name][newest]
        table["told_ms"][slots[newest]] = start_ms[newest]
        np.maximum.at(self._heard_ms["heard_ms"], slots, start_ms)

    def _close(self) -> list[ClosedBin]:
        clock_ms = int(self.clocks.min())
        due = sorted(one for one in self._open if one + ZONE_BIN_MS + GRACE_MS <= clock_ms)
        closed = [self._closed(one, self._open.pop(one).table) for one in due]
        if due:
            self._forget(due[-1])
        return closed

    def _closed(self, bin_ms: int, table: Table) -> ClosedBin:
        slots = np.flatnonzero(_watched(table) | _came_late(table))
        halves = self._halves()[slots]
        order = np.lexsort(halves.T[::-1])
        slots, halves = slots[order], halves[order]
        parts = {name: table[name][slots] for name in ("flags", "judged", "deviates", "moving", "parts")}
        count = _bits(parts["parts"])
        judged = parts["judged"] > 0
        deviate = np.divide(
            parts["deviates"] / _MILLION, parts["judged"], where=judged, out=np.full(len(slots), np.nan)
        )
        return ClosedBin(
            start_ms=bin_ms,
            wearer=(halves[:, 0] ^ halves[:, 1]).view(np.int64),
            cell=table["cell"][slots],
            flag=parts["flags"] > 0,
            rate=table["rate"][slots] / count / _MILLION,
            deviate=deviate,
            moving=2 * parts["moving"] > count,
            firmware=table["firmware"][slots],
            backfill=_came_late(table)[slots],
            offset_min=table["offset_min"][slots],
        )

    def _halves(self) -> npt.NDArray[np.uint64]:
        """Return the wearers' ids by slot as two big-endian halves, whose order is that of the ids, shape (n, 2)."""
        return np.frombuffer(b"".join(self._slots), dtype=">u8").reshape(-1, 2).astype(np.uint64)

    def _forget(self, bin_ms: int) -> None:
        """Forget wearers of whom nothing was heard for a day; open bins keep theirs."""
        heard = self._heard_ms["heard_ms"]
        stay = {wearer: slot for wearer, slot in self._slots.items() if heard[slot] >= bin_ms - FORGET_MS}
        if 2 * len(stay) > len(self._slots):
            return
        old = np.array(list(stay.values()), dtype=np.int64)
        self._slots = {wearer: number for number, wearer in enumerate(stay)}
        kept = Table({"heard_ms": Column("i8", NEVER)})
        kept.extend(len(old))
        kept["heard_ms"][: len(old)] = heard[old]
        self._heard_ms = kept
        for opened in self._open.values():
            opened.table = _taken(opened.table, old)

    def dump(self) -> tuple[list[bytes], dict[str, npt.NDArray[Any]]]:
        """Return the wearers by slot, and the state as arrays."""
        self._gather()
        found: dict[str, npt.NDArray[Any]] = {
            "clocks": self.clocks,
            "scalars": np.array([self.late], dtype=np.int64),
            "heard_ms": self._heard_ms.dump()["heard_ms"],
        }
        for bin_ms, opened in sorted(self._open.items()):
            found |= {f"open.{bin_ms}/{name}": column for name, column in opened.table.dump().items()}
        return list(self._slots), found

    def load(self, wearers: list[bytes], state: dict[str, npt.NDArray[Any]]) -> None:
        """Become what `dump` told of."""
        self.clocks = np.array(state["clocks"])
        self.late = int(state["scalars"][0])
        self._slots = {wearer: slot for slot, wearer in enumerate(wearers)}
        self._heard_ms.load({"heard_ms": state["heard_ms"]})
        for name, column in state.items():
            part, at, of = name.partition("/")
            if at:
                opened = self._open.setdefault(int(part.removeprefix("open.")), _Open())
                opened.table.extend(len(column))
                opened.table[of][: len(column)] = column
        for bin_ms, opened in self._open.items():
            if f"open.{bin_ms}/rated" not in state:
                _rate_as_before(opened.table)


def _joined(frames: list[Frame]) -> Frame:
    """Return the rows of all frames, with the columns that are read."""
    batches = [frame.batch.select(_READ) for frame in frames]
    if len(batches) == 1:
        return Frame(batches[0])
    table = pa.Table.from_batches([batch.replace_schema_metadata(None) for batch in batches])
    return Frame(table.unify_dictionaries().combine_chunks().to_batches()[0])


def _columns(frame: Frame, rows: Ints) -> dict[str, Ints]:
    """Return what is summed of each scored bin, in whole numbers."""
    deviate = frame.floats(_DEVIATE)[rows].astype(np.float64)
    judged = ~np.isnan(deviate)
    rate = frame.floats("tier0_rate")[rows].astype(np.float64)
    rated = ~np.isnan(rate)
    texts, text = frame.texts("firmware")
    codes = np.array([*(zlib.crc32(one.encode()) for one in texts), -1], dtype=np.int64)
    return {
        "flags": (frame.booleans("tier0")[rows] & rated).astype(np.int64),
        "rate": _millionths(rate),
        "rated": rated.astype(np.int64),
        "deviates": _millionths(deviate),
        "judged": judged.astype(np.int64),
        "moving": (~frame.booleans("at_rest")[rows] & frame.known("at_rest")[rows]).astype(np.int64),
        "late": (2 * frame.integers("backfill")[rows] > frame.integers("readings")[rows]).astype(np.int64),
        "firmware": codes[text[rows]],
        "offset_min": np.where(frame.known("utc_offset_min"), frame.integers("utc_offset_min"), OFFSET_UNKNOWN)[rows],
    }


def _millionths(values: Floats) -> Ints:
    whole: Ints = np.round(np.nan_to_num(values) * _MILLION).astype(np.int64)
    return whole


def _bits(words: Ints) -> Ints:
    counted: Ints = np.bitwise_count(words).astype(np.int64)
    return counted


def _watched(table: Table) -> Bools:
    """Return of whom the flag watched most of what came, moving or not.

    No heart rate need come in these minutes: one that is measured rarely, or lost while somebody is in distress, lowers
    no flag that was raised.
    """
    found: Bools = 2 * table["rated"] > _bits(table["parts"])
    return found


def _came_late(table: Table) -> Bools:
    """Return of whom most of what came was late: it is in no count, and labels are told of it."""
    found: Bools = 2 * table["late"] > _bits(table["parts"])
    return found


def _rate_as_before(table: Table) -> None:
    """Take the rate of a bin saved by an earlier version, which knew one for the whole bin, judged or not."""
    table["rated"][:] = np.where(table["judged"] > 0, _bits(table["parts"]), 0)
    table["rate"][:] *= table["rated"]


def _taken(table: Table, slots: Ints) -> Table:
    taken = _Open().table
    inside: Bools = slots < table.rows
    taken.extend(len(slots))
    for name in table.dump():
        taken[name][np.flatnonzero(inside)] = table[name][slots[inside]]
    return taken
