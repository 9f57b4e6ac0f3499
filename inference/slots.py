"""Tables of arrays indexed by slot: the state of every operator."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

NEVER: Final = -(2**62)
"""A time before every time; sums with durations do not overflow."""
FOREVER: Final = 2**62
"""A time after every time."""

_FIRST_CAPACITY: Final = 64


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its numpy type, what a new slot holds, and how many values a slot has (0: a plain number)."""

    dtype: str
    fill: float
    width: int = 0


class Table:
    """Named arrays of one length, grown by doubling; a slot is never given to somebody else."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self._columns = dict(columns)
        self.rows = 0
        self._capacity = _FIRST_CAPACITY
        self._arrays = {name: _fresh(column, self._capacity) for name, column in self._columns.items()}

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        """Return the whole array behind a column; ask again after every `extend`."""
        return self._arrays[name]

    def extend(self, rows: int) -> None:
        """Make sure that slots 0 to rows - 1 exist."""
        if rows <= self.rows:
            return
        if rows > self._capacity:
            while self._capacity < rows:
                self._capacity *= 2
            for name, column in self._columns.items():
                grown = _fresh(column, self._capacity)
                grown[: self.rows] = self._arrays[name][: self.rows]
                self._arrays[name] = grown
        self.rows = rows

    def reset(self, slots: Ints) -> None:
        """Give slots back the values of new ones."""
        for name, column in self._columns.items():
            self._arrays[name][slots] = column.fill

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return the used part of every column."""
        return {name: array[: self.rows] for name, array in self._arrays.items()}

    def load(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over what `dump` returned; a dump without columns holds nothing."""
        if not arrays:
            return
        rows = len(next(iter(arrays.values())))
        self.extend(rows)
        for name, array in arrays.items():
            self._arrays[name][:rows] = array

    def anew(self, arrays: Mapping[str, npt.NDArray[Any]], prefix: str, *names: str) -> dict[str, npt.NDArray[Any]]:
        """Return dumps, this table's behind a prefix, with these of its columns (else all) as those of new slots."""
        fills = {prefix + name: self._columns[name].fill for name in names or self._columns}
        return {name: np.full_like(array, fills[name]) if name in fills else array for name, array in arrays.items()}

    def load_same(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over, of what another table's `dump` returned, the columns that are alike here."""
        alike = {
            name: array
            for name, array in arrays.items()
            if name in self._arrays and array.shape[1:] == self._arrays[name].shape[1:]
        }
        if alike:
            self.load(alike)


def _fresh(column: Column, capacity: int) -> npt.NDArray[Any]:
    shape = (capacity, column.width) if column.width else (capacity,)
    return np.full(shape, column.fill, dtype=column.dtype)
