"""A logistic regression by Newton's method, and how reliable its probabilities are."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.slots import Bools, Floats, Ints

SHRINK: Final = 1.0
"""Weight of the squared weights beside the likelihood."""
_ROUNDS: Final = 60
_ENOUGH: Final = 1e-10
BINS: Final = 10


def fit(features: Floats, right: Bools, *, shrink: float = SHRINK) -> Floats:
    """Return the weights of the features, and last the constant, that is not shrunk."""
    rows = np.column_stack([features, np.ones(len(features))])
    weights = np.zeros(rows.shape[1])
    penalty = np.append(np.full(features.shape[1], shrink), 1e-6)
    for _ in range(_ROUNDS):
        p = _logistic(rows @ weights)
        slope = rows.T @ (right - p) - penalty * weights
        bend = (rows * (p * (1 - p))[:, None]).T @ rows + np.diag(penalty)
        step = np.linalg.solve(bend, slope)
        weights += step
        if np.abs(step).max() < _ENOUGH:
            break
    return weights


def probabilities(features: Floats, weights: Floats) -> Floats:
    """Return the probability of each row."""
    return _logistic(features @ weights[:-1] + weights[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Reliability:
    """Ten equal ranges of the probability: how many windows, what was said on average, what came true."""

    count: Ints
    said: Floats
    true: Floats

    @property
    def error(self) -> float:
        """The expected calibration error: by how much said and true differ, weighted by the windows."""
        held = self.count > 0
        return float(np.average(np.abs(self.said - self.true)[held], weights=self.count[held]))


def reliability(said: Floats, right: Bools) -> Reliability:
    """Return how often what was said with which probability came true."""
    place = np.minimum((said * BINS).astype(np.int64), BINS - 1)
    count = np.bincount(place, minlength=BINS)
    some = np.maximum(count, 1)
    return Reliability(
        count=count,
        said=np.bincount(place, weights=said, minlength=BINS) / some,
        true=np.bincount(place, weights=right.astype(np.float64), minlength=BINS) / some,
    )


def _logistic(score: Floats) -> Floats:
    value: Floats = 1 / (1 + np.exp(-np.clip(score, -30, 30)))
    return value
