"""What may be shown of a fixed partition: no count of 1 to 10, none that a total gives away, no cell of a few wearers.

Minimums in use elsewhere: 11 at CMS, CHHS and PCORnet. A cell is shown with at least 11 active wearers. A count of 1 to
10 is hidden, and so is its complement: with k wearers of n flagged, n - k of 1 to 10 would tell as much. What a total
would give away is hidden with it (complementary suppression): next smallest counts, until two at least and eleven
wearers together are hidden, or the total where no count is left.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from inference.slots import Bools, Ints

LEAST: Final = 11
FAIR: Final = 50
GOOD: Final = 200
"""Below the first the coverage is thin, from the second on good (`docs/models/zones.md`: what such a zone can see)."""
Coverage = Literal["too_few", "thin", "fair", "good"]


@dataclass(frozen=True, slots=True)
class Shown:
    """What may be told of each cell, shape (n,); -1 is hidden.

    Attributes:
        active: Wearers who report, or -1.
        flagged: Wearers flagged, or -1.
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
    small = (flagged > 0) & (flagged < LEAST)
    nearly_all = (active - flagged > 0) & (active - flagged < LEAST)
    hide_flagged = _complemented(flagged, hide_active | small | nearly_all, group)
    return Shown(np.where(hide_active, -1, active), np.where(hide_flagged, -1, flagged))


def totals(active: Ints, flagged: Ints, group: Ints, shown: Shown) -> Shown:
    """Return what may be shown of the groups as wholes beside what is shown of their members, shape (groups,).

    A total passes the rules of a cell, and is hidden as well where it would tell what its members hide.
    """
    groups = int(group.max()) + 1 if len(group) else 0
    found: list[Ints] = []
    sums = [np.bincount(group, weights=values, minlength=groups).astype(np.int64) for values in (active, flagged)]
    whole = disclose(sums[0], sums[1], np.arange(groups))
    for values, parts, total in ((active, shown.active, whole.active), (flagged, shown.flagged, whole.flagged)):
        hidden = parts < 0
        count = np.bincount(group, weights=hidden, minlength=groups)
        behind = np.bincount(group, weights=np.where(hidden, values, 0), minlength=groups)
        found.append(np.where((count == 1) | ((count > 0) & (behind < LEAST)), -1, total))
    return Shown(*found)


def coverage(active: float) -> Coverage:
    """Return how many wearers stand behind a level, in words that give no count away."""
    if active < LEAST:
        return "too_few"
    if active < FAIR:
        return "thin"
    return "fair" if active < GOOD else "good"


def _complemented(values: Ints, hidden: Bools, group: Ints) -> Bools:
    """Hide more, the smallest first, until what a group hides is two members at least and eleven wearers together."""
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
