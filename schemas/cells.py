"""Which numbers name a cell of the H3 grid of the resolution that frames carry.

Layout of an index (H3 documentation, "H3Index bit layout"): a reserved bit, 4 bits of mode (1 for a cell), 3 reserved
ones, 4 of resolution, 7 of the base cell, then 15 digits of 3 bits, of which those beyond the resolution are 7.
"""

from typing import Final

import numpy as np
import numpy.typing as npt

from schemas.frame import CELL_RESOLUTION

_HEAD: Final = 1 << 7 | CELL_RESOLUTION
"""The upper 12 bits: mode and resolution."""
_BASE_CELLS: Final = 122
_PENTAGONS: Final = (4, 14, 24, 38, 49, 58, 63, 72, 83, 97, 107, 117)
"""Base cells without children in direction 1."""
_UNUSED_BITS: Final = 3 * (15 - CELL_RESOLUTION)
_UNUSED: Final = (1 << _UNUSED_BITS) - 1
_NO_DIGIT: Final = 7


def are_cells(cells: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Return which numbers are ids of cells of `CELL_RESOLUTION`, shape as given."""
    base = cells >> 45 & 127
    found: npt.NDArray[np.bool_] = (cells >> 52 == _HEAD) & (base < _BASE_CELLS) & (cells & _UNUSED == _UNUSED)
    first = np.zeros(cells.shape, dtype=np.int64)
    for place in range(CELL_RESOLUTION):
        digit = cells >> (_UNUSED_BITS + 3 * (CELL_RESOLUTION - 1 - place)) & _NO_DIGIT
        found &= digit != _NO_DIGIT
        first = np.where(first == 0, digit, first)
    found &= ~((first == 1) & np.isin(base, _PENTAGONS))
    return found
