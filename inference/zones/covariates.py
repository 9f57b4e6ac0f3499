"""What besides illness may lie behind an excess: movement, one firmware, data that came late, a change of the clock.

Rows that came late are in no count. The rest is no veto but a label: whoever reads the alert is told of it. Movement
or a firmware is *likely* where most of the excess is its own and those whom it leaves out show that they are spared. It
is *possible* where they do not, be it that they are too few or that they are raised as well: a race and a panic in
which all run look the same. Late data and a change of the clock leave nobody out, so that they are never more than
possible. What is possible is named, and explains nothing away.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Final, Literal, Self, get_args

import numpy as np

from inference.slots import Bools, Ints
from inference.zones import evidence
from inference.zones.bins import DEVIATE_MOST, ClosedBin
from inference.zones.cells import around
from inference.zones.disclosure import LEAST
from inference.zones.monitor import Region
from inference.zones.scan import BINS_KEPT, MILLION
from schemas.frame import OFFSET_UNKNOWN

Label = Literal["activity", "firmware", "backfill", "clock_change"]
Grade = Literal["likely", "possible"]
LEFT_MOST: Final = 0.25
"""Movement accounts for an excess of which no more than this is left without those who exert themselves. It is the
excess that is asked, not how many move: around those who run many stand still, and in a crush many of those in distress
move. And it is asked of those who are still: where they are raised too, or too few to tell, it stays possible
(`evidence`)."""
LEFT_HALF: Final = 0.5
"""What most of an excess belongs to is possible."""
LONG_BINS: Final = 4
CALMING_BINS: Final = 12
"""Who moved in four of the last twelve bins (20 min of an hour) has not calmed down."""
CALMING_RATIO: Final = 2.0
"""Those who have not calmed down exert themselves where movement did raise them: twice the flags expected of them while
they moved, and at least half as many, for each expected one, as now. A heart that calms down is not raised anew."""
ELSEWHERE_RATIO: Final = 3.0
ELSEWHERE_RINGS: Final = 2
"""One firmware that raises three times the flags expected of it elsewhere as well is the firmware's doing. What lies
within two cells of the region is not elsewhere: that may be the same event next door."""
BACKFILL_SHARE: Final = 0.3
CLOCK_CHANGE_MS: Final = 86_400_000
CLOCK_CHANGE_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True)
class Causes:
    """What besides illness may lie behind an excess.

    Attributes:
        likely: Shown to account for it by those whom it leaves out.
        possible: Most of the excess is its own, or it fell into the time; nothing shows that illness is not behind it.
    """

    likely: tuple[Label, ...] = ()
    possible: tuple[Label, ...] = ()


@dataclass(frozen=True, slots=True)
class _Told:
    """What a bin told that labels need: sums over the rows of each cell and firmware, whole numbers.

    All but `rows` and `late` are of rows that came in time; rates and deviates are in millionths, deviates at most
    `DEVIATE_MOST`. `still` is said of those who neither move nor did for long, `calming` of those who did for long and
    do no more; `ran` of what these told in the bins of the last hour in which they moved.
    """

    cell: Ints
    firmware: Ints
    rows: Ints
    late: Ints
    flagged: Ints
    rate: Ints
    judged: Ints
    deviate: Ints
    still_flagged: Ints
    still_rate: Ints
    still_judged: Ints
    still_deviate: Ints
    calming_flagged: Ints
    calming_rate: Ints
    calming_judged: Ints
    calming_deviate: Ints
    ran_flagged: Ints
    ran_rate: Ints


@dataclass(frozen=True, slots=True)
class _Resting:
    """Who was flagged in a bin and did not move: numbers of wearers, their cells, whether they calm down (0 or 1)."""

    flagged_wearer: Ints
    flagged_cell: Ints
    flagged_calming: Ints


_COLUMNS: Final = tuple(one.name for one in fields(_Told))
_RESTING: Final = tuple(one.name for one in fields(_Resting))
_CALMING: Final = np.int64((1 << CALMING_BINS) - 1)


@dataclass(frozen=True, slots=True)
class _Movement:
    """Of each row of a bin: whether it moves or calms down; in how many of the last bins it moved, and flagged so."""

    moving: Bools
    calming: Bools
    ran: Ints
    flagged: Ints


class Moved:
    """In which of the last bins each wearer moved, and was flagged moving: a bit a bin, the newest the lowest."""

    def __init__(self) -> None:
        self._wearer: Ints = np.empty(0, dtype=np.int64)
        self._marks: Ints = np.empty(0, dtype=np.int64)
        self._flags: Ints = np.empty(0, dtype=np.int64)

    def take(self, closed: ClosedBin) -> _Movement:
        """Take the next bin, of each wearer one row; return how each row moved."""
        moving = closed.moving & ~closed.backfill
        wearers = np.union1d(self._wearer, closed.wearer[moving])
        marks, flags = np.zeros((2, len(wearers)), dtype=np.int64)
        before, now = np.searchsorted(wearers, self._wearer), np.searchsorted(wearers, closed.wearer[moving])
        marks[before], flags[before] = self._marks << 1 & _CALMING, self._flags << 1 & _CALMING
        marks[now] |= 1
        flags[now] |= closed.flag[moving]
        stay = marks != 0
        self._wearer, self._marks, self._flags = wearers[stay], marks[stay], flags[stay]
        return self._movement(closed)

    def _movement(self, closed: ClosedBin) -> _Movement:
        ran, flagged = np.zeros((2, len(closed.wearer)), dtype=np.int64)
        if len(self._wearer):
            place = np.minimum(np.searchsorted(self._wearer, closed.wearer), len(self._wearer) - 1)
            known = self._wearer[place] == closed.wearer
            ran[known] = np.bitwise_count(self._marks[place[known]])
            flagged[known] = np.bitwise_count(self._flags[place[known]])
        return _Movement(closed.moving, ~closed.moving & (ran >= LONG_BINS), ran, flagged)

    def dump(self) -> dict[str, Ints]:
        """Return the state."""
        return {"moved_wearer": self._wearer, "moved_marks": self._marks, "moved_flags": self._flags}

    @classmethod
    def load(cls, state: Mapping[str, Ints]) -> Self:
        """Return what `dump` returned as it was."""
        found = cls()
        found._wearer, found._marks = np.array(state["moved_wearer"]), np.array(state["moved_marks"])
        found._flags = np.array(state["moved_flags"])
        return found


class Recent:
    """What was told in the last two hours, and when the wearers' offset from UTC last changed."""

    def __init__(self) -> None:
        self._bins: list[_Told] = []
        self._resting: list[_Resting] = []
        self._moved = Moved()
        self._offset_min: int | None = None
        self._changed_ms: int | None = None

    def take(self, closed: ClosedBin) -> None:
        """Take the next bin."""
        movement = self._moved.take(closed)
        self._bins = [_told(closed, movement), *self._bins][:BINS_KEPT]
        self._resting = [_resting(closed, movement), *self._resting][:BINS_KEPT]
        known = closed.offset_min[closed.offset_min != OFFSET_UNKNOWN]
        if len(known) < max(LEAST, CLOCK_CHANGE_SHARE * len(closed.offset_min)):
            return  # few travel, and an hour's difference of theirs is nobody else's
        values, counts = np.unique(known, return_counts=True)
        offset = int(values[counts.argmax()])
        if counts.max() < CLOCK_CHANGE_SHARE * len(known):
            return
        if self._offset_min is not None and offset != self._offset_min:
            self._changed_ms = closed.start_ms
        self._offset_min = offset

    def causes(self, region: Region, now_ms: int) -> Causes:
        """Return what may lie behind an excess.

        Movement and firmware are asked against the counts of the region's whole window. Where less of it is known, as
        after a state of an earlier layout, only some of those who contradict would be heard: neither is named.
        """
        bins = self._bins[: region.window_bins]
        whole = len(bins) == region.window_bins
        inside = [np.isin(told.cell, region.cells) for told in bins]
        here = {
            name: _sum(getattr(told, name)[rows] for told, rows in zip(bins, inside, strict=True))
            for name in _COLUMNS[2:]
        }
        rest = self._at_rest(region, here)
        by_movement = _by_count if region.test == "count" else _by_shift
        graded: dict[Label, Grade | None] = {
            "activity": by_movement(region, here, rest) if whole else None,
            "firmware": _one_firmware(region, bins, inside) if whole else None,
            "backfill": "possible" if here["rows"] and here["late"] >= BACKFILL_SHARE * here["rows"] else None,
            "clock_change": "possible" if self._clock_changed(now_ms) else None,
        }
        likely, possible = (
            tuple(label for label, found in graded.items() if found == grade) for grade in get_args(Grade)
        )
        return Causes(likely, possible)

    def _clock_changed(self, now_ms: int) -> bool:
        return self._changed_ms is not None and now_ms - self._changed_ms < CLOCK_CHANGE_MS

    def _at_rest(self, region: Region, here: Mapping[str, int]) -> dict[str, int]:
        """Return the sums of those who do not exert themselves: who is still, and who ran without being raised."""
        exerts = _exerts(here)
        found = {
            name: here[f"still_{name}"] + (0 if exerts else here[f"calming_{name}"])
            for name in ("flagged", "rate", "judged", "deviate")
        }
        flagged = [
            one.flagged_wearer[np.isin(one.flagged_cell, region.cells) & ~(exerts & (one.flagged_calming > 0))]
            for one in self._resting[: region.window_bins]
        ]
        return {**found, "people": len(np.unique(np.concatenate(flagged))) if flagged else 0}

    def dump(self) -> dict[str, Ints]:
        """Return the state."""
        known = [(-1, 0) if one is None else (1, one) for one in (self._offset_min, self._changed_ms)]
        found = {"clock": np.array(known, dtype=np.int64), **self._moved.dump()}
        found["sizes"] = np.array([len(told.cell) for told in self._bins], dtype=np.int64)
        found["resting"] = np.array([len(one.flagged_cell) for one in self._resting], dtype=np.int64)
        for names, bins in ((_COLUMNS, self._bins), (_RESTING, self._resting)):
            for name in names:
                columns = [getattr(told, name) for told in bins]
                found[name] = np.concatenate(columns) if columns else np.empty(0, dtype=np.int64)
        return found

    @classmethod
    def load(cls, state: Mapping[str, Ints]) -> Self:
        """Return what `dump` returned as it was; of a state of an earlier layout, without its bins."""
        found = cls()
        offset, changed = state["clock"].tolist()
        found._offset_min = offset[1] if offset[0] > 0 else None
        found._changed_ms = changed[1] if changed[0] > 0 else None
        if not state.keys() >= {*_COLUMNS, *_RESTING}:
            return found
        found._moved = Moved.load(state)
        found._bins = [_Told(*one) for one in _split(state, _COLUMNS, state["sizes"])]
        found._resting = [_Resting(*one) for one in _split(state, _RESTING, state["resting"])]
        return found


def _split(state: Mapping[str, Ints], names: tuple[str, ...], sizes: Ints) -> list[tuple[Ints, ...]]:
    """Return the columns of each bin."""
    pieces = [np.split(state[name], np.cumsum(sizes)[:-1]) for name in names]
    return list(zip(*pieces, strict=True))[: len(sizes)]


def _told(closed: ClosedBin, movement: _Movement) -> _Told:
    cells, cell = np.unique(closed.cell, return_inverse=True)
    firmwares, firmware = np.unique(closed.firmware, return_inverse=True)
    pairs, place = np.unique(cell * max(len(firmwares), 1) + firmware, return_inverse=True)
    live = ~closed.backfill
    judged = live & ~np.isnan(closed.deviate)
    deviate = np.clip(np.where(judged, closed.deviate, 0.0), -DEVIATE_MOST, DEVIATE_MOST)
    rate = np.round(np.where(live, closed.rate, 0.0) * MILLION)
    in_time = (closed.flag & live, rate, judged, np.round(deviate * MILLION))
    calming = movement.calming
    still = ~movement.moving & ~calming
    weights = (
        np.ones(len(closed.cell)),
        closed.backfill,
        *in_time,
        *(weight * still for weight in in_time),
        *(weight * calming for weight in in_time),
        movement.flagged * (calming & live),
        movement.ran * calming * rate,
    )
    sums = [np.bincount(place, weights=weight, minlength=len(pairs)).astype(np.int64) for weight in weights]
    return _Told(cells[pairs // max(len(firmwares), 1)], firmwares[pairs % max(len(firmwares), 1)], *sums)


def _resting(closed: ClosedBin, movement: _Movement) -> _Resting:
    rows = closed.flag & ~closed.backfill & ~movement.moving
    return _Resting(closed.wearer[rows], closed.cell[rows], movement.calming[rows].astype(np.int64))


def _exerts(here: Mapping[str, int]) -> bool:
    """Return whether movement raised those who calm down, and they are not raised anew."""
    now, then = here["calming_flagged"] * here["ran_rate"], here["ran_flagged"] * here["calming_rate"]
    raised = here["ran_flagged"] * MILLION >= CALMING_RATIO * here["ran_rate"]
    return raised and then * CALMING_RATIO >= now


def _by_count(region: Region, here: Mapping[str, int], rest: Mapping[str, int]) -> Grade | None:
    """Return whether those who exert themselves account for a count, and whether those who are still say so."""
    if not (here["flagged"] and here["rate"]):
        return None
    flags = region.flags * rest["flagged"] / here["flagged"]
    expected = region.expected * rest["rate"] / here["rate"]
    by = region.flags / region.expected
    shown = evidence.none_raised(rest["people"], expected, by=by, factor=region.factor)
    return _grade((flags - expected) / (region.flags - region.expected), shown=shown)


def _by_shift(region: Region, here: Mapping[str, int], rest: Mapping[str, int]) -> Grade | None:
    """Return whether those who exert themselves account for a common shift, and whether those who are still say so."""
    if not here["judged"]:
        return None
    usual = here["deviate"] / MILLION - region.mean_shift * here["judged"]
    left = rest["deviate"] / MILLION - usual * rest["judged"] / here["judged"]
    shown = evidence.none_shifted(left, rest["judged"], by=region.mean_shift, factor=region.factor)
    return _grade(left / (region.mean_shift * here["judged"]), shown=shown)


def _one_firmware(region: Region, bins: list[_Told], inside: list[Bools]) -> Grade | None:
    """Return whether one firmware accounts for the flags and spares others, and whether it raises too many elsewhere.

    What everybody there has accounts for nothing: it is not asked before others show that they are spared.
    """
    here = _by_firmware(bins, inside)
    whole = np.array(list(here.values())).sum(axis=0) if here else np.zeros(2)
    if not (whole[1] and region.flags > region.expected > 0):
        return None
    # What is usual at this hour, as the region's expectation has it.
    usual = region.expected / whole[1]
    excess = {firmware: flags - usual * rate for firmware, (flags, rate) in here.items()}
    named = [firmware for firmware in excess if firmware >= 0]
    more = math.fsum(excess.values())
    common = min(named, key=lambda firmware: (-excess[firmware], firmware), default=None)
    if common is None or more <= 0.0:
        return None
    flags, rate = np.array([here[one] for one in named if one != common]).reshape(-1, 2).sum(axis=0).tolist()
    by = whole[0] / (usual * whole[1])
    if not evidence.spared(flags, usual * rate, by=by):
        return None
    left = (more - excess[common]) / more
    if left > LEFT_HALF:
        return None
    near = around(region.cells, ELSEWHERE_RINGS)
    far = [~np.isin(told.cell, near) & (told.firmware == common) for told in bins]
    flags, rate = _by_firmware(bins, far).get(common, (0.0, 0.0))
    shown = evidence.raised(flags, usual * rate) and flags >= ELSEWHERE_RATIO * usual * rate
    return _grade(left, shown=shown)


def _grade(left: float, *, shown: bool) -> Grade | None:
    """Return how sure a cause is without which this share of the excess is left, and others show it or do not."""
    if shown and left <= LEFT_MOST:
        return "likely"
    return "possible" if left <= LEFT_HALF else None


def _by_firmware(bins: list[_Told], rows: list[Bools]) -> dict[int, tuple[float, float]]:
    """Return the flags of each firmware in these rows of the bins, and its expected ones before the hour is known."""
    found: dict[int, tuple[float, float]] = {}
    for told, here in zip(bins, rows, strict=True):
        columns = (told.firmware[here].tolist(), told.flagged[here].tolist(), told.rate[here].tolist())
        for firmware, flags, rate in zip(*columns, strict=True):
            before = found.get(firmware, (0.0, 0.0))
            found[firmware] = (before[0] + flags, before[1] + rate / MILLION)
    return found


def _sum(parts: Iterable[Ints]) -> int:
    return sum(int(part.sum()) for part in parts)
