"""Follows an area bin by bin: sums, scan, common shift, and how seldom chance alone gives as much."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

import numpy as np
import numpy.typing as npt

from inference.slots import Floats, Ints
from inference.zones.bins import COLUMNS, PEOPLE, ClosedBin, by_cell
from inference.zones.cells import DISCS, Discs
from inference.zones.disclosure import LEAST
from inference.zones.dispersion import Dispersion
from inference.zones.flagged import Flagged
from inference.zones.recurrence import Days, Gumbel
from inference.zones.scan import (
    BINS_KEPT,
    LEAST_PEOPLE,
    LEAST_SHIFTED,
    MILLION,
    WINDOW_BINS,
    WINDOWS,
    common_shift,
    enough,
    excess,
    tellable,
    windows_of,
)
from inference.zones.usual import Usual

Test = Literal["count", "shift"]
TESTS: Final[tuple[Test, ...]] = ("count", "shift")
DAY_MS: Final = 86_400_000
HOUR_MS: Final = 3_600_000
PRIOR_FLAGS: Final = (np.array([1.0, 1.4, 1.7, 2.0, 2.3, 2.5, 2.8, 3.2]), np.full(WINDOWS, 0.05))
PRIOR_SHIFT: Final = (
    np.array([1.1, 2.0, 2.9, 3.6, 4.7, 5.7, 7.0, 9.2]),
    np.array([0.005, 0.009, 0.012, 0.016, 0.022, 0.027, 0.034, 0.045]),
)
"""Scatter by window, as measured on made cities of 300 to 10,000 wearers (`inference.zones.city`)."""
CELL_DAYS: Final = 7
CAP_DAYS: Final = 60.0
"""A day's maximum counts as once in two months at most: an event must not raise its own threshold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """One test's highest region in one scan.

    Attributes:
        test: Which test.
        score: F of the count, or z of the shift.
        recurrence_days: Once in so many days chance alone gives as much somewhere (of the two tests together).
        cells: The cells of the region, in order of their ids.
        window_bins: Length of the window that ends with the bin.
        flags: Wearer-bins flagged, of one wearer six at most.
        expected: Of these as many as were expected.
        wearers: Wearers judged, on average over the window.
        mean_shift: Mean deviate less what is usual.
        factor: Over-dispersion.
    """

    test: Test
    score: float
    recurrence_days: float
    cells: Ints
    window_bins: int
    flags: int
    expected: float
    wearers: float
    mean_shift: float
    factor: float


def prior_law(test: Test, cells: int) -> Gumbel:
    """Return the law of a free scan over so many cells before any day was seen, from made cities of 61 to 1,027."""
    depth = math.log(max(cells, 1))
    return Gumbel(5.2 + 1.42 * depth, 1.75) if test == "count" else Gumbel(2.55 + 0.31 * depth, 0.27)


class Monitor:
    """One area. All that is learned in a day holds from the next midnight (UTC), so that a day is judged by one law."""

    def __init__(self) -> None:
        self.discs = Discs()
        self.bins: Floats = np.zeros((BINS_KEPT, 0, COLUMNS))
        self._seen_day: Ints = np.zeros(0, dtype=np.int64)
        self.flagged = Flagged()
        self.usual = Usual()
        self.scatter = {"count": Dispersion(*PRIOR_FLAGS), "shift": Dispersion(*PRIOR_SHIFT)}
        self.days = {test: Days(prior_law(test, 1)) for test in TESTS}
        self.zone_days: dict[str, dict[Test, Days]] = {}
        self.start_ms = -1

    def close(self, closed: ClosedBin, zones: Mapping[str, Ints]) -> tuple[list[Region], dict[str, list[Region]]]:
        """Take the next bin; return each test's highest region of the free scan, and of each named zone.

        Args:
            closed: The bin; its start is later than that of any bin before. Bins that are left out count as empty.
            zones: Cells (ascending) of each named zone.
        """
        self._move(closed.start_ms)
        moved = self.discs.learn(np.unique(closed.cell))
        if moved is not None:
            grown = np.zeros((BINS_KEPT, len(self.discs.cells), COLUMNS))
            grown[:, moved] = self.bins
            self.bins = grown
            seen_day = np.zeros(len(self.discs.cells), dtype=np.int64)
            seen_day[moved] = self._seen_day
            self._seen_day = seen_day
            for test in TESTS:
                self.days[test].expect(prior_law(test, len(self.discs.cells)))
        hour = closed.start_ms % DAY_MS // HOUR_MS
        rows = self.discs.places(closed.cell)
        count = len(self.discs.cells)
        self._seen_day[rows] = closed.start_ms // DAY_MS
        ratio, shift = float(self.usual.ratio[hour]), float(self.usual.shift[hour])
        counted = self.flagged.take(closed.wearer, closed.cell, closed.flag & ~closed.backfill)
        np.subtract.at(self.bins[..., PEOPLE], (counted.ages, self.discs.places(counted.cells)), 1.0)
        self.bins[0] = by_cell(closed, rows, count, counted=counted, ratio=ratio, shift=shift)
        self._learn_usual(hour, ratio, shift)
        windows = windows_of(self.bins)
        sums = self.discs.sums(windows.reshape(count, WINDOWS * COLUMNS)).reshape(DISCS, count, WINDOWS, COLUMNS)
        if closed.start_ms % HOUR_MS == 0:
            self._learn_scatter(sums)
        found = [self._highest(test, sums) for test in self._tests()]
        return [one for one in found if one is not None], self._zones(windows, zones)

    def threshold(self, test: Test, days: float) -> float:
        """Return the score of the free scan that chance passes once in `days` days, the two tests together."""
        return self.days[test].law.threshold(days * len(TESTS))

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return the state as arrays; equal states give equal arrays."""
        found: dict[str, npt.NDArray[Any]] = {"cells": self.discs.cells, "bins": self.bins, "seen_day": self._seen_day}
        found["start_ms"] = np.array([self.start_ms], dtype=np.int64)
        parts: dict[str, dict[str, npt.NDArray[Any]]] = {"usual": self.usual.dump(), "flagged": self.flagged.dump()}
        parts |= {f"scatter.{test}": self.scatter[test].dump() for test in TESTS}
        parts |= {f"days.{test}": self.days[test].dump() for test in TESTS}
        for name, days in sorted(self.zone_days.items()):
            parts |= {f"zone.{name}.{test}": days[test].dump() for test in TESTS}
        for part, arrays in parts.items():
            found |= {f"{part}/{name}": array for name, array in arrays.items()}
        return found

    @classmethod
    def load(cls, state: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Return the monitor whose `dump` this is; it goes on exactly where that one stood."""
        found = cls()
        found.discs.learn(state["cells"])
        found.bins, found._seen_day = np.array(state["bins"]), np.array(state["seen_day"])
        found.start_ms = int(state["start_ms"][0])
        parts: dict[str, dict[str, npt.NDArray[Any]]] = {}
        for name, array in state.items():
            part, at, column = name.rpartition("/")
            if at:
                parts.setdefault(part, {})[column] = array
        found.flagged = Flagged.load(parts["flagged"])
        found.usual = Usual.load(parts["usual"])
        found.scatter = {test: Dispersion.load(parts[f"scatter.{test}"]) for test in TESTS}
        found.days = {test: Days.load(parts[f"days.{test}"]) for test in TESTS}
        for part in parts:
            if part.startswith("zone."):
                name = part.removeprefix("zone.").rpartition(".")[0]
                found.zone_days[name] = {test: Days.load(parts[f"zone.{name}.{test}"]) for test in TESTS}
        return found

    def _move(self, start_ms: int) -> None:
        """Make room for a bin, closing the days that ended before it."""
        if self.start_ms < 0:
            self.start_ms = start_ms
            return
        steps = (start_ms - self.start_ms) // (5 * 60_000)
        if steps <= 0:
            raise ValueError("Bins are taken in order of time, each once.")
        ended = start_ms // DAY_MS - self.start_ms // DAY_MS
        if ended:
            self._close_day(self.start_ms // DAY_MS)
        shifted = np.zeros_like(self.bins)
        if steps < BINS_KEPT:
            shifted[steps:] = self.bins[: BINS_KEPT - steps]
        self.bins = shifted
        self.flagged.move(steps)
        self.start_ms = start_ms

    def _close_day(self, day: int) -> None:
        """Let what a day taught hold from now on, and forget cells from which nobody reported for a week."""
        stay = self._seen_day > day - CELL_DAYS
        if not stay.all():
            self.discs.forget(stay)
            self.bins, self._seen_day = self.bins[:, stay], self._seen_day[stay]
        tests = self._tests()
        self.usual.close_day()
        for test in TESTS:
            self.scatter[test].close_day()
        for test in tests:
            self.days[test].close_day(prior_law(test, len(self.discs.cells)), cap_days=CAP_DAYS)
            for zone in self.zone_days.values():
                zone[test].close_day(prior_law(test, 1), cap_days=CAP_DAYS)

    def _tests(self) -> tuple[Test, ...]:
        """Return the tests whose usual is known."""
        return TESTS if self.usual.knows_shift else ("count",)

    def _learn_usual(self, hour: int, ratio: float, shift: float) -> None:
        flags, expected, deviates, wearers = self.bins[0, :, :PEOPLE].sum(axis=0).tolist()
        self.usual.learn(
            hour,
            flags=flags,
            expected=expected / MILLION / ratio,
            deviates=deviates / MILLION + shift * wearers,
            wearers=wearers,
        )

    def _learn_scatter(self, sums: Floats) -> None:
        count, expected, shift, wearers = _columns(sums.reshape(-1, WINDOWS, COLUMNS))
        told = enough(expected)
        residual = np.divide((count - expected) ** 2, expected, where=told, out=np.zeros(count.shape))
        self.scatter["count"].learn(residual, expected, told)
        told = wearers >= LEAST_SHIFTED * WINDOW_BINS
        residual = np.divide(shift * shift, wearers, where=told, out=np.zeros(count.shape))
        self.scatter["shift"].learn(residual, wearers / WINDOW_BINS, told)

    def _scores(self, test: Test, sums: Floats) -> tuple[Floats, Floats]:
        """Return the score of each region, 0 of one that holds too few to tell of or in which too few are flagged."""
        count, expected, shift, wearers = _columns(sums)
        told = tellable(sums[..., PEOPLE + 1], LEAST)
        if test == "count":
            factor = self.scatter["count"].factor(expected)
            told &= sums[..., PEOPLE] >= LEAST_PEOPLE
            return np.where(told, excess(count, expected, factor), 0.0), factor
        factor = self.scatter["shift"].factor(wearers / WINDOW_BINS)
        return np.where(told, common_shift(shift, wearers, factor, WINDOW_BINS.astype(np.float64)), 0.0), factor

    def _highest(self, test: Test, sums: Floats) -> Region | None:
        scores, factor = self._scores(test, sums)
        if scores.size == 0:
            return None
        best = int(scores.argmax())
        score = float(scores.flat[best])
        self.days[test].saw(score)
        if score <= 0.0:
            return None
        rings, row, window = (int(at) for at in np.unravel_index(best, scores.shape))
        return _region(
            test,
            score,
            self.days[test],
            cells=self.discs.cells[self.discs.members(row, rings)],
            window=window,
            sums=sums[rings, row, window],
            factor=float(factor.flat[best]),
        )

    def _zones(self, windows: Floats, zones: Mapping[str, Ints]) -> dict[str, list[Region]]:
        found: dict[str, list[Region]] = {}
        self.zone_days = {name: days for name, days in self.zone_days.items() if name in zones}
        for name, cells in zones.items():
            days = self.zone_days.setdefault(name, {test: Days(prior_law(test, 1)) for test in TESTS})
            known = np.intersect1d(cells, self.discs.cells)
            sums = windows[self.discs.places(known)].sum(axis=0)
            found[name] = [
                one for test in self._tests() if (one := self._zone_highest(test, sums, days[test], known)) is not None
            ]
        return found

    def _zone_highest(self, test: Test, sums: Floats, days: Days, cells: Ints) -> Region | None:
        scores, factor = self._scores(test, sums)
        window = int(scores.argmax())
        score = float(scores[window])
        days.saw(score)
        if score <= 0.0:
            return None
        return _region(test, score, days, cells=cells, window=window, sums=sums[window], factor=float(factor[window]))


def _columns(sums: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    return sums[..., 0], sums[..., 1] / MILLION, sums[..., 2] / MILLION, sums[..., 3]


def _region(test: Test, score: float, days: Days, *, cells: Ints, window: int, sums: Floats, factor: float) -> Region:
    flags, expected, shift, wearers = _columns(sums)
    length = int(WINDOW_BINS[window])
    return Region(
        test=test,
        score=score,
        recurrence_days=days.law.recurrence_days(score) / len(TESTS),
        cells=cells,
        window_bins=length,
        flags=int(flags),
        expected=float(expected),
        wearers=float(wearers) / length,
        mean_shift=float(shift / wearers) if wearers else 0.0,
        factor=factor,
    )
