"""The fixed partition shows cells with enough wearers, and divides them by a census alone."""

import h3.api.basic_int as h3
import numpy as np

from inference.zones.disclosure import LEAST
from stream_processors.operators.zone_partition import CENSUS_LEAST_BINS, FixedPartition
from tests.zone_frames import HERE, THERE

JANUARY_MS = 1_767_225_600_000
BIN_MS = 300_000
DAY_MS = 86_400_000
COARSE = h3.cell_to_parent(HERE[0], 6)
CHILDREN = sorted(h3.cell_to_children(COARSE, 7))[:2]
FINE = [h3.cell_to_center_child(child, 8) for child in CHILDREN]


def crowd(cell: int, wearers: int) -> list[int]:
    """Return the cells of so many wearers in one place."""
    return [cell] * wearers


def filled(cells: list[int], *, bins: int = CENSUS_LEAST_BINS) -> FixedPartition:
    """Return the partition after January's bins with these wearers, and one bin of February."""
    partition = FixedPartition()
    for number in range(bins):
        partition.take(JANUARY_MS + number * BIN_MS, np.array(cells))
    partition.take(JANUARY_MS + 31 * DAY_MS, np.array(cells))
    return partition


def test_a_cell_is_shown_once_enough_were_there() -> None:
    """One wearer too few shows no cell, enough do, and it stays when they leave."""
    partition = FixedPartition()
    partition.take(JANUARY_MS, np.array(crowd(HERE[0], LEAST - 1)))
    assert partition.cells().tolist() == []
    partition.take(JANUARY_MS + BIN_MS, np.array(crowd(HERE[0], LEAST)))
    partition.take(JANUARY_MS + 2 * BIN_MS, np.array([], dtype=np.int64))
    assert partition.cells().tolist() == [COARSE]
    assert partition.places(np.array([HERE[0], THERE[0]])).tolist() == [0, -1]


def test_a_census_divides_a_cell_whose_children_all_hold_enough() -> None:
    """Two children with enough wearers each are shown by themselves from the next month on, under a new number."""
    partition = filled(crowd(FINE[0], LEAST) + crowd(FINE[1], LEAST))
    assert partition.number == 2
    assert partition.cells().tolist() == CHILDREN
    assert sorted(partition.places(np.array(FINE)).tolist()) == [0, 1]


def test_a_cell_with_a_thin_child_stays_whole() -> None:
    """One child with three wearers keeps its neighbours' cell whole, since what it hides would be told by the rest."""
    partition = filled(crowd(FINE[0], LEAST) + crowd(FINE[1], 3))
    assert (partition.number, partition.cells().tolist()) == (2, [COARSE])


def test_a_census_of_less_than_a_week_is_not_held() -> None:
    """A few days say nothing of a month."""
    partition = filled(crowd(FINE[0], LEAST) + crowd(FINE[1], LEAST), bins=200)
    assert (partition.number, partition.cells().tolist()) == (1, [COARSE])


def test_counts_of_few_are_hidden() -> None:
    """A cell with one wearer too few tells none, one with three flagged of forty tells a step and not the three."""
    partition = FixedPartition()
    partition.take(JANUARY_MS, np.array(crowd(HERE[0], 40) + crowd(THERE[0], LEAST)))
    here, there = partition.places(np.array([HERE[0], THERE[0]])).tolist()
    active, flagged = np.zeros(2, dtype=np.int64), np.zeros(2, dtype=np.int64)
    active[here], active[there], flagged[here] = 40, LEAST - 1, 3
    shown = partition.disclosed(active, flagged)
    assert (shown.active[here], shown.active[there], shown.flagged[here]) == (LEAST, -1, -1)


def test_a_saved_partition_is_the_same() -> None:
    """What is loaded saves the same bytes, and shows the same cells."""
    partition = filled(crowd(FINE[0], LEAST) + crowd(FINE[1], LEAST))
    again = FixedPartition.load(partition.dump())
    assert again.dump() == partition.dump()
    assert again.cells().tolist() == partition.cells().tolist()
