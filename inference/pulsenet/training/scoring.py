"""How well a model says what comes, as it is served: rounded, bounded, and no sharper than the engine believes."""

from typing import Final

import numpy as np
import numpy.typing as npt

from inference.pulsenet.numbers import T_DEGREES
from inference.pulsenet.personal import SCALE_LEAST, UNIT
from inference.pulsenet.predictor import Predictor
from inference.pulsenet.series import VITAL_COUNT
from inference.pulsenet.training.rows import Rows
from inference.slots import Floats

_LEAST: Final = SCALE_LEAST / UNIT


def losses_of(predictor: Predictor, rows: Rows) -> Floats:
    """Return the mean negative log likelihood by half (context, innovation) and vital, shape (2, VITAL_COUNT).

    In `personal.UNIT`, without the constant of Student's t; NaN where a vital has no value.
    """
    lengths = np.diff(rows.starts)
    state = np.zeros((rows.people, max(predictor.width, 1)), dtype=np.float32)
    total, count = np.zeros((2, VITAL_COUNT)), np.zeros(VITAL_COUNT)
    for step in range(int(lengths.max())):
        people = np.flatnonzero(lengths > step)
        place = rows.starts[people] + step
        held: npt.NDArray[np.float32] = state[people]
        told = predictor.predict(rows.context[place].astype(np.float64), rows.seen[place].astype(np.float64), held)
        state[people] = held
        distance = rows.distance[place].astype(np.float64)
        known = ~np.isnan(distance)
        for half, (mean, scale) in enumerate(((told.mean, told.scale), (told.next_mean, told.next_scale))):
            variance = np.square(np.maximum(scale, _LEAST)) + np.square(rows.unsure[place])
            away = np.square(distance - mean) / (T_DEGREES * variance)
            loss = 0.5 * np.log(variance) + 0.5 * (T_DEGREES + 1.0) * np.log1p(away)
            total[half] += np.where(known, loss, 0.0).sum(axis=0)
        count += known.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1.0), np.nan)
