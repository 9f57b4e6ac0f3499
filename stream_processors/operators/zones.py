"""Follows the whole area and its zones: from scores of all partitions to what is told of each zone and its episodes.

Each closed bin gives one status a zone, whether anybody reports or not. Which bins close, and what is told of them,
follows from the partitions' records alone, however they lie between one another. Only that a partition is behind is
told as it is seen: such a status lies between those of two bins and changes nothing of them.
"""

from collections.abc import Iterable, Mapping
from typing import Final

import msgspec
import numpy as np

from inference.slots import NEVER, Ints
from inference.zones.bins import ClosedBin
from inference.zones.covariates import Recent
from inference.zones.monitor import Monitor, Region
from inference.zones.scan import BINS_KEPT
from schemas.scores import ScoreFrame
from schemas.zones import AREA, AREA_NAME, BIN_MS, CellStatus, State, ZoneStatus
from stream_processors.operators.packing import pack, unpack
from stream_processors.operators.zone_alarms import ZoneAlarms
from stream_processors.operators.zone_bins import GRACE_MS, ZoneBins
from stream_processors.operators.zone_partition import FixedPartition
from stream_processors.operators.zone_standing import Sight, Standing, cell_status, describe
from stream_processors.operators.zone_told import EARLIER, FORMAT, Definition, Told

BACK_MS: Final = 30_000
"""A partition that was told to be behind is back when it is no more than this behind."""
STATUSES_A_BIN: Final = 1_000
"""Revisions between two bins: the bin's own is a multiple of it."""
HOUR_MS: Final = 3_600_000
_CELL: Final = "cell."


class _Facts(msgspec.Struct, kw_only=True):
    """What the state holds besides arrays."""

    zones: dict[str, Definition] = {}
    next_ms: int = NEVER
    empty: int = BINS_KEPT
    asides: int = 0
    behind: bool = False
    last: dict[str, ZoneStatus] = {}
    news: list[str] = []


class Zones:
    """The state of one area."""

    def __init__(self, partitions: int) -> None:
        self.bins = ZoneBins(partitions)
        self._monitor = Monitor()
        self._recent = Recent()
        self._alarms = ZoneAlarms()
        self._partition = FixedPartition()
        self._facts = _Facts()
        self._first_ms: Ints = np.full(partitions, NEVER, dtype=np.int64)

    @property
    def definitions(self) -> Mapping[str, Definition]:
        """The named zones that are followed."""
        return self._facts.zones

    def take(self, partition: int, scores: ScoreFrame) -> Told:
        """Take one record of `scores.v1`; return what it leads to."""
        told = Told()
        if self._first_ms[partition] == NEVER:
            self._first_ms[partition] = scores.clock_ms
        closed = {one.start_ms: one for one in self.bins.take(partition, scores)}
        clock_ms = int(self.bins.clocks.min())
        if clock_ms == NEVER:
            return told
        if self._facts.next_ms == NEVER:
            self._begin()
        self._tell_news(told)
        before_ms = self._facts.next_ms
        while self._facts.next_ms + BIN_MS + GRACE_MS <= clock_ms:
            self._close(self._facts.next_ms, closed.get(self._facts.next_ms), told)
            self._facts.next_ms += BIN_MS
            self._facts.asides = 0
        self._tell_behind(told, closed=self._facts.next_ms > before_ms)
        return told

    def define(self, definitions: Iterable[Definition]) -> None:
        """Follow these named zones from the next bin on; what changed is told with the next record."""
        wanted = {one.zone_id: one for one in sorted(definitions, key=lambda one: one.zone_id)}
        facts, before = self._facts, self._facts.zones
        for zone_id, one in wanted.items():
            if zone_id not in before or before[zone_id].cells != one.cells:
                self._monitor.zone_days.pop(zone_id, None)
        changed = {zone_id for zone_id in {*before, *wanted} if before.get(zone_id) != wanted.get(zone_id)}
        facts.news = sorted({*facts.news, *changed})
        facts.zones = wanted

    def dump(self) -> bytes:
        """Return the state as bytes; equal states give equal bytes."""
        wearers, gathered = self.bins.dump()
        parts = {"bins": gathered, "monitor": self._monitor.dump(), "recent": self._recent.dump()}
        arrays = {f"{part}:{name}": array for part, found in parts.items() for name, array in found.items()}
        blobs = {
            "wearers": b"".join(wearers),
            "alarms": self._alarms.dump(),
            "partition": self._partition.dump(),
            "facts": msgspec.json.encode(self._facts, order="deterministic"),
        }
        return pack(FORMAT, scalars={}, blobs=blobs, arrays=arrays | {"first_ms:": self._first_ms})

    def load(self, data: bytes) -> None:
        """Become what `dump` told of.

        Raises:
            ContractError: Not such bytes, or of another version.
        """
        _, blobs, arrays = unpack((FORMAT, *EARLIER), data)
        parts: dict[str, dict[str, Ints]] = {}
        for name, array in arrays.items():
            part, _, rest = name.partition(":")
            parts.setdefault(part, {})[rest] = array
        ids = blobs["wearers"]
        self.bins.load([ids[at : at + 16] for at in range(0, len(ids), 16)], parts["bins"])
        self._monitor = Monitor.load(parts["monitor"])
        self._recent = Recent.load(parts["recent"])
        self._alarms = ZoneAlarms.load(blobs["alarms"])
        self._partition = FixedPartition.load(blobs["partition"])
        self._facts = msgspec.json.decode(blobs["facts"], type=_Facts)
        self._first_ms = parts["first_ms"][""]

    # A bin.

    def _begin(self) -> None:
        """Take the first bin that no partition's clock had passed when it was first heard of."""
        self._facts.next_ms = (int(self._first_ms.min()) - GRACE_MS) // BIN_MS * BIN_MS

    def _close(self, start_ms: int, closed: ClosedBin | None, told: Told) -> None:
        facts = self._facts
        if closed is None and start_ms + BIN_MS <= int(self._first_ms.min()):
            return  # Over before anything was heard: nothing is known of it.
        facts.empty = 0 if closed is not None else facts.empty + 1
        if facts.empty > BINS_KEPT:
            self._tell_nobody(start_ms, told)
            return
        one = closed if closed is not None else _nobody(start_ms)
        if closed is not None:
            self._partition.take(start_ms, one.cell[~one.backfill])
        followed = {zone_id: np.array(zone.cells, dtype=np.int64) for zone_id, zone in facts.zones.items()}
        known = np.union1d(self._monitor.discs.cells, one.cell)
        place = self._partition.places(known)
        for at, cell in enumerate(self._partition.cells().tolist()):
            followed[f"{_CELL}{cell:x}"] = known[place == at]
        self._recent.take(one)
        regions, by_zone = self._monitor.close(one, followed)
        standing = Standing(self._monitor, self._recent, one)
        cells = self._cells(standing, by_zone, followed)
        best = max(regions, key=lambda region: region.recurrence_days, default=None)
        area = standing.area(AREA, AREA_NAME, regions, self._rolled(best, cells))
        self._tell(standing, area, told, version=self._partition.number, cells=cells)
        for zone_id, zone in facts.zones.items():
            sight = standing.zone(zone_id, zone.name, by_zone[zone_id], cells=followed[zone_id], followed=zone_id)
            self._tell(standing, sight, told, version=zone.version)

    def _tell_nobody(self, start_ms: int, told: Told) -> None:
        """Tell that nobody has reported for hours: of the area in every bin, of each zone at full hours."""
        standing = Standing(self._monitor, self._recent, _nobody(start_ms))
        cells = tuple(
            CellStatus(cell=f"{cell:x}", level="too_few_wearers") for cell in self._partition.cells().tolist()
        )
        area = standing.area(AREA, AREA_NAME, [], ())
        self._tell(standing, area, told, version=self._partition.number, cells=cells)
        if start_ms % HOUR_MS:
            return
        for zone_id, zone in self._facts.zones.items():
            sight = standing.zone(zone_id, zone.name, [], cells=_nobody(start_ms).cell, followed=zone_id)
            self._tell(standing, sight, told, version=zone.version)

    def _tell(
        self,
        standing: Standing,
        sight: Sight,
        told: Told,
        *,
        version: int,
        cells: tuple[CellStatus, ...] | None = None,
    ) -> None:
        told.episodes.extend(self._alarms.judge(sight, standing))
        status = describe(
            sight,
            version=version,
            revision=sight.bin_ms // BIN_MS * STATUSES_A_BIN,
            active=self._alarms.active(sight.zone_id),
            causes=standing.causes,
        )
        self._keep(msgspec.structs.replace(status, cells=cells), told)

    def _cells(
        self, standing: Standing, by_zone: Mapping[str, list[Region]], followed: Mapping[str, Ints]
    ) -> tuple[CellStatus, ...]:
        """Return what is told of the fixed partition."""
        shown = self._partition.cells()
        place = self._partition.places(standing.cell)
        active = np.bincount(place[place >= 0], minlength=len(shown)).astype(np.int64)
        flagged = np.bincount(place[(place >= 0) & standing.flag], minlength=len(shown)).astype(np.int64)
        counts = self._partition.disclosed(active, flagged)
        found: list[CellStatus] = []
        for at, cell in enumerate(shown.tolist()):
            key = f"{_CELL}{cell:x}"
            sight = standing.zone(f"{cell:x}", "", by_zone[key], cells=followed[key], followed=key)
            found.append(cell_status(sight, active=int(counts.active[at]), flagged=int(counts.flagged[at])))
        return tuple(found)

    def _rolled(self, region: Region | None, cells: tuple[CellStatus, ...]) -> tuple[str, ...]:
        """Return the shown cells that a region lies in."""
        if region is None:
            return ()
        places = np.unique(self._partition.places(region.cells))
        return tuple(cells[at].cell for at in places[places >= 0].tolist() if cells[at].active is not None)

    # Between bins.

    def _keep(self, status: ZoneStatus, told: Told) -> None:
        self._facts.last[status.zone_id] = status
        told.statuses.append(status)

    def _revision(self) -> int:
        """Return the revision of what is told after the newest bin."""
        return (self._facts.next_ms // BIN_MS - 1) * STATUSES_A_BIN + self._facts.asides

    def _tell_news(self, told: Told) -> None:
        """Tell of zones that are no more; a new one is told of with its first bin."""
        facts = self._facts
        if not facts.news:
            return
        facts.asides = min(facts.asides + 1, STATUSES_A_BIN - 1)
        for zone_id in facts.news:
            if zone_id not in facts.zones:
                told.episodes.extend(self._alarms.withdraw(zone_id, bin_ms=facts.next_ms - BIN_MS))
                facts.last.pop(zone_id, None)
                told.gone.append(zone_id)
        facts.news = []

    def _tell_behind(self, told: Told, *, closed: bool) -> None:
        """Tell once that a partition is behind, again with each bin while it is, and once that it is so no more."""
        facts, clocks = self._facts, self.bins.clocks
        behind_ms = int(clocks.max() - clocks.min())
        behind = behind_ms > BACK_MS if facts.behind else bool(self.bins.stalled())
        if behind == facts.behind and not (behind and closed):
            return
        facts.behind = behind
        if facts.asides >= STATUSES_A_BIN - 1:
            return
        facts.asides += 1
        state: State = "delayed" if behind else "ok"
        for status in facts.last.values():
            now = state if status.state == "ok" or behind else status.state
            told.statuses.append(msgspec.structs.replace(status, state=now, revision=self._revision()))


def _nobody(start_ms: int) -> ClosedBin:
    whole, truth = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.bool_)
    return ClosedBin(
        start_ms=start_ms,
        wearer=whole,
        cell=whole,
        flag=truth,
        rate=np.empty(0),
        deviate=np.empty(0),
        moving=truth,
        firmware=whole,
        backfill=truth,
        offset_min=whole,
    )
