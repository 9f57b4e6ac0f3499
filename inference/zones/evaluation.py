"""What the zones are worth, at the level of scores: alarms of a clean year, and what is seen of an event.

All of it is simulated (`city`), and says so: there is no public recording of a community in distress.
"""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from scipy.stats import chi2

from inference.slots import Ints
from inference.zones.bins import ClosedBin
from inference.zones.city import BINS_A_DAY, City, CityPlan
from inference.zones.monitor import TESTS, Monitor, Region
from inference.zones.recurrence import REST_BINS, SHIPPED_DAYS

JUDGED_DAYS: Final = 7.0
"""The threshold that the clean year is judged at: once a week."""
ACTIVE: Final = (20, 50, 100, 200, 500)
EXTRA: Final = (0.02, 0.05, 0.1, 0.15, 0.2, 0.35, 0.5)
SHIFTS: Final = (0.3, 0.5, 0.8, 1.2)

Progress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Alarms:
    """Counts alarms of the two tests together at one recurrence interval."""

    days: float
    count: int = 0
    last: int = -REST_BINS - 1

    def take(self, number: int, monitor: Monitor, regions: Sequence[Region]) -> None:
        """Take the regions of one bin."""
        if any(one.score > monitor.threshold(one.test, self.days) for one in regions):
            if number - self.last > REST_BINS:
                self.count += 1
            self.last = number


def clean_years(
    plan: CityPlan, *, years: float, learn_days: int, progress: Progress
) -> tuple[dict[str, Any], Monitor, City]:
    """Follow a city in which nothing happens, and count the alarms after `learn_days`."""
    city, monitor = City(plan), Monitor()
    alarms = {days: Alarms(days) for days in (JUDGED_DAYS, 30.0, SHIPPED_DAYS)}
    first, total = learn_days * BINS_A_DAY, round((learn_days + 365.25 * years) * BINS_A_DAY)
    for number in range(total):
        regions, _ = monitor.close(city.next()[0], {})
        if number >= first:
            for one in alarms.values():
                one.take(number, monitor, regions)
        if number % BINS_A_DAY == 0:
            progress("a clean city", number // BINS_A_DAY, total // BINS_A_DAY)
    rows = {f"{days:g}": _rate(alarms[days].count, 365.25 / days, years) for days in alarms}
    return rows, monitor, city


def _rate(alarms: int, promised: float, years: float) -> dict[str, Any]:
    """Return realised against promised alarms a year with the exact 95 % Poisson interval of their ratio."""
    expected = promised * years
    low = 0.0 if alarms == 0 else float(chi2.ppf(0.025, 2 * alarms)) / 2 / expected
    high = float(chi2.ppf(0.975, 2 * alarms + 2)) / 2 / expected
    return {
        "alarms": alarms,
        "per_year": alarms / years,
        "promised_per_year": promised,
        "ratio": alarms / expected,
        "ratio_ci95": [low, high],
    }


@dataclass(frozen=True, slots=True)
class MadeBin:
    """A made bin and whose rows it holds."""

    closed: ClosedBin
    wearers: Ints


def ahead(city: City, bins: int) -> list[MadeBin]:
    """Return the next bins of a city."""
    made = [city.next() for _ in range(bins)]
    return [MadeBin(closed, np.flatnonzero(on)) for closed, on in made]


def neighbourhood(monitor: Monitor, first: MadeBin, active: int, draw: np.random.Generator) -> Ints | None:
    """Return `active` wearers who report from one disc, the smallest that holds as many; None where none does."""
    rows = monitor.discs.places(first.closed.cell)
    here = np.bincount(rows, minlength=len(monitor.discs.cells))
    sums = monitor.discs.sums(here[:, None].astype(np.float64))[:, :, 0]
    rings = draw.permutation(np.argwhere((sums >= active) & (sums <= 2 * active)))
    if len(rings) == 0:
        return None
    ring, row = (int(at) for at in rings[0])
    inside = np.flatnonzero(np.isin(rows, monitor.discs.members(row, ring)))
    return np.sort(draw.permutation(first.wearers[inside])[:active])


def with_flags(made: MadeBin, wearers: Ints, share: float, draw: np.random.Generator) -> ClosedBin:
    """Return a bin in which the flags of a share of these wearers are raised as well."""
    raised = np.isin(made.wearers, wearers[draw.random(len(wearers)) < share])
    return replace(made.closed, flag=made.closed.flag | raised)


def _with_shift(made: MadeBin, wearers: Ints, shift: float) -> ClosedBin:
    return replace(made.closed, deviate=made.closed.deviate + shift * np.isin(made.wearers, wearers))


def _detected(monitor: Monitor, bins: Sequence[ClosedBin], cells: Ints) -> int | None:
    """Return the number of bins until an alarm whose region holds a cell of the event, None where there is none."""
    follows = copy.deepcopy(monitor)
    for number, closed in enumerate(bins, start=1):
        regions, _ = follows.close(closed, {})
        told = [one for one in regions if one.score > follows.threshold(one.test, SHIPPED_DAYS)]
        if any(np.isin(one.cells, cells).any() for one in told):
            return number
    return None


def power(
    monitor: Monitor, city: City, *, trials: int, seed: int, progress: Progress
) -> dict[str, list[dict[str, Any]]]:
    """Raise flags of a share of a neighbourhood in one bin, or shift everybody's deviate in it for an hour."""
    draw = np.random.default_rng(seed)
    seen: dict[tuple[str, int, float], list[int | None]] = {}
    for trial in range(trials):
        made = ahead(city, 12)
        for active in ACTIVE:
            wearers = neighbourhood(monitor, made[0], active, draw)
            if wearers is None:
                continue
            cells = np.unique(made[0].closed.cell[np.isin(made[0].wearers, wearers)])
            for share in EXTRA:
                event = [with_flags(made[0], wearers, share, draw)]
                seen.setdefault(("count", active, share), []).append(_detected(monitor, event, cells))
            if trial % 4 == 0:
                for shift in SHIFTS:
                    bins = [_with_shift(one, wearers, shift) for one in made]
                    seen.setdefault(("shift", active, shift), []).append(_detected(monitor, bins, cells))
        for one in made:
            monitor.close(one.closed, {})
        progress("events", trial + 1, trials)
    return {test: [_power_row(key, found) for key, found in sorted(seen.items()) if key[0] == test] for test in TESTS}


def _power_row(key: tuple[str, int, float], found: Sequence[int | None]) -> dict[str, Any]:
    test, active, amount = key
    hits = [one for one in found if one is not None]
    row: dict[str, Any] = {"active": active, "trials": len(found), "detected": len(hits) / len(found)}
    row |= {"extra": amount} if test == "count" else {"shift": amount}
    row["delay_min"] = 5.0 * float(np.median(hits)) if hits else None
    return row


def scan_times(cells_least: int = 2000, *, repeats: int = 20) -> dict[str, float]:
    """Return CPU milliseconds of one close with as many cells and 48 shapes, and what 50,000 wearers ask of a core."""
    city, monitor = City(CityPlan(wearers=50_000, rings=26, seed=1)), Monitor()
    closed = [city.next()[0] for _ in range(repeats + 3)]
    spent: list[float] = []
    for one in closed:
        begun = time.process_time()
        monitor.close(one, {})
        spent.append((time.process_time() - begun) * 1e3)
    cells = len(monitor.discs.cells)
    if cells < cells_least:
        raise RuntimeError("The city of this bench has too few cells.")
    sums = spent[3:]
    return {
        "cells": cells,
        "shapes": 48,
        "p50": float(np.median(sums)),
        "max": float(max(sums)),
        "core_share_50000_wearers": float(np.median(sums)) / 300_000.0,
    }
