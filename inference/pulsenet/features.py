"""The inputs of a model, in their fixed order.

Context: movement and time of day (`activity.ACTIVITY_FEATURES`), the wearer's baseline of four vitals and what is not
known of it yet, and which vitals were measured in this minute. Nothing in it comes from the present value of a vital.
Seen: each vital's last observed distance from the wearer's centre, and how long ago that was.
"""

from typing import Final

import numpy as np

from inference.pulsenet.activity import ACTIVITY_FEATURES, Active
from inference.pulsenet.personal import PRIOR_CENTRE, PRIOR_SPREAD, UNIT, Usual
from inference.pulsenet.series import HEART_RATE, RESPIRATORY_RATE, SKIN_TEMPERATURE, SPO2, VITAL_COUNT
from inference.slots import Bools, Column, Floats, Ints, Table

ABSOLUTE: Final = (HEART_RATE, SPO2, RESPIRATORY_RATE, SKIN_TEMPERATURE)
CONTEXT: Final = ACTIVITY_FEATURES + 2 * len(ABSOLUTE) + VITAL_COUNT
SEEN: Final = 2 * VITAL_COUNT

LONG_AGO: Final = -(2**30)
"""A minute before every minute, in 32 bits."""
_FAR: Final = 6.0
_SINCE_MOST: Final = 240
_SINCE: Final = np.array([1.0 / (1.0 + minutes / 5.0) for minutes in range(_SINCE_MOST + 1)])
_ABSOLUTE: Final = np.array(ABSOLUTE)


def context_features(active: Active, usual: Usual, measured: Bools) -> Floats:
    """Return the context of a wave, shape (n, CONTEXT)."""
    centre = (usual.centre - PRIOR_CENTRE).take(_ABSOLUTE, axis=1) / PRIOR_SPREAD[_ABSOLUTE]
    spread = (usual.spread / PRIOR_SPREAD).take(_ABSOLUTE, axis=1)
    return np.concatenate((active.features, centre, spread, measured), axis=1)


class LastSeen:
    """Each vital's last observed distance from the centre, in `personal.UNIT`, and when it was."""

    def __init__(self) -> None:
        self.table = Table({
            "distance": Column("f4", 0.0, VITAL_COUNT),
            "minute": Column("i4", LONG_AGO, VITAL_COUNT),
        })  # fmt: skip

    def since(self, slot: Ints, minute: Ints) -> Ints:
        """Return for how many minutes no value of a vital was believed, shape (n, VITAL_COUNT)."""
        since: Ints = minute[:, None] - self.table["minute"].take(slot, axis=0).astype(np.int64)
        return since

    def features(self, slot: Ints, since: Ints) -> Floats:
        """Return what was seen before this minute, shape (n, SEEN)."""
        ago = _SINCE.take(np.minimum(np.maximum(since, 0), _SINCE_MOST))
        return np.concatenate((self.table["distance"].take(slot, axis=0), ago), axis=1)

    def see(self, slot: Ints, minute: Ints, compared: Floats, usual: Usual, believed: Bools) -> None:
        """Take the values of this minute that are believed."""
        table = self.table
        distance = np.minimum(np.maximum((compared - usual.centre) / UNIT, -_FAR), _FAR)
        table["distance"][slot] = np.where(believed, distance, table["distance"].take(slot, axis=0))
        table["minute"][slot] = np.where(believed, minute[:, None], table["minute"].take(slot, axis=0))
