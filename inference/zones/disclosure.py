"""What may be shown of a fixed partition: no count of 1 to 10, none that a total gives away, no cell of a few wearers.

Minimums in use elsewhere: 11 at CMS, CHHS and PCORnet. Here a cell or zone is told of from twice that on, and a count
of flags from eleven on: a none that is told apart from few says of the first who is flagged that it is that person. A
count is told as the highest step that it reaches, so that one person who comes or goes seldom changes it, and never by
one. With k wearers of n flagged, n - k of 1 to 10 would tell as much, and is hidden. What a total would give away is
hidden with it (complementary suppression): next smallest counts, until two at least and so many wearers together are
hidden that they may be told of, or all of the group are.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from inference.slots import Bools, Ints

FEW: Final = 11
"""Fewer than so many are never told of."""
LEAST: Final = 22
"""A cell or zone is told of from so many wearers on. Of two zones that overlap, the one told of and the other not, no
more than 21 are known to be in what sets them apart: with eleven it would be at most ten, and somebody at least."""
FAIR: Final = 50
GOOD: Final = 200
"""Below the first the coverage is thin, from the second on good (`docs/models/zones.md`: what such a zone can see)."""
COUNT_STEPS: Final = (FEW, LEAST, FAIR, 100, GOOD, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
"""A count is told as the highest of these that it reaches. Coverage changes at some of them and nowhere else."""
Coverage = Literal["too_few", "thin", "fair", "good"]


@dataclass(frozen=True, slots=True)
class Shown:
    """What may be told of each cell, shape (n,): a step of COUNT_STEPS that is reached, or -1 for hidden.

    Attributes:
        active: At least so many wearers report.
        flagged: At least so many of them are flagged.
    """

    active: Ints
    flagged: Ints


def disclose(active: Ints, flagged: Ints, group: Ints) -> Shown:
    """Return what may be shown of the cells of one fixed partition.

    Args:
        active: Wearers who report in each cell, shape (n,).
        flagged: Of these flagged.
        group: A number for what has a total that is shown (the parent cell), shape (n,).
    """
    hide_active = active < LEAST
    hide_active = _complemented(active, hide_active, group)
    nearly_all = (active - flagged > 0) & (active - flagged < FEW)
    hide_flagged = _complemented(flagged, hide_active | (flagged < FEW) | nearly_all, group)
    return Shown(_floored(active, hide_active), _floored(flagged, hide_flagged))


def coverage(active: float) -> Coverage:
    """Return how many wearers stand behind a level, in words that give no count away."""
    if active < LEAST:
        return "too_few"
    if active < FAIR:
        return "thin"
    return "fair" if active < GOOD else "good"


def fewest(active: int) -> int:
    """Return the fewest wearers with the same coverage; 0 for too few.

    What is told besides the coverage, such as what could be seen at all, follows from this number alone: else it would
    tell more of the count than the coverage does.
    """
    return max((least for least in (LEAST, FAIR, GOOD) if active >= least), default=0)


def _floored(values: Ints, hidden: Bools) -> Ints:
    steps = np.array((-1, *COUNT_STEPS), dtype=np.int64)
    reached: Ints = steps[np.searchsorted(steps[1:], values, side="right")]
    return np.where(hidden, -1, reached)


def _complemented(values: Ints, hidden: Bools, group: Ints) -> Bools:
    """Hide more, the smallest first, until what a group hides is two members at least and LEAST wearers together."""
    found = hidden.copy()
    for number in np.unique(group[hidden]).tolist():
        members = np.flatnonzero(group == number)
        left = members[~found[members]]
        for row in left[np.lexsort((left, values[left]))].tolist():
            inside = members[found[members]]
            if len(inside) > 1 and values[inside].sum() >= LEAST:
                break
            found[row] = True
    return found
