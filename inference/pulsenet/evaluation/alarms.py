"""When a score becomes an alarm, and which events it finds."""

from typing import Final

import numpy as np

from inference.pulsenet.evaluation.injection import Event
from inference.slots import Floats, Ints

REFRACTORY_MIN: Final = 180
"""For so long after an alarm opens the same side opens no other."""
GRACE_MIN: Final = 5
"""An alarm that opens so shortly after the end of an event still counts for it."""


def alarms(score: Floats, threshold: Floats | float) -> Ints:
    """Minutes at which an alarm opens: at the threshold or above, outside the refractory time of the one before."""
    with np.errstate(invalid="ignore"):
        reached = np.flatnonzero(score >= threshold)
    opened: list[int] = []
    at = 0
    while at < len(reached):
        opened.append(int(reached[at]))
        at = int(np.searchsorted(reached, reached[at] + REFRACTORY_MIN))
    return np.array(opened, dtype=np.int64)


def delay_min(opened: Ints, event: Event) -> float:
    """Minutes from the start of the event to the end of the minute whose alarm found it, NaN where none did."""
    first = int(np.searchsorted(opened, event.start))
    if first == len(opened) or opened[first] > event.end + GRACE_MIN:
        return float("nan")
    return float(opened[first] - event.start + 1)
