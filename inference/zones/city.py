"""A made city at the level of scores: wearers who move over H3 cells by the hour, and are unwell by chance alone.

Everything here is simulated. Each wearer's deviate is a first-order autoregressive process (half of it forgotten in
20 min), with what the wearers of a neighbourhood share and what the whole city shares on top; the tier-0 flag is raised
where it passes the quantile of its calibrated rate, so that counts scatter as they do in people: alike for a while, and
a little alike among neighbours.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import h3.api.basic_int as h3
import numpy as np
import numpy.typing as npt
from scipy.stats import norm

from inference.slots import Bools, Floats, Ints
from inference.zones.bins import ClosedBin
from inference.zones.cells import SCANNED

BIN_MS: Final = 300_000
BINS_A_DAY: Final = 288
CENTRE: Final = (46.948, 7.447)
FORGETTING: Final = 0.5 ** (5.0 / 20.0)
SHARED_CITY: Final = 0.002
SHARED_PLACE: Final = 0.006
"""Variance that all wearers share, and those of one neighbourhood (resolution 6)."""
RATE: Final = 0.01
STAYS_AT_HOME: Final = 0.45
_NIGHT: Final = range(7)


@dataclass(frozen=True, slots=True, kw_only=True)
class CityPlan:
    """What a city is made of."""

    wearers: int
    rings: int
    """The city is the disc of so many rings of cells; people live densely in its middle."""
    seed: int
    worn_by_night: float = 0.6
    worn_by_day: float = 0.85


class City:
    """Makes one bin after another; the same plan makes the same bins."""

    def __init__(self, plan: CityPlan) -> None:
        self._plan = plan
        self._draw = np.random.default_rng(plan.seed)
        middle = h3.latlng_to_cell(*CENTRE, SCANNED)
        rings = [h3.grid_ring(middle, ring) for ring in range(plan.rings + 1)]
        self.cells: Ints = np.array([cell for ring in rings for cell in sorted(ring)], dtype=np.int64)
        density = np.concatenate(
            [np.full(len(ring), math.exp(-2.0 * at / plan.rings)) for at, ring in enumerate(rings)]
        )
        share = density / density.sum()
        self.home: Ints = self._draw.choice(len(self.cells), plan.wearers, p=share)
        self.work: Ints = self._draw.choice(len(self.cells), plan.wearers, p=share**1.5 / (share**1.5).sum())
        self._leaves = self._draw.normal(8.0, 1.0, plan.wearers)
        self._returns = self._draw.normal(17.5, 1.5, plan.wearers)
        self._stays = self._draw.random(plan.wearers) < STAYS_AT_HOME
        places, self._place = np.unique(
            [h3.cell_to_parent(cell, 6) for cell in self.cells.tolist()], return_inverse=True
        )
        self._own = self._draw.standard_normal(plan.wearers).astype(np.float32)
        self._of_place = self._draw.standard_normal(len(places))
        self._of_city = float(self._draw.standard_normal())
        self._worn = self._draw.random(plan.wearers) < plan.worn_by_day
        self.bin = 0

    def where(self, hour: float) -> Ints:
        """Return the place (row of `cells`) of each wearer at an hour of the day."""
        away = (hour >= self._leaves) & (hour < self._returns) & ~self._stays
        found: Ints = np.where(away, self.work, self.home)
        return found

    def next(self, *, shift: Floats | None = None, flagged: Bools | None = None) -> tuple[ClosedBin, Bools]:
        """Return the next bin and who is in it.

        Args:
            shift: What an event adds to each wearer's deviate, shape (wearers,); None for nothing.
            flagged: Whose flag an event raises whatever the deviate is, shape (wearers,); None for nobody's.
        """
        hour = self.bin % BINS_A_DAY / 12.0
        start_ms = self.bin * BIN_MS
        self.bin += 1
        place = self.where(hour)
        deviate = self._deviates(place)
        if shift is not None:
            deviate = deviate + shift
        self._wear(hour)
        raised = deviate > float(norm.isf(RATE))
        if flagged is not None:
            raised = raised | flagged
        on = self._worn
        count = int(on.sum())
        closed = ClosedBin(
            start_ms=start_ms,
            wearer=np.flatnonzero(on),
            cell=self.cells[place[on]],
            flag=raised[on],
            rate=np.full(count, RATE),
            deviate=deviate[on],
            moving=np.zeros(count, dtype=np.bool_),
            firmware=np.zeros(count, dtype=np.int64),
            backfill=np.zeros(count, dtype=np.bool_),
            offset_min=np.zeros(count, dtype=np.int64),
        )
        return closed, on

    def bins(self, count: int) -> Iterator[ClosedBin]:
        """Return the next bins, with no event in them."""
        for _ in range(count):
            yield self.next()[0]

    def _deviates(self, place: Ints) -> Floats:
        fresh = math.sqrt(1.0 - FORGETTING**2)
        noise = self._draw.standard_normal(self._plan.wearers, dtype=np.float32)
        self._own = (FORGETTING * self._own + fresh * noise).astype(np.float32)
        self._of_place = FORGETTING * self._of_place + fresh * self._draw.standard_normal(len(self._of_place))
        self._of_city = FORGETTING * self._of_city + fresh * float(self._draw.standard_normal())
        alone = math.sqrt(1.0 - SHARED_CITY - SHARED_PLACE)
        shared: npt.NDArray[np.float64] = math.sqrt(SHARED_PLACE) * self._of_place[self._place[place]]
        found: Floats = alone * self._own + shared + math.sqrt(SHARED_CITY) * self._of_city
        return found

    def _wear(self, hour: float) -> None:
        """Let one wearer in 60 put the device on or take it off, towards the share that wears it at this hour."""
        share = self._plan.worn_by_night if int(hour) in _NIGHT else self._plan.worn_by_day
        changes = self._draw.random(self._plan.wearers) < 1.0 / 60.0
        self._worn = np.where(changes, self._draw.random(self._plan.wearers) < share, self._worn)
