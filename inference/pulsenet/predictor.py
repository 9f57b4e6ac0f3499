"""What a model of the context says of each vital: the contract, and the linear model."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from inference.pulsenet.numbers import exponential
from inference.pulsenet.series import VITAL_COUNT
from inference.slots import Floats

PAD_ROWS: Final = 512
"""A model always runs on so many rows, so that no row's answer depends on how many came with it."""
_ROUND: Final = 1_000.0
_LOG_MOST: Final = 1.3
_SCALES: Final = exponential(np.arange(-_LOG_MOST * _ROUND, _LOG_MOST * _ROUND + 1) / _ROUND)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What is expected in this context, in `personal.UNIT` around the wearer's centre, each shape (n, VITAL_COUNT).

    Attributes:
        mean: From movement, time of day and baselines alone: it cannot follow what it is to find.
        scale: Scale of a Student t with five degrees of freedom.
        next_mean: From the last observed values too: what the next minute should bring.
        next_scale: Its scale.
    """

    mean: Floats
    scale: Floats
    next_mean: Floats
    next_scale: Floats


class Predictor(Protocol):
    """A model of the context. Its state per wearer is `width` numbers, 0 where it has none."""

    name: str
    width: int

    def predict(self, context: Floats, seen: Floats, state: npt.NDArray[np.float32]) -> Prediction:
        """Return what is expected, and move the state on in place, shape (n, width).

        `context` has the shape (n, features.CONTEXT), `seen` (n, features.SEEN).
        """
        ...


def rounded(values: Floats) -> Floats:
    """Return predictions to the thousandth, so that a last bit that differs between machines decides nothing."""
    whole: Floats = np.rint(values * _ROUND) / _ROUND
    return whole


def scale_of(logs: Floats) -> Floats:
    """Return scales from their logarithms to the thousandth, between e ** -1.3 and e ** 1.3 units."""
    place = np.rint(np.minimum(np.maximum(logs, -_LOG_MOST), _LOG_MOST) * _ROUND).astype(np.int64)
    scales: Floats = _SCALES.take(place + len(_SCALES) // 2)
    return scales


class Ridge:
    """A linear model of mean and log scale."""

    width = 0

    def __init__(self, weights: Mapping[str, npt.NDArray[Any]], *, name: str) -> None:
        """`weights`: mean, log_scale (CONTEXT + 1, VITAL_COUNT); next_mean, next_log_scale with SEEN more rows."""
        self.name = name
        self._now = np.concatenate((weights["mean"], weights["log_scale"]), axis=1)
        self._next = np.concatenate((weights["next_mean"], weights["next_log_scale"]), axis=1)

    def predict(self, context: Floats, seen: Floats, state: npt.NDArray[np.float32]) -> Prediction:
        """Return what is expected; there is no state."""
        del state
        now = _linear(context, self._now)
        later = _linear(np.concatenate((context, seen), axis=1), self._next)
        return Prediction(
            mean=rounded(now[:, :VITAL_COUNT]),
            scale=scale_of(now[:, VITAL_COUNT:]),
            next_mean=rounded(later[:, :VITAL_COUNT]),
            next_scale=scale_of(later[:, VITAL_COUNT:]),
        )


def _linear(features: Floats, weights: npt.NDArray[np.float64]) -> Floats:
    parts = []
    for start in range(0, len(features), PAD_ROWS):
        padded = np.zeros((PAD_ROWS, len(weights)))
        part = features[start : start + PAD_ROWS]
        padded[: len(part), :-1] = part
        padded[:, -1] = 1.0
        parts.append((padded @ weights)[: len(part)])
    return np.concatenate(parts) if len(parts) != 1 else parts[0]
