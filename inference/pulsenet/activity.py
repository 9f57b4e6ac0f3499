"""What is known of a wearer's activity: movement now and lately, and how long ago it was."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.pulsenet.numbers import DAY_WAVES, decays, log_motion, log_steps
from inference.pulsenet.steps import Steps
from inference.slots import NEVER, Bools, Column, Floats, Ints, Table

LOW_MOTION_G: Final = 0.1
"""A minute with more motion moves. Seated people in Stress-Predict stay below, walking wrists swing with 0.2 g."""
SINCE_MOST_MIN: Final = 240
STEP_LEVELS: Final = (1, 20, 80)
"""Steps in a minute from which it counts as moving, as walking, as brisk."""
WARM_UP_MIN: Final = 15
GAP_MIN: Final = 60
"""After so long without data a wearer begins anew: the first `WARM_UP_MIN` minutes say nothing."""
REST_MIN: Final = 15
"""Minutes without movement after which a wearer rests."""
SLEEP_AFTER_MIN: Final = 60
NIGHT: Final = (22 * 60, 8 * 60)
"""So long without movement, in these minutes of the day, counts as sleep: no sensor here tells more."""
STATES: Final = 5
ASLEEP, MOVING, JUST_MOVED, SETTLING, RESTING = range(STATES)

_SETTLING_MIN: Final = 5
_STEP_TAUS_MIN: Final = (1.0, 3.0, 10.0, 30.0, 50.0)
_MOTION_TAUS_MIN: Final = (3.0, 10.0, 50.0)
_BRISK_TAU_MIN: Final = 30.0
_STEP_LEVELS: Final = np.array(STEP_LEVELS)
_STEP_DECAYS: Final = np.stack([decays(tau) for tau in _STEP_TAUS_MIN], axis=1)
_MOTION_DECAYS: Final = np.stack([decays(tau) for tau in _MOTION_TAUS_MIN], axis=1)
_BRISK_DECAY: Final = decays(_BRISK_TAU_MIN)
_STEP_SHARE: Final = np.array([1.0 - math.exp(-1.0 / tau) for tau in _STEP_TAUS_MIN])
_MOTION_SHARE: Final = np.array([1.0 - math.exp(-1.0 / tau) for tau in _MOTION_TAUS_MIN])
_BRISK_SHARE: Final = 1.0 - math.exp(-1.0 / _BRISK_TAU_MIN)
_SINCE: Final = np.array([1.0 / (1.0 + minutes / 10.0) for minutes in range(SINCE_MOST_MIN + 1)])

ACTIVITY_FEATURES: Final = 1 + len(_STEP_TAUS_MIN) + 1 + 1 + len(_MOTION_TAUS_MIN) + 1 + len(STEP_LEVELS) + 1 + 4


@dataclass(frozen=True, slots=True)
class Active:
    """What is known of one wave of minutes, each shape (n,) but `features`.

    Attributes:
        features: Inputs of the prediction, shape (n, ACTIVITY_FEATURES).
        since_min: Minutes since movement, 0 while moving, at most `SINCE_MOST_MIN`.
        state: `ASLEEP` to `RESTING`: how long since movement, and whether it is a long rest at night.
        gap_min: Minutes since the wearer's last step, 1 where there is no gap.
        worn_min: Minutes with data since the last long gap, this one included.
    """

    features: Floats
    since_min: Ints
    state: Ints
    gap_min: Ints
    worn_min: Ints


class Activity:
    """Follows each wearer's movement, minute by minute in order."""

    def __init__(self) -> None:
        self.table = Table({
            "last": Column("i8", NEVER),
            "worn": Column("i8", 0),
            "since": Column("i2", 0, len(STEP_LEVELS)),
            "steps": Column("f8", 0.0, len(_STEP_TAUS_MIN)),
            "motion": Column("f8", 0.0, len(_MOTION_TAUS_MIN)),
            "brisk": Column("f8", 0.0),
        })  # fmt: skip

    def follow(self, minutes: Steps) -> Active:
        """Take one minute of each wearer; a gap is time in which nobody knows of movement, so that none is assumed."""
        table, slot = self.table, minutes.slot
        gap = np.maximum(minutes.minute - table["last"][slot], 1)
        table["last"][slot] = minutes.minute
        worn = np.where(gap > GAP_MIN, 1, table["worn"][slot] + 1)
        table["worn"][slot] = worn
        since = self._since(minutes, gap)
        steps, motion = log_steps(minutes.steps), log_motion(minutes.motion)
        stepped, moved, brisk = self._averages(slot, steps, motion, minutes.steps >= STEP_LEVELS[2], gap)
        steps_known, motion_known = ~np.isnan(minutes.steps), ~np.isnan(minutes.motion)
        features = np.concatenate(
            (
                steps[:, None], stepped, steps_known[:, None],
                motion[:, None], moved, motion_known[:, None],
                _SINCE.take(since), brisk[:, None], DAY_WAVES.take(minutes.local_min, axis=0),
            ),
            axis=1,
        )  # fmt: skip
        moving_for = since[:, 0]
        state = _state(moving_for, minutes.local_min)
        return Active(features, moving_for, state, gap, worn)

    def _since(self, minutes: Steps, gap: Ints) -> Ints:
        swings = minutes.motion >= LOW_MOTION_G
        reached = minutes.steps[:, None] >= _STEP_LEVELS
        reached[:, 0] |= swings
        reached[:, 1] |= minutes.motion >= 2 * LOW_MOTION_G
        before = self.table["since"].take(minutes.slot, axis=0).astype(np.int64)
        grown = np.minimum(before + gap[:, None], SINCE_MOST_MIN)
        since: Ints = np.where(reached, 0, grown)
        self.table["since"][minutes.slot] = since
        return since

    def _averages(
        self, slot: Ints, steps: Floats, motion: Floats, brisk_now: Bools, gap: Ints
    ) -> tuple[Floats, Floats, Floats]:
        table = self.table
        skipped = gap - 1
        stepped, moved = table["steps"].take(slot, axis=0), table["motion"].take(slot, axis=0)
        brisk = table["brisk"][slot]
        if skipped.any():
            stepped *= _STEP_DECAYS.take(skipped, axis=0, mode="clip")
            moved *= _MOTION_DECAYS.take(skipped, axis=0, mode="clip")
            brisk *= _BRISK_DECAY.take(skipped, mode="clip")
        stepped += _STEP_SHARE * (steps[:, None] - stepped)
        moved += _MOTION_SHARE * (motion[:, None] - moved)
        brisk += _BRISK_SHARE * (brisk_now - brisk)
        table["steps"][slot], table["motion"][slot], table["brisk"][slot] = stepped, moved, brisk
        return stepped, moved, brisk


def _state(since_min: Ints, local_min: Ints) -> Ints:
    state = MOVING + (since_min >= 1) + (since_min >= _SETTLING_MIN) + (since_min >= REST_MIN)
    night = (local_min >= NIGHT[0]) | (local_min < NIGHT[1])
    return np.where(night & (since_min >= SLEEP_AFTER_MIN), ASLEEP, state)
