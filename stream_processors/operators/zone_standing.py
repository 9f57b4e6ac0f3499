"""How a zone stands after a bin, in what may be told of it: classes and steps, never a count."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec
import numpy as np

from inference.slots import Bools, Ints
from inference.zones.bins import ClosedBin
from inference.zones.covariates import Causes, Recent
from inference.zones.disclosure import LEAST, coverage, fewest
from inference.zones.levels import level_of, recurrence_words, smallest_visible
from inference.zones.monitor import TESTS, Monitor, Region
from inference.zones.recurrence import SHIPPED_DAYS, Gumbel
from inference.zones.scan import MILLION
from schemas.zones import BIN_MS, RECURRENCE_STEPS, SHARE_STEPS, CellStatus, ZoneStatus

BIN_MIN: Final = BIN_MS // 60_000
UNKNOWN: Final = "too few wearers to tell"
_TELLING: Final = ("elevated", "warning", "critical")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """What a bin shows of one zone, for whoever decides on it; nothing of it is told as it is.

    Attributes:
        zone_id: Which.
        name: Its name.
        bin_ms: Start of the bin.
        regions: Each test's highest region.
        wearers: Wearers who report in the zone.
        visible: Fewest flags in one bin that would be an alarm among the fewest wearers of its coverage, None where
            none would.
        region: Shown cells of the rarest region; none for a named zone.
    """

    zone_id: str
    name: str
    bin_ms: int
    regions: tuple[Region, ...]
    wearers: int
    visible: int | None
    region: tuple[str, ...] = ()

    @property
    def rarest(self) -> Region | None:
        """The region that chance gives most seldom; of equals the first."""
        return max(self.regions, key=lambda one: one.recurrence_days, default=None)


class Standing:
    """One closed bin, and what is known of the area after it."""

    def __init__(self, monitor: Monitor, recent: Recent, closed: ClosedBin) -> None:
        """`monitor` and `recent` have taken the bin; rows that came late are in no count."""
        live = ~closed.backfill
        self.bin_ms = closed.start_ms
        self.cell: Ints = closed.cell[live]
        self.flag: Bools = closed.flag[live]
        self._monitor = monitor
        self._recent = recent

    def active(self, cells: Ints | None) -> int:
        """Return how many wearers report in these cells, everywhere for None."""
        return len(self.cell) if cells is None else int(np.isin(self.cell, cells).sum())

    def causes(self, region: Region) -> Causes:
        """Return what besides illness may lie behind a region."""
        return self._recent.causes(region, self.bin_ms)

    def visible(self, law: Gumbel, cells: Ints | None, wearers: int) -> int | None:
        """Return the fewest flags of one bin in these cells that would be an alarm, None where none would."""
        if wearers < LEAST:
            return None
        bins, discs = self._monitor.bins[0], self._monitor.discs
        here = bins if cells is None else bins[discs.places(np.intersect1d(cells, discs.cells))]
        # As for the fewest wearers of its coverage, which tells no more of how many there are.
        least = fewest(wearers)
        expected = float(here[:, 1].sum()) / MILLION * least / wearers
        factor = float(self._monitor.scatter["count"].factor(np.array([expected]))[0])
        threshold = law.threshold(SHIPPED_DAYS * len(TESTS))
        return smallest_visible(expected, threshold=threshold, factor=factor, wearers=least)

    def area(self, zone_id: str, name: str, regions: list[Region], region: tuple[str, ...]) -> Sight:
        """Return what the bin shows of the whole area; `region` are the shown cells of its rarest region."""
        wearers = self.active(None)
        visible = self.visible(self._monitor.days["count"].law, None, wearers)
        return Sight(
            zone_id=zone_id,
            name=name,
            bin_ms=self.bin_ms,
            regions=tuple(regions),
            wearers=wearers,
            visible=visible,
            region=region,
        )

    def zone(self, zone_id: str, name: str, regions: list[Region], *, cells: Ints, followed: str) -> Sight:
        """Return what the bin shows of some cells, which the monitor follows under the name `followed`."""
        wearers = self.active(cells)
        days = self._monitor.zone_days.get(followed)
        visible = None if days is None else self.visible(days["count"].law, cells, wearers)
        return Sight(
            zone_id=zone_id, name=name, bin_ms=self.bin_ms, regions=tuple(regions), wearers=wearers, visible=visible
        )


def recurrence_step(days: float) -> float | None:
    """Return the highest step that an interval reaches, None under the first."""
    reached = [step for step in RECURRENCE_STEPS if days >= step]
    return reached[-1] if reached else None


def share_step(visible: int | None, wearers: int) -> float | None:
    """Return the lowest step that is at least the share of the wearers who would be seen, None where none is."""
    share = math.inf if visible is None else visible / max(wearers, 1)
    return next((step for step in SHARE_STEPS if share <= step), None)


def describe(
    sight: Sight, *, version: int, revision: int, active: int, causes: Callable[[Region], Causes]
) -> ZoneStatus:
    """Return what is told of a zone; of one with too few wearers only that and what it could see."""
    status = ZoneStatus(
        zone_id=sight.zone_id,
        name=sight.name,
        version=version,
        revision=revision,
        bin_ms=sight.bin_ms,
        state="ok",
        level="too_few_wearers",
        coverage="too_few",
        recurrence=UNKNOWN,
        active_episodes=active,
    )
    if sight.wearers < LEAST:
        return status
    best = sight.rarest
    days = 0.0 if best is None else best.recurrence_days
    level, step = level_of(days, wearers=fewest(sight.wearers), visible=sight.visible), recurrence_step(days)
    told = msgspec.structs.replace(
        status,
        level=level,
        coverage=coverage(sight.wearers),
        smallest_visible=share_step(sight.visible, fewest(sight.wearers)),
    )
    if level == "too_few_wearers":
        return told
    told = msgspec.structs.replace(told, recurrence=recurrence_words(days))
    if best is None or step is None:
        return told
    window_min = best.window_bins * BIN_MIN
    told = msgspec.structs.replace(told, recurrence_days=step, test=best.test, window_min=window_min)
    if level not in _TELLING:
        return told
    found = causes(best)
    return msgspec.structs.replace(told, labels=found.likely, possible=found.possible, region=sight.region)


def cell_status(sight: Sight, *, active: int, flagged: int) -> CellStatus:
    """Return what is told of a cell of the fixed partition; -1 is hidden, and with the wearers the level is."""
    if active < 0:
        return CellStatus(cell=sight.zone_id, level="too_few_wearers")
    days = 0.0 if sight.rarest is None else sight.rarest.recurrence_days
    level = level_of(days, wearers=fewest(sight.wearers), visible=sight.visible)
    return CellStatus(cell=sight.zone_id, level=level, active=active, flagged=None if flagged < 0 else flagged)
