"""Who was flagged in the last two hours: what one wearer may add to a count is bounded, and people are told apart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from inference.slots import Bools, Ints
from inference.zones.scan import BINS_KEPT

FLAGS_MOST: Final = 6
"""One wearer unwell for hours is that wearer's alert, and counts in two hours as half an hour flagged at most."""
_KEPT: Final = np.int64((1 << BINS_KEPT) - 1)


@dataclass(frozen=True, slots=True)
class Counted:
    """What the flags of one bin add.

    Attributes:
        rows: Rows of the bin whose flag counts, shape (n,).
        ages: Bins since the flag that counted last of those of them who had one, shape (m,).
        cells: The cell in which it was.
    """

    rows: Ints
    ages: Ints
    cells: Ints


class Flagged:
    """The flags that counted in the last two hours, by wearer, in order of their numbers."""

    def __init__(self) -> None:
        none = np.empty(0, dtype=np.int64)
        self._wearer, self._marks, self._cell = none, none, none

    def move(self, bins: int) -> None:
        """Let so many bins pass."""
        marks = self._marks << bins & _KEPT if bins < BINS_KEPT else np.zeros_like(self._marks)
        self._keep(marks != 0, marks)

    def take(self, wearer: Ints, cell: Ints, flag: Bools) -> Counted:
        """Take the newest bin's rows, shape (n,), each of another wearer; return which flags count."""
        raised = np.flatnonzero(flag)
        raised = raised[np.argsort(wearer[raised], kind="stable")]
        merged = np.union1d(self._wearer, wearer[raised])
        before, at = np.searchsorted(merged, self._wearer), np.searchsorted(merged, wearer[raised])
        marks, cells = np.zeros(len(merged), dtype=np.int64), np.zeros(len(merged), dtype=np.int64)
        marks[before], cells[before] = self._marks, self._cell
        counts = np.bitwise_count(marks[at]) < FLAGS_MOST
        rows, at = raised[counts], at[counts]
        again = at[marks[at] != 0]
        newest = marks[again] & -marks[again]
        counted = Counted(rows, np.bitwise_count(newest - 1).astype(np.int64), cells[again])
        marks[at] |= 1
        cells[at] = cell[rows]
        self._wearer, self._cell = merged, cells
        self._keep(marks != 0, marks)
        return counted

    def dump(self) -> dict[str, Ints]:
        """Return the state."""
        return {"wearer": self._wearer, "marks": self._marks, "cell": self._cell}

    @classmethod
    def load(cls, state: Mapping[str, Ints]) -> Self:
        """Return what `dump` returned as it was."""
        found = cls()
        found._wearer, found._marks, found._cell = (np.array(state[one]) for one in ("wearer", "marks", "cell"))
        return found

    def _keep(self, stay: Bools, marks: Ints) -> None:
        self._wearer, self._marks, self._cell = self._wearer[stay], marks[stay], self._cell[stay]
