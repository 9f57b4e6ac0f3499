"""At rest: no steps and low motion for some minutes, either sensor sufficing.

Neither known for 5 min counts as rest, and whoever uses that says "activity unknown". So does the beginning of the
data, and what follows a gap of over 5 min: rest is assumed there until a sensor tells of movement, or of 2 min of rest.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.slots import FOREVER, NEVER, Bools, Column, Floats, Ints, Table
from schemas.scores import BIN_MS
from stream_processors.operators.gates import MOTION, STEPS

LOW_MOTION_G: Final = 0.1
"""Limit of motion smoothed over a minute. Seated people in Stress-Predict stay below (99 % of minutes under 0.09 g),
walking wrists swing with 0.2 g and more."""
SMOOTHING_S: Final = 60.0
REST_AFTER_MS: Final = 120_000
UNKNOWN_AFTER_MS: Final = 300_000

_BIN_S: Final = BIN_MS / 1000
_WEIGHT: Final = 1.0 - np.array([(1.0 - _BIN_S / SMOOTHING_S) ** bins for bins in range(121)])
"""Weight of a new bin after a gap of so many bins; a table, so that no vectorised `exp` decides a bit."""


@dataclass(frozen=True, slots=True)
class Activity:
    """What is known of one bin's activity, each shape (n,).

    Attributes:
        at_rest: Counts as rest.
        resting_ms: For how long that is known, 0 where rest is assumed from the beginning, or not at rest.
        unknown: No sensor told in the last 5 min, or not yet of 2 min of rest; `at_rest` is then an assumption.
        moving: This bin moves.
    """

    at_rest: Bools
    resting_ms: Ints
    unknown: Bools
    moving: Bools

    def take(self, rows: Ints) -> "Activity":
        """Return some of the rows."""
        return Activity(self.at_rest[rows], self.resting_ms[rows], self.unknown[rows], self.moving[rows])

    def instead(self, where: Bools, other: "Activity") -> "Activity":
        """Return this, with the other's knowledge where asked."""
        return Activity(
            np.where(where, other.at_rest, self.at_rest),
            np.where(where, other.resting_ms, self.resting_ms),
            np.where(where, other.unknown, self.unknown),
            self.moving,
        )


class Rest:
    """Follows the activity of each lane (a wearer or a stream), bin by bin in order."""

    def __init__(self) -> None:
        self.table = Table({
            "motion": Column("f8", np.nan),
            "last_ms": Column("i8", NEVER),
            "known_ms": Column("i8", NEVER),
            "told_ms": Column("i8", NEVER),
            "quiet_ms": Column("i8", FOREVER),
            "assumed": Column("i8", 1),
        })  # fmt: skip

    def follow(self, lane: Ints, end_ms: Ints, start_ms: Ints, values: Floats) -> Activity:
        """Take one bin of each lane.

        `known_ms` is the end of the last bin that told of activity (or the beginning of the data), `quiet_ms` the start
        of quietness, `FOREVER` while moving. A gap of over 5 min begins anew, with rest assumed until it is known.
        """
        table = self.table
        motion, steps = values[:, MOTION], values[:, STEPS]
        last = table["last_ms"][lane]
        gap = start_ms - last
        anew = gap > UNKNOWN_AFTER_MS
        has_motion = ~np.isnan(motion)
        smooth = self._smooth(lane, motion, has_motion, np.where(anew, 0, gap) // BIN_MS + 1, anew)
        known = has_motion | ~np.isnan(steps)
        moving = (steps > 0) | (has_motion & (smooth >= LOW_MOTION_G))
        quiet = np.where(anew, FOREVER, table["quiet_ms"][lane])
        before = np.where(anew, start_ms, table["known_ms"][lane])
        unknown = ~known & (end_ms - before >= UNKNOWN_AFTER_MS)
        quiet = np.where(moving, FOREVER, np.where(known, np.minimum(quiet, start_ms), quiet))
        quiet = np.where(unknown, np.minimum(quiet, before), quiet)
        table["quiet_ms"][lane] = quiet
        table["known_ms"][lane] = np.where(known, end_ms, before)
        table["told_ms"][lane] = np.where(known, end_ms, table["told_ms"][lane])
        table["last_ms"][lane] = end_ms
        assumed = np.where(anew, 1, table["assumed"][lane]) * ~moving * (end_ms - quiet < REST_AFTER_MS)
        table["assumed"][lane] = assumed
        return _activity(end_ms, quiet, unknown, moving, assumed)

    def recall(self, lane: Ints, end_ms: Ints) -> Activity:
        """Return what is known of each lane at these times, from the bins followed so far."""
        table = self.table
        known = table["known_ms"][lane]
        unknown = (known > NEVER) & (end_ms - known >= UNKNOWN_AFTER_MS)
        quiet = np.where(unknown, np.minimum(table["quiet_ms"][lane], known), table["quiet_ms"][lane])
        return _activity(end_ms, quiet, unknown, np.zeros(len(lane), dtype=np.bool_), table["assumed"][lane])

    def silent(self, lane: Ints, end_ms: Ints) -> Bools:
        """Return where no sensor of the lane has told of activity for 5 min."""
        told: Bools = end_ms - self.table["told_ms"][lane] >= UNKNOWN_AFTER_MS
        return told

    def _smooth(self, lane: Ints, motion: Floats, has: Bools, bins: Ints, anew: Bools) -> Floats:
        before = self.table["motion"][lane]
        before = np.where(np.isnan(before) | anew, motion, before)
        weight = _WEIGHT[np.minimum(bins, len(_WEIGHT) - 1)]
        smooth: Floats = np.where(has, before + weight * (motion - before), before)
        self.table["motion"][lane] = smooth
        return smooth

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return the state."""
        return self.table.dump()


def _activity(end_ms: Ints, quiet_ms: Ints, unknown: Bools, moving: Bools, assumed: Ints) -> Activity:
    resting = np.maximum(end_ms - quiet_ms, 0)
    known_rest = resting >= REST_AFTER_MS
    by_default = ~known_rest & (assumed > 0)
    return Activity(known_rest | by_default, np.where(known_rest, resting, 0), unknown | by_default, moving)
