"""Nothing that is shown tells of fewer than eleven wearers, not even by subtraction."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from inference.zones.disclosure import LEAST, disclose, totals


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 3)), min_size=1, max_size=25))
def test_no_shown_count_is_small_and_no_total_gives_one_away(rows: list[tuple[int, int, int]]) -> None:
    """Shown counts are 0 or at least eleven, so are their complements, and no group hides exactly one member."""
    active = np.array([row[0] for row in rows])
    flagged = np.array([min(row[1], row[0]) for row in rows])
    group = np.array([row[2] for row in rows])
    shown = disclose(active, flagged, group)
    assert not ((shown.active >= 0) & (shown.active < LEAST)).any()
    told = shown.flagged >= 0
    assert not ((shown.flagged[told] > 0) & (shown.flagged[told] < LEAST)).any()
    rest = active[told] - flagged[told]
    for value in rest[(rest > 0) & (rest < LEAST)].tolist():
        raise AssertionError(f"the complement {value} is told")
    whole = totals(active, flagged, group, shown)
    for number in range(len(whole.active)):
        members = group == number
        for values, column, total in ((active, shown.active, whole.active), (flagged, shown.flagged, whole.flagged)):
            hidden = members & (column < 0)
            if hidden.any() and total[number] >= 0:
                assert hidden.sum() > 1
                assert values[hidden].sum() >= LEAST


def test_a_total_of_few_is_hidden_and_one_of_many_shown() -> None:
    """The total of a cell of eight wearers is hidden, that of two cells of twenty is shown; three flags are not."""
    active, flagged, group = np.array([8, 20, 20]), np.array([0, 1, 2]), np.array([0, 1, 1])
    found = totals(active, flagged, group, disclose(active, flagged, group))
    assert found.active.tolist() == [-1, 40]
    assert found.flagged.tolist() == [-1, -1]
