"""When a score becomes an alarm, and which events it finds."""

from typing import Final

import numpy as np

from inference.pulsenet.calibration import REFRACTORY_MIN
from inference.pulsenet.evaluation.injection import Event
from inference.slots import Floats, Ints

GRACE_MIN: Final = 5
"""An alarm that opens so shortly after the end of an event still counts for it."""


def alarms(score: Floats, threshold: Floats | float) -> Ints:
    """Minutes at which an alarm opens: at the threshold or above, and so for the first time in `REFRACTORY_MIN`.

    What stays at the threshold, or comes back to it sooner, is one alarm: so the model counts what it promises, and so
    its episodes open.
    """
    with np.errstate(invalid="ignore"):
        reached = np.flatnonzero(score >= threshold)
    ago = np.diff(reached, prepend=-REFRACTORY_MIN)
    return reached[ago >= REFRACTORY_MIN]


def delay_min(opened: Ints, event: Event) -> float:
    """Minutes from the start of the event to the end of the minute whose alarm found it, NaN where none did."""
    first = int(np.searchsorted(opened, event.start))
    if first == len(opened) or opened[first] > event.end + GRACE_MIN:
        return float("nan")
    return float(opened[first] - event.start + 1)
