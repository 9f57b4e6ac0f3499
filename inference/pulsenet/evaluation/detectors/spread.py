"""What the predicted spread is worth: the same model with one spread for every minute in its place."""

from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from inference.physiology.minutes import simulate_minutes
from inference.pulsenet.calibration import Calibration
from inference.pulsenet.engine import PulseNet
from inference.pulsenet.offline import Grid
from inference.pulsenet.predictor import Prediction, Predictor
from inference.pulsenet.series import VITAL_COUNT
from inference.pulsenet.weights.loading import Kind, population, predictor
from inference.slots import Floats

PEOPLE: Final = 12
DAYS: Final = 2
SEED: Final = 31
"""Of the made people over whose minutes the predicted spread is averaged."""


class Constant:
    """Expects what a model expects, always as widely as that model does on average."""

    def __init__(self, model: Predictor, scale: Floats) -> None:
        """`scale` is that of the context by vital, in the model's units, shape (VITAL_COUNT,)."""
        self.name = model.name
        self.width = model.width
        self._model = model
        self._scale = scale

    def predict(self, context: Floats, seen: Floats, state: npt.NDArray[np.float32]) -> Prediction:
        """Return the model's means with the one spread; the next minute's is left as it is, for it decides nothing."""
        told = self._model.predict(context, seen, state)
        return Prediction(told.mean, np.broadcast_to(self._scale, told.scale.shape), told.next_mean, told.next_scale)


def constant(kind: Kind, folder: Path) -> Constant:
    """Return a model that has lost its predicted spread."""
    return Constant(predictor(kind, folder=folder), _average(kind, folder))


@lru_cache(maxsize=2)
def _average(kind: Kind, folder: Path) -> Floats:
    """Return the geometric mean of the predicted spread over made people's minutes, shape (VITAL_COUNT,)."""
    told = _Noted(predictor(kind, folder=folder))
    engine, grid = (
        PulseNet(told, Calibration(population(kind, folder=folder))),
        Grid(simulate_minutes(PEOPLE, DAYS, seed=SEED)),
    )
    engine.extend(PEOPLE)
    for row in range(grid.minutes):
        slots = np.flatnonzero(grid.known[row])
        if len(slots):
            engine.step(grid.minute(slots, row), learn=np.ones((len(slots), VITAL_COUNT), dtype=np.bool_))
    return np.exp(told.logs / told.rows)


class _Noted:
    """Lets a model predict, and sums up how widely."""

    def __init__(self, model: Predictor) -> None:
        self.name = model.name
        self.width = model.width
        self.logs = np.zeros(VITAL_COUNT)
        self.rows = 0
        self._model = model

    def predict(self, context: Floats, seen: Floats, state: npt.NDArray[np.float32]) -> Prediction:
        told = self._model.predict(context, seen, state)
        self.logs += np.log(told.scale).sum(axis=0)
        self.rows += len(told.scale)
        return told
