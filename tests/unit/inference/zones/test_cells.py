"""Regions are the same whatever order cells became known in, and hold exactly the cells of the grid."""

import h3.api.basic_int as h3
import numpy as np
import pytest

from inference.zones.cells import DISCS, SCANNED, Discs, parents

MIDDLE = h3.latlng_to_cell(46.948, 7.447, SCANNED)


@pytest.fixture
def town() -> np.ndarray:
    """Every cell within seven rings."""
    return np.array(sorted(h3.grid_disk(MIDDLE, 7)), dtype=np.int64)


def test_discs_hold_the_cells_that_the_grid_names(town: np.ndarray) -> None:
    """The members of each disc around the middle are those of H3's own disc."""
    discs = Discs()
    discs.learn(town)
    row = int(discs.places(np.array([MIDDLE]))[0])
    for rings in range(DISCS):
        assert set(discs.cells[discs.members(row, rings)].tolist()) == set(h3.grid_disk(MIDDLE, rings))


def test_cells_that_become_known_one_by_one_give_the_same_sums(town: np.ndarray) -> None:
    """Sums over discs are equal, bit for bit, whether all cells came at once or in three shuffled parts."""
    at_once, in_parts = Discs(), Discs()
    at_once.learn(town)
    for part in np.array_split(np.random.default_rng(4).permutation(town), 3):
        in_parts.learn(part)
    values = np.random.default_rng(5).integers(0, 10**6, (len(town), 3)).astype(np.float64)
    assert np.array_equal(at_once.cells, in_parts.cells)
    assert np.array_equal(at_once.sums(values), in_parts.sums(values))


def test_known_cells_move_to_their_new_places(town: np.ndarray) -> None:
    """What is told of a cell before others became known is found under its new row."""
    discs = Discs()
    assert discs.learn(town[::2]) is not None
    moved = discs.learn(town[1::2])
    assert moved is not None
    assert np.array_equal(discs.cells[moved], town[::2])
    assert discs.learn(town) is None


def test_forgotten_cells_are_as_if_they_had_never_been_known(town: np.ndarray) -> None:
    """Sums over the cells that stay are those of discs that know no others; a forgotten cell is learned again."""
    discs, only = Discs(), Discs()
    discs.learn(town)
    only.learn(town[::3])
    discs.forget(np.isin(town, town[::3]))
    values = np.random.default_rng(6).integers(0, 10**6, (len(only.cells), 2)).astype(np.float64)
    assert np.array_equal(discs.cells, only.cells)
    assert np.array_equal(discs.sums(values), only.sums(values))
    discs.learn(town)
    only.learn(town)
    whole = np.ones((len(town), 1))
    assert np.array_equal(discs.sums(whole), only.sums(whole))


def test_a_parent_is_the_grids_own(town: np.ndarray) -> None:
    """Cells are rolled up by the hierarchy of the grid."""
    coarse = parents(town, 6)
    assert [h3.cell_to_parent(cell, 6) for cell in town.tolist()] == coarse.tolist()
