"""Numbers that name cells of the grid are told from those that do not, as the grid's own library tells them."""

import h3.api.basic_int as h3
import numpy as np

from schemas.cells import are_cells
from schemas.frame import CELL_RESOLUTION

CELL = h3.latlng_to_cell(46.95, 7.45, CELL_RESOLUTION)


def test_every_bit_counts() -> None:
    """Of all numbers a bit or two away from a cell those are cells that the library takes for cells of the size."""
    bits = [1 << place for place in range(63)]
    near = np.array([CELL ^ one ^ (other if other != one else 0) for one in bits for other in bits], dtype=np.int64)
    wanted = [h3.is_valid_cell(cell) and h3.get_resolution(cell) == CELL_RESOLUTION for cell in near.tolist()]
    assert any(wanted)
    assert are_cells(near).tolist() == wanted


def test_all_around_a_pentagon_are_cells_and_its_missing_children_are_none() -> None:
    """The twelve pentagons lack the children of one direction, of whatever size."""
    pentagons = h3.get_pentagons(CELL_RESOLUTION)
    around = np.array([cell for one in pentagons for cell in h3.grid_disk(one, 2)], dtype=np.int64)
    assert are_cells(around).all()
    missing = [one ^ (1 << (21 + 3 * place)) for one in pentagons for place in range(CELL_RESOLUTION)]
    assert not any(h3.is_valid_cell(cell) for cell in missing)
    assert not are_cells(np.array(missing, dtype=np.int64)).any()


def test_numbers_that_are_nothing_are_no_cells() -> None:
    """Small, negative and huge numbers are none, nor cells of other sizes."""
    others = [0, 5, -1, 2**63 - 1, h3.cell_to_parent(CELL, 7), h3.cell_to_center_child(CELL, 9)]
    assert not are_cells(np.array(others, dtype=np.int64)).any()
