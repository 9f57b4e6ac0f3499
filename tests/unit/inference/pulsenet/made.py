"""Made minutes and models for the tests of the engine."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from inference.pulsenet.activity import STATES
from inference.pulsenet.calibration import Calibration, Population
from inference.pulsenet.channels import CHANNEL_COUNT
from inference.pulsenet.engine import Judged, PulseNet
from inference.pulsenet.features import CONTEXT, SEEN
from inference.pulsenet.predictor import Prediction, Ridge
from inference.pulsenet.series import VITAL_COUNT
from inference.pulsenet.steps import Steps
from inference.slots import Bools, Floats

DAY = 1_440
MIDNIGHT = 20_000 * DAY
NOON = MIDNIGHT + 12 * 60
USUAL = np.array([70.0, 33.1, 40.4, 97.0, 15.0, 33.0, 36.7])
"""The centres that a new wearer has, in the registry's units."""
NOTHING = np.full(VITAL_COUNT, np.nan)


def wave(
    minute: int,
    values: Floats | Mapping[int, float | Floats] | None = None,
    *,
    slot: Sequence[int] = (0,),
    steps: float | Floats = 0.0,
    motion: float | Floats = np.nan,
    gated: Bools | bool = False,
) -> Steps:
    """Return one minute of some wearers in UTC; vitals that are not named are not measured."""
    count = len(slot)
    table = np.full((count, VITAL_COUNT), np.nan)
    if isinstance(values, Mapping):
        for vital, value in values.items():
            table[:, vital] = value
    elif values is not None:
        table[:] = values
    return Steps(
        slot=np.array(slot, dtype=np.int64),
        minute=np.full(count, minute, dtype=np.int64),
        local_min=np.full(count, minute % DAY, dtype=np.int64),
        values=table,
        steps=np.broadcast_to(np.asarray(steps, dtype=np.float64), (count,)).copy(),
        motion=np.broadcast_to(np.asarray(motion, dtype=np.float64), (count,)).copy(),
        gated=np.broadcast_to(np.asarray(gated), (count, VITAL_COUNT)).copy()
        if np.ndim(gated) != 1
        else np.repeat(np.asarray(gated)[:, None], VITAL_COUNT, axis=1),
    )


def ridge(seed: int | None = None) -> Ridge:
    """Return a linear model: of random weights, or one that expects everybody at their own centre."""
    shapes = {
        "mean": (CONTEXT + 1, VITAL_COUNT), "log_scale": (CONTEXT + 1, VITAL_COUNT),
        "next_mean": (CONTEXT + SEEN + 1, VITAL_COUNT), "next_log_scale": (CONTEXT + SEEN + 1, VITAL_COUNT),
    }  # fmt: skip
    random = np.random.default_rng(seed)
    weights = {
        name: np.zeros(shape) if seed is None else random.normal(0.0, 0.05, shape) for name, shape in shapes.items()
    }
    for name in ("log_scale", "next_log_scale"):
        weights[name][-1] -= 0.5
    return Ridge(weights, name="made 1")


class Spy:
    """A linear model that keeps what it was asked."""

    name = "spy"

    def __init__(self, width: int = 0) -> None:
        self.width = width
        self.asked: list[bytes] = []
        self.told: list[bytes] = []
        self._ridge = ridge(5)

    def predict(self, context: Floats, seen: Floats, state: npt.NDArray[np.float32]) -> Prediction:
        """Return the linear model's answer."""
        told = self._ridge.predict(context, seen, state)
        self.asked.append(context.tobytes())
        self.told.append(told.mean.tobytes() + told.scale.tobytes())
        return told


def population() -> Population:
    """Return thresholds from a hundred days whose largest scores lie between 0.5 and 1.8."""
    maxima = np.tile(np.linspace(0.5, 1.8, 100)[:, None], (1, CHANNEL_COUNT))
    return Population.of(maxima, flag=0.5, source="made")


def engine(wearers: int, *, seed: int | None = None) -> PulseNet:
    """Return a model with room for some wearers."""
    model = PulseNet(ridge(seed), Calibration(population()))
    model.extend(wearers)
    return model


def acquaint(model: PulseNet, wearers: int) -> None:
    """Make wearers known for weeks, all of them with the usual centres."""
    personal = model._inputs._personal.table
    personal["minutes"][:wearers] = 5_000.0
    personal["heard"][:wearers] = np.full(STATES * VITAL_COUNT, 2_000.0)


def live(model: PulseNet, waves: Iterable[Steps], *, learn: bool | Bools = True) -> list[Judged]:
    """Return what a model says of waves, one after the other."""
    told = []
    for minutes in waves:
        may = np.broadcast_to(np.asarray(learn), (len(minutes.slot), VITAL_COUNT))
        told.append(model.step(minutes, learn=may))
    return told
