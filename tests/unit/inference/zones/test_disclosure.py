"""Nothing that is shown tells of fewer than eleven wearers, not even by subtraction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference.zones.disclosure import COUNT_STEPS, FEW, LEAST, coverage, disclose, fewest

ROWS = st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 3)), min_size=1, max_size=25)


@given(ROWS)
def test_no_shown_count_is_small_and_what_is_hidden_is_no_one_cell(rows: list[tuple[int, int, int]]) -> None:
    """Shown counts are steps from eleven on, complements of 1 to 10 hidden, no group that shows one hides one alone."""
    active = np.array([row[0] for row in rows])
    flagged = np.array([min(row[1], row[0]) for row in rows])
    group = np.array([row[2] for row in rows])
    shown = disclose(active, flagged, group)
    for values, column, least in ((active, shown.active, LEAST), (flagged, shown.flagged, FEW)):
        told = column >= 0
        assert set(column[told].tolist()) <= set(COUNT_STEPS)
        assert (column[told] >= least).all()
        assert (column[told] <= values[told]).all()
    told = shown.flagged >= 0
    rest = active[told] - flagged[told]
    assert not ((rest > 0) & (rest < FEW)).any()
    for number in range(int(group.max()) + 1):
        for values, column in ((active, shown.active), (flagged, shown.flagged)):
            hidden = (group == number) & (column < 0)
            if hidden.any() and (hidden != (group == number)).any():
                assert hidden.sum() > 1
                assert values[hidden].sum() >= LEAST


def test_nobody_flagged_looks_like_few_flagged() -> None:
    """The first who is flagged changes nothing that is shown, and neither does the tenth."""
    group = np.array([0, 1, 2])
    for few in (0, 1, 10):
        assert disclose(np.array([60, 60, 60]), np.array([few, 0, 0]), group).flagged.tolist() == [-1, -1, -1]
    assert disclose(np.array([60, 60, 60]), np.array([11, 0, 0]), group).flagged.tolist() == [11, -1, -1]


@pytest.mark.parametrize(("active", "words", "least"), [(0, "too_few", 0), (21, "too_few", 0), (22, "thin", 22),
                                                        (49, "thin", 22), (50, "fair", 50), (199, "fair", 50),
                                                        (200, "good", 200), (9_999, "good", 200)])  # fmt: skip
def test_coverage_changes_where_the_fewest_do(active: int, words: str, least: int) -> None:
    """The fewest wearers of a class follow from the class, which no count of the class tells apart."""
    assert coverage(active) == words
    assert fewest(active) == least
