"""The linear model: mean and log scale of each vital by iteratively reweighted least squares for a Student t."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.pulsenet.numbers import T_DEGREES
from inference.pulsenet.series import VITAL_COUNT
from inference.pulsenet.training.rows import Rows, Tellable
from inference.slots import Floats

Weights = npt.NDArray[Any]

_PENALTY: Final = 30.0
_ROUNDS: Final = 4
_ROWS_MOST: Final = 600_000
_REAL_TIMES: Final = 40
_LEAST: Final = 0.05
_LOG_MEAN: Final = -0.5
"""About the mean of ln |x| of a Student t with five degrees of freedom and scale 1 (simulated: -0.53)."""


def fit(made: Rows, real: Rows | None = None, *, seed: int, told: Tellable | None = None) -> dict[str, Weights]:
    """Return the weights of `predictor.Ridge`: columns of a vital that is nowhere measured predict the prior.

    Minutes of `real` people count `_REAL_TIMES`, as there are few of them.
    """
    count = len(made.context)
    chosen = np.sort(np.random.default_rng(seed).choice(count, min(count, _ROWS_MOST), replace=False))
    context, seen, distance = made.context[chosen], made.seen[chosen], made.distance[chosen]
    if real is not None:
        context, seen, distance = (
            np.concatenate((some, np.repeat(few, _REAL_TIMES, axis=0)))
            for some, few in ((context, real.context), (seen, real.seen), (distance, real.distance))
        )
    mean, log_scale = _both(context, distance)
    if told is not None:
        told(1, 2)
    later, log_later = _both(np.concatenate((context, seen), axis=1), distance)
    return {"mean": mean, "log_scale": log_scale, "next_mean": later, "next_log_scale": log_later}


def _both(features: npt.NDArray[np.float32], distance: npt.NDArray[np.float32]) -> tuple[Floats, Floats]:
    width = features.shape[1] + 1
    mean, log_scale = np.zeros((width, VITAL_COUNT)), np.zeros((width, VITAL_COUNT))
    for vital in range(VITAL_COUNT):
        told = ~np.isnan(distance[:, vital])
        if told.sum() < width:
            continue
        inputs = np.concatenate((features[told], np.ones((int(told.sum()), 1), dtype=np.float32)), axis=1)
        mean[:, vital], log_scale[:, vital] = _robust(inputs, distance[told, vital].astype(np.float64))
    return mean, log_scale


def _robust(inputs: npt.NDArray[np.float32], target: Floats) -> tuple[Floats, Floats]:
    scale: Floats = np.ones(len(target))
    weight: Floats = np.ones(len(target))
    mean: Floats = np.zeros(inputs.shape[1])
    log_scale = mean
    for _ in range(_ROUNDS):
        mean = _solve(inputs, target, weight / (scale * scale))
        left = np.asarray(target - inputs @ mean, dtype=np.float64)
        log_scale = _solve(inputs, np.log(np.maximum(np.abs(left), _LEAST)) - _LOG_MEAN, np.ones(len(target)))
        scale = np.exp(np.clip(inputs @ log_scale, -2.0, 2.0)).astype(np.float64)
        ratio = np.square(left / scale)
        weight = ((T_DEGREES + 1.0) / (T_DEGREES + ratio)).astype(np.float64)
    return mean, log_scale


def _solve(inputs: npt.NDArray[np.float32], target: Floats, weight: Floats) -> Floats:
    weighted = inputs * weight[:, None].astype(np.float32)
    normal = (weighted.T @ inputs).astype(np.float64)
    penalty = np.full(len(normal), _PENALTY)
    penalty[-1] = 0.0
    right = np.asarray(weighted.T.astype(np.float64) @ target, dtype=np.float64)
    return np.asarray(np.linalg.solve(normal + np.diag(penalty), right), dtype=np.float64)
