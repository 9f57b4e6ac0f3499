"""What a region is called: by how seldom chance gives as much, or that it holds too few wearers to tell."""

import math
from typing import Final, Literal

import numpy as np

from inference.zones.scan import LEAST_COUNT, LEAST_EXPECTED

Level = Literal["usual", "elevated", "warning", "critical", "too_few_wearers"]
CUTS_DAYS: Final[tuple[tuple[float, Level], ...]] = ((365.0, "critical"), (91.0, "warning"), (30.0, "elevated"))
"""Once a year, once a quarter, once a month. Rarer cuts would rest on a tail that nobody has seen."""
BLIND_SHARE: Final = 0.25
"""A zone that could only see an event in which a quarter of its wearers were flagged at once is called blind."""
LEAST_WEARERS: Final = 11


def level_of(recurrence_days: float, *, wearers: float, visible: int | None) -> Level:
    """Return the level.

    Args:
        recurrence_days: Once in so many days chance gives as much.
        wearers: Wearers who report now.
        visible: Fewest flags that the region could show as an event, None where none could.
    """
    for days, level in CUTS_DAYS:
        if recurrence_days >= days:
            return level
    if wearers < LEAST_WEARERS or visible is None or visible > BLIND_SHARE * wearers:
        return "too_few_wearers"
    return "usual"


def smallest_visible(expected: float, *, threshold: float, factor: float, wearers: float) -> int | None:
    """Return the fewest flags in one bin that pass the threshold, None where not even everybody's would.

    Where fewer than `LEAST_EXPECTED` are expected nothing passes: the scan counts nothing there.

    Args:
        expected: Flags expected in the bin.
        threshold: Score in force.
        factor: Over-dispersion of a bin, at least 1.
        wearers: Wearers who report now.
    """
    if expected < LEAST_EXPECTED:
        return None
    for flags in range(max(LEAST_COUNT, math.floor(expected) + 1), math.floor(wearers) + 1):
        if (flags * math.log(flags / expected) - (flags - expected)) / factor >= threshold:
            return flags
    return None


def recurrence_words(days: float) -> str:
    """Return "about once a year" and the like; nothing rarer than once in ten years is claimed."""
    steps = np.array([1.0, 7.0, 30.0, 91.0, 365.0, 3650.0])
    words = ("on most days", "about once a day", "about once a week", "about once a month", "about once a quarter",
             "about once a year", "less than once in ten years")  # fmt: skip
    return words[int(np.searchsorted(steps, days, side="right"))]
