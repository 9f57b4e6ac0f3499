"""The fixed partition of the area that is shown: cells of resolution 7 or 6, chosen anew by a monthly census.

A res-6 cell is shown from the moment at which as many wearers were in it as a cell is told of. At the census those
whose res-7 children all held as many nearly always are shown as these children; until the next census nothing else
changes, since two partitions of one area, side by side, would tell what each of them hides.
"""

from datetime import UTC, datetime
from typing import Final, Self

import msgspec
import numpy as np

from inference.slots import Ints
from inference.zones.cells import parents
from inference.zones.disclosure import LEAST, Shown, disclose

COARSE: Final = 6
FINE: Final = 7
CENSUS_LEAST_BINS: Final = 2_016
"""A week of bins: a census of less would choose by a few days."""
NEARLY_ALWAYS: Final = 0.9


class _Saved(msgspec.Struct, frozen=True):
    number: int
    month: str
    bins: int
    listed: dict[str, list[int]]
    counted: dict[str, int]


class FixedPartition:
    """Counts wearers by cell, and says which cells are shown.

    Attributes:
        number: Of the census behind it, 1 before the first.
        listed: Shown cells by their res-6 cell: the cell itself, or some of its children.
    """

    def __init__(self) -> None:
        self.number = 1
        self.listed: dict[int, list[int]] = {}
        self._month = ""
        self._bins = 0
        self._counted: dict[int, int] = {}
        """Bins by res-7 cell in which enough wearers were there to tell of, 0 where there was one at all."""

    def take(self, start_ms: int, cells: Ints) -> None:
        """Count one bin's wearers.

        Args:
            start_ms: Start of the bin; where it is the first of a month the census is held before it is counted.
            cells: Each wearer's cell of resolution 8.
        """
        month = datetime.fromtimestamp(start_ms / 1000, UTC).strftime("%Y-%m")
        if month != self._month:
            if self._bins >= CENSUS_LEAST_BINS:
                self._hold()
            self._month = month
        self._bins += 1
        fine, count = np.unique(parents(cells, FINE), return_counts=True)
        for cell, enough in zip(fine.tolist(), (count >= LEAST).tolist(), strict=True):
            self._counted[cell] = self._counted.get(cell, 0) + enough
        coarse, count = np.unique(parents(cells, COARSE), return_counts=True)
        for cell in coarse[count >= LEAST].tolist():
            self.listed.setdefault(cell, [cell])

    def cells(self) -> Ints:
        """Return the shown cells, in order of their ids."""
        return np.array(sorted(cell for shown in self.listed.values() for cell in shown), dtype=np.int64)

    def places(self, cells: Ints) -> Ints:
        """Return the place of each res-8 cell's shown cell within `cells()`, -1 where it has none."""
        listed = self.cells()
        found = np.full(len(cells), -1, dtype=np.int64)
        for resolution in (COARSE, FINE):
            coarse = parents(cells, resolution)
            at = np.searchsorted(listed, coarse)
            known = at < len(listed)
            known[known] = listed[at[known]] == coarse[known]
            found[known] = at[known]
        return found

    def disclosed(self, active: Ints, flagged: Ints) -> Shown:
        """Return what may be told of the shown cells, in the order of `cells()`; -1 is hidden."""
        listed = self.cells()
        _, group = np.unique(parents(listed, COARSE), return_inverse=True)
        return disclose(active, flagged, group.astype(np.int64))

    def dump(self) -> bytes:
        """Return the state."""
        listed = {str(cell): shown for cell, shown in sorted(self.listed.items())}
        counted = {str(cell): count for cell, count in sorted(self._counted.items())}
        return msgspec.json.encode(_Saved(self.number, self._month, self._bins, listed, counted))

    @classmethod
    def load(cls, data: bytes) -> Self:
        """Return what `dump` returned as it was."""
        saved, found = msgspec.json.decode(data, type=_Saved), cls()
        found.number, found._month, found._bins = saved.number, saved.month, saved.bins
        found.listed = {int(cell): shown for cell, shown in saved.listed.items()}
        found._counted = {int(cell): count for cell, count in saved.counted.items()}
        return found

    def _hold(self) -> None:
        fine = np.array(sorted(self._counted), dtype=np.int64)
        children: dict[int, list[int]] = {}
        for cell, coarse in zip(fine.tolist(), parents(fine, COARSE).tolist(), strict=True):
            children.setdefault(coarse, []).append(cell)
        least = NEARLY_ALWAYS * self._bins
        for coarse in self.listed:
            inside = children.get(coarse, [])
            splits = len(inside) > 1 and all(self._counted[cell] >= least for cell in inside)
            self.listed[coarse] = inside if splits else [coarse]
        self.number += 1
        self._bins, self._counted = 0, {}
