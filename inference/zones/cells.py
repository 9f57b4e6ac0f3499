"""Cells of the H3 grid and the discs of up to five rings around each: the regions that are scanned."""

from typing import Final

import h3.api.basic_int as h3
import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_array

from inference.slots import Bools, Floats, Ints

SCANNED: Final = 8
"""Resolution of the cells that are stored and scanned, 0.74 km2 on average."""
RINGS: Final = 5
DISCS: Final = RINGS + 1
"""Discs of 0 to 5 rings around each cell, up to 91 cells."""


def parents(cells: Ints, resolution: int) -> Ints:
    """Return the cell of a coarser resolution that each cell belongs to, by the grid's own hierarchy.

    Children do not lie exactly within their parents: what a cell belongs to is never decided by geometry.
    """
    unique, place = np.unique(cells, return_inverse=True)
    found = np.array([h3.cell_to_parent(cell, resolution) for cell in unique.tolist()], dtype=np.int64)
    coarse: Ints = found[place]
    return coarse


def around(cells: Ints, rings: int) -> Ints:
    """Return the cells within so many rings of any of these, these among them; a number that is no cell is alone."""
    found = set(cells.tolist())
    for cell in cells.tolist():
        if h3.is_valid_cell(cell):
            found.update(h3.grid_disk(cell, rings))
    return _ids(sorted(found))


class Discs:
    """Which of the known cells lie in which ring around each; cells lie in order of their ids.

    Regions are thus the same in the same order however the cells became known.
    """

    def __init__(self) -> None:
        self.cells: Ints = np.empty(0, dtype=np.int64)
        self._pairs: list[tuple[Ints, Ints]] = [(self.cells, self.cells) for _ in range(DISCS)]
        self._rings: list[csr_array] = []

    def learn(self, cells: Ints) -> Ints | None:
        """Make sure that these are known; return the new place of each cell known before, None where all were known."""
        fresh = np.setdiff1d(cells, self.cells)
        if len(fresh) == 0:
            return None
        before = self.cells
        self.cells = np.union1d(before, fresh)
        known = set(self.cells.tolist())
        added = [_neighbours(fresh, ring, known) for ring in range(DISCS)]
        self._pairs = [
            (np.concatenate((old[0], new[0])), np.concatenate((old[1], new[1])))
            for old, new in zip(self._pairs, added, strict=True)
        ]
        self._rings = [self._matrix(*pairs) for pairs in self._pairs]
        return self.places(before)

    def forget(self, stay: Bools) -> None:
        """Know only these of the cells, shape (cells,)."""
        self.cells = self.cells[stay]
        kept = [np.isin(centre, self.cells) & np.isin(member, self.cells) for centre, member in self._pairs]
        self._pairs = [(pair[0][here], pair[1][here]) for pair, here in zip(self._pairs, kept, strict=True)]
        self._rings = [self._matrix(*pairs) for pairs in self._pairs]

    def places(self, cells: Ints) -> Ints:
        """Return the row of each cell; it must be known."""
        rows: Ints = np.searchsorted(self.cells, cells).astype(np.int64)
        return rows

    def sums(self, columns: Floats) -> Floats:
        """Return the sums of columns over each disc.

        Args:
            columns: Shape (cells, m).

        Returns:
            Shape (DISCS, cells, m). Whole numbers below 2**53 are summed exactly, in whatever order.
        """
        found = np.empty((DISCS, *columns.shape))
        if len(self.cells) == 0:
            return found
        found[0] = columns
        for ring in range(1, DISCS):
            np.add(found[ring - 1], self._rings[ring] @ columns, out=found[ring])
        return found

    def members(self, row: int, rings: int) -> Ints:
        """Return the rows of the cells in the disc around one cell, in order."""
        parts = [
            self._rings[ring].indices[self._rings[ring].indptr[row] : self._rings[ring].indptr[row + 1]]
            for ring in range(rings + 1)
        ]
        return np.sort(np.concatenate(parts)).astype(np.int64)

    def _matrix(self, centre: Ints, member: Ints) -> csr_array:
        rows, columns = self.places(centre), self.places(member)
        size = len(self.cells)
        matrix = csr_array((np.ones(len(rows)), (rows, columns)), shape=(size, size))
        matrix.sort_indices()
        return matrix


def _neighbours(fresh: Ints, ring: int, known: set[int]) -> tuple[Ints, Ints]:
    """Return pairs (centre, member) at this distance of which one at least is new, each pair in both directions."""
    if ring == 0:
        return fresh, fresh
    new = set(fresh.tolist())
    centres: list[int] = []
    members: list[int] = []
    for cell in fresh.tolist():
        for other in h3.grid_ring(cell, ring):
            if other in known:
                centres.append(cell)
                members.append(other)
                if other not in new:
                    centres.append(other)
                    members.append(cell)
    return _ids(centres), _ids(members)


def _ids(values: list[int]) -> npt.NDArray[np.int64]:
    return np.array(values, dtype=np.int64)
