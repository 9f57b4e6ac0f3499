"""What one wearer may add to the counts of two hours, and how many different people are behind them."""

import numpy as np

from inference.slots import Ints
from inference.zones.flagged import FLAGS_MOST, Flagged
from inference.zones.scan import BINS_KEPT


def ints(*values: int) -> Ints:
    """Return whole numbers."""
    return np.array(values, dtype=np.int64)


def test_one_wearer_counts_six_times_in_two_hours() -> None:
    """Of flags in every bin the first six count, and again when these are two hours old."""
    found, counted = Flagged(), []
    for _ in range(BINS_KEPT + 2):
        found.move(1)
        counted.append(len(found.take(ints(7), ints(1), np.ones(1, dtype=np.bool_)).rows))
    assert counted == [1] * FLAGS_MOST + [0] * (BINS_KEPT - FLAGS_MOST) + [1, 1]


def test_a_flag_says_where_the_wearers_last_one_was() -> None:
    """Rows in any order: who was flagged before is told with age and cell, who was not, or long ago, is not."""
    found = Flagged()
    found.take(ints(9, 3), ints(10, 20), np.array([True, True]))
    found.move(3)
    counted = found.take(ints(3, 5, 9), ints(21, 22, 23), np.array([True, True, False]))
    assert (counted.rows.tolist(), counted.ages.tolist(), counted.cells.tolist()) == ([0, 1], [3], [20])
    found.move(BINS_KEPT - 3)
    again = found.take(ints(9, 3), ints(1, 1), np.array([True, True]))
    assert (sorted(again.rows.tolist()), again.ages.tolist(), again.cells.tolist()) == ([0, 1], [BINS_KEPT - 3], [21])
    found.move(100)
    assert all(len(column) == 0 for column in found.dump().values())
