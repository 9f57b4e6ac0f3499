"""What is known before a model is asked: gates, activity, what is usual for the wearer, and the features from them."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.pulsenet.activity import WARM_UP_MIN, Active, Activity
from inference.pulsenet.features import LastSeen, context_features
from inference.pulsenet.frozen import Frozen
from inference.pulsenet.personal import UNIT, Personal, Usual, scaled
from inference.pulsenet.series import HEART_RATE
from inference.pulsenet.steps import Steps
from inference.slots import Bools, Floats, Ints, Table

_LOWEST: Final = np.array([25.0, 0.5, 0.5, 50.0, 4.0, 10.0, 25.0])
_HIGHEST: Final = np.array([230.0, 1_000.0, 1_000.0, 100.5, 60.0, 45.0, 45.0])
"""What lies on or beyond is no measurement: a sensor without contact tells 0, or the end of its range."""

JUDGED, WARMING_UP, FROZEN, GATED, NO_VALUE = range(5)
"""Why the heart rate of a minute may be judged or not."""


@dataclass(frozen=True, slots=True)
class Look:
    """One wave of minutes, looked at.

    Attributes:
        active: What is known of movement.
        usual: What is usual for these wearers.
        context: Inputs that know nothing of present or past values, shape (n, features.CONTEXT).
        seen: What was observed last, shape (n, features.SEEN).
        since: Minutes since a value of the vital was last believed, shape (n, VITAL_COUNT).
        compared: Values as the model compares them, shape (n, VITAL_COUNT).
        believed: Where a value was measured and passed the gates, shape (n, VITAL_COUNT).
        trust: How much the heart rate counts, 0 to 1, shape (n,).
        gate: `JUDGED` to `NO_VALUE` for the heart rate, shape (n,).
    """

    active: Active
    usual: Usual
    context: Floats
    seen: Floats
    since: Ints
    compared: Floats
    believed: Bools
    trust: Floats
    gate: Ints

    @property
    def distance(self) -> Floats:
        """How far values lie from the wearer's centre, in `personal.UNIT`: what a model predicts."""
        away: Floats = (self.compared - self.usual.centre) / UNIT
        return away


class Inputs:
    """The parts of the state that exist without any model."""

    def __init__(self, *, frozen_gate: bool = True) -> None:
        """`frozen_gate` may be taken away, to learn what it is worth."""
        self._frozen_gate = frozen_gate
        self._frozen = Frozen()
        self._activity = Activity()
        self._personal = Personal()
        self._last = LastSeen()

    def look(self, minutes: Steps) -> Look:
        """Take one minute of each wearer, in order of time."""
        frozen, trust = self._frozen.judge(minutes)
        active = self._activity.follow(minutes)
        measured = (minutes.values > _LOWEST) & (minutes.values < _HIGHEST)
        warming = active.worn_min <= WARM_UP_MIN
        believed = measured & ~minutes.gated
        believed[:, HEART_RATE] &= ~(warming | frozen) if self._frozen_gate else ~warming
        since = self._last.since(minutes.slot, minutes.minute)
        usual = self._personal.usual(minutes.slot, active.state)
        return Look(
            active=active,
            usual=usual,
            context=context_features(active, usual, measured),
            seen=self._last.features(minutes.slot, since),
            since=since,
            compared=scaled(minutes.values),
            believed=believed,
            trust=trust if self._frozen_gate else np.ones_like(trust),
            gate=_gate(measured[:, HEART_RATE], warming, frozen, believed[:, HEART_RATE]),
        )

    def learn(self, minutes: Steps, look: Look, expected: Floats, scale: Floats, *, may: Bools) -> None:
        """Remember what was seen, and learn what is usual where `may`, shape (n, VITAL_COUNT).

        `expected` and `scale` are the model's, without the wearer's own bias and stretch.
        """
        self._last.see(minutes.slot, minutes.minute, look.compared, look.usual, look.believed)
        self._personal.learn(minutes.slot, look.compared, look.active, expected, scale, may=look.believed & may)

    def tables(self) -> dict[str, Table]:
        """Return the state."""
        return {
            "frozen": self._frozen.table,
            "activity": self._activity.table,
            "personal": self._personal.table,
            "last": self._last.table,
        }


def _gate(measured: Bools, warming: Bools, frozen: Bools, believed: Bools) -> Ints:
    """Return the first reason that holds."""
    gate = np.where(believed, JUDGED, GATED)
    gate[frozen] = FROZEN
    gate[warming] = WARMING_UP
    gate[~measured] = NO_VALUE
    return gate
