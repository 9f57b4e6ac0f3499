"""PulseNet: one step over a wave of minutes, from what was measured to what it is worth, and to which alert."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.pulsenet.calibration import Calibration
from inference.pulsenet.channels import VITAL_OF
from inference.pulsenet.deviation import Deviation
from inference.pulsenet.inputs import Inputs, Look
from inference.pulsenet.numbers import normal_z
from inference.pulsenet.personal import SCALE_LEAST, UNIT, unscaled
from inference.pulsenet.predictor import Prediction, Predictor
from inference.pulsenet.steps import Steps
from inference.slots import Bools, Column, Floats, Ints, Table


@dataclass(frozen=True, slots=True)
class Judged:
    """What the model says of one wave of minutes.

    Attributes:
        z: Normal deviate of each value in its context, NaN where not judged, shape (n, VITAL_COUNT).
        expected: What was expected, in the registry's units, shape as `z`.
        low: Two scales below it; `high` two above.
        baseline: The wearer's own centre at rest, shape as `z`.
        sudden: Normal deviate against the last observed values, shape as `z`.
        score: By channel, NaN where it says nothing now, shape (n, CHANNEL_COUNT).
        held: The averages behind it, the wearer's own level not taken away, shape as `score`.
        parts: What each vital adds to the joint drift, towards illness, NaN where it has no part, shape as `z`.
        threshold: By channel and tier, shape (n, CHANNEL_COUNT, 2).
        combined: Largest score over its tier-1 threshold, shape (n,).
        flag: Tier 0, shape (n,).
        realised: The wearer's tier-1 alerts a wearer-day so far, NaN before the first whole one; `days` how many.
        known_min: Believed minutes at rest behind the baseline, shape as `z`.
        gate: `inputs.JUDGED` to `inputs.NO_VALUE` for the heart rate, shape (n,).
    """

    z: Floats
    expected: Floats
    low: Floats
    high: Floats
    baseline: Floats
    sudden: Floats
    score: Floats
    held: Floats
    parts: Floats
    threshold: Floats
    combined: Floats
    flag: Bools
    realised: Floats
    days: Floats
    known_min: Floats
    gate: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Without:
    """Parts that an ablation takes away."""

    context: bool = False
    personal: bool = False
    frozen_gate: bool = False
    rest_gate: bool = False
    level: bool = False
    sustained: bool = False


WHOLE: Final = Without()
_OF_THE_MODEL: Final = {("personal", name) for name in ("bias", "stretch", "heard")}
"""What is known of a wearer only together with what the model expects of anybody."""


class PulseNet:
    """The anomaly model: its state is a table by wearer slot for each part."""

    def __init__(self, predictor: Predictor, calibration: Calibration, *, without: Without = WHOLE) -> None:
        """`predictor` knows the context; `calibration` turns scores into thresholds."""
        self.name = predictor.name
        self._predictor = predictor
        self._without = without
        self._calibration = calibration
        self._inputs = Inputs(frozen_gate=not without.frozen_gate)
        self._deviation = Deviation(
            levelled=not without.level, at_rest_only=not without.rest_gate, sustained=not without.sustained
        )
        self._network = Table({"state": Column("f4", 0.0, max(predictor.width, 1))})

    def extend(self, wearers: int) -> None:
        """Make room for wearer slots below `wearers`."""
        for table in self._tables().values():
            table.extend(wearers)

    def step(self, minutes: Steps, *, learn: Bools) -> Judged:
        """Judge one minute of each wearer with what was known before it; then learn where `learn`, (n, VITAL_COUNT)."""
        slot, minute = minutes.slot, minutes.minute
        look = self._inputs.look(minutes)
        told = self._predict(slot, look)
        centre = look.usual.centre
        model_mean, model_scale = centre + UNIT * told.mean, np.maximum(UNIT * told.scale, SCALE_LEAST)
        expected, wide = self._own(look, model_mean, model_scale)
        value = np.where(look.believed, look.compared, np.nan)
        z = normal_z((value - expected) / wide)
        next_scale = np.maximum(UNIT * told.next_scale, SCALE_LEAST)
        sudden = normal_z((value - (centre + UNIT * told.next_mean)) / next_scale)
        deviations = self._deviation.follow(minutes, z, look)
        now = ~np.isnan(z.take(VITAL_OF, axis=1))
        calibrated = self._calibration.judge(slot, minute, minutes.local_min, deviations.score, now=now)
        self._inputs.learn(minutes, look, model_mean, model_scale, may=learn)
        told_of = unscaled(np.stack((expected, expected - 2.0 * wide, expected + 2.0 * wide, centre)))
        return Judged(
            z=z,
            expected=told_of[0],
            low=told_of[1],
            high=told_of[2],
            baseline=told_of[3],
            sudden=sudden,
            score=deviations.score,
            held=deviations.held,
            parts=deviations.parts,
            threshold=calibrated.threshold,
            combined=calibrated.combined,
            flag=calibrated.flag,
            realised=calibrated.realised,
            days=calibrated.days,
            known_min=look.usual.minutes,
            gate=look.gate,
        )

    def _predict(self, slot: Ints, look: Look) -> Prediction:
        state = self._network["state"].take(slot, axis=0)
        told = self._predictor.predict(look.context, look.seen, state)
        self._network["state"][slot] = state
        if not self._without.context:
            return told
        return Prediction(np.zeros_like(told.mean), np.ones_like(told.scale), told.next_mean, told.next_scale)

    def _own(self, look: Look, mean: Floats, scale: Floats) -> tuple[Floats, Floats]:
        """Return what is expected of these wearers, and how widely, from what the model expects of anybody."""
        usual = look.usual
        if not self._without.personal:
            mean = mean + UNIT * usual.bias
            scale = np.maximum(scale * usual.stretch, SCALE_LEAST)
        return mean, np.sqrt(scale * scale + usual.spread * usual.spread)

    def calm(self, wearers: Ints, vitals: Ints) -> None:
        """Forget the deviation of vitals that recovered, each shape (n,), not what is usual for the wearers."""
        self._deviation.calm(wearers, vitals)

    def _tables(self) -> dict[str, Table]:
        return {
            **self._inputs.tables(),
            "deviation": self._deviation.table,
            "nights": self._deviation.nights.table,
            "calibration": self._calibration.table,
            "network": self._network,
        }

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return the state as arrays."""
        return {
            f"{part}.{name}": array for part, table in self._tables().items() for name, array in table.dump().items()
        }

    def load(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take over a dump."""
        parts: dict[str, Table | Calibration] = {**self._tables(), "calibration": self._calibration}
        for part, table in parts.items():
            prefix = f"{part}."
            table.load({name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)})

    def inherit(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take over, of another model's dump, what exists without any model: movement, baselines, what was last seen.

        How far the other model was off for a wearer, its deviations and thresholds say nothing about this one.
        """
        for part, table in self._inputs.tables().items():
            prefix = f"{part}."
            known = {name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)}
            table.load_same({name: a for name, a in known.items() if (part, name) not in _OF_THE_MODEL})
