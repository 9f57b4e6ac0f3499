"""What a linear model of activity and time of day does not explain."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.pulsenet.evaluation.detectors.personal import day_phase, usual
from inference.pulsenet.evaluation.detectors.rest import both, cut
from inference.pulsenet.evaluation.detectors.smoothing import Smoothing, followed, lagged, smoothed
from inference.pulsenet.evaluation.grid import Grid, grid
from inference.pulsenet.evaluation.protocol import Sided
from inference.pulsenet.numbers import normal_z
from inference.pulsenet.series import Series
from inference.slots import Floats

PENALTY: Final = 1.0
SPANS_MIN: Final = (1, 3, 10, 30, 50)
LEAST_SCALE_BPM: Final = 4.0
GATE_MIN: Final = 8
FAST: Final = Smoothing(rate=0.25, fade=0.9)
LEVEL: Final = Smoothing(rate=1 / 60)
LEVEL_LAG_MIN: Final = 20
_FROM_FIRST_GUESS_BPM: Final = 75.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A linear model of the heart rate above the wearer's own, and of the size of what is left.

    Attributes:
        mean: Coefficients of the features, shape (F,).
        log_scale: Coefficients of the logarithm of the absolute remainder, shape (F,).
    """

    mean: Floats
    log_scale: Floats

    @classmethod
    def of(cls, population: Sequence[Series]) -> "Explained":
        """Fit both by ridge regression."""
        laid = grid(population)
        x, y = features(laid), above_own(laid)
        told = np.isfinite(y)
        mean = _ridge(x[told], y[told])
        left = np.abs(y[told] - x[told] @ mean)
        return cls(mean=mean, log_scale=_ridge(x[told], np.log(left + 0.5)))

    def z(self, laid: Grid) -> Floats:
        """The remainder as the normal deviate of its Student t, NaN where the rate is not believed, shape (N, T)."""
        x = features(laid)
        scale = np.maximum(np.exp(x @ self.log_scale) / _MEDIAN_ABSOLUTE, LEAST_SCALE_BPM)
        return normal_z((above_own(laid) - x @ self.mean) / scale)


_MEDIAN_ABSOLUTE: Final = 0.6745
"""Of a standard normal: the mean of the logarithm lies near the median's."""


class RidgeLevel:
    """The remainder at rest smoothed, less its own level of the last hour: the strongest of the simple detectors."""

    name = "ridge + gate + level"

    def __init__(self, explained: Explained) -> None:
        self._explained = explained

    def scores(self, series: Sequence[Series]) -> Sequence[Sided]:
        """Fast average at rest minus the lagged level on the same side."""
        laid = grid(series)
        z = self._explained.z(laid)
        fast, _ = both(np.where(laid.step_free >= GATE_MIN, z, np.nan), FAST)
        level = np.nan_to_num(lagged(smoothed(z, LEVEL), LEVEL_LAG_MIN))
        return cut(fast - np.maximum(level, 0.0), -fast - np.maximum(-level, 0.0), laid)


class RidgeGate:
    """The remainder at rest, smoothed."""

    name = "ridge + gate"

    def __init__(self, explained: Explained) -> None:
        self._explained = explained

    def scores(self, series: Sequence[Series]) -> Sequence[Sided]:
        """Fast average at rest."""
        laid = grid(series)
        return cut(*both(np.where(laid.step_free >= GATE_MIN, self._explained.z(laid), np.nan), FAST), laid)


class RidgeResidual:
    """The remainder of every minute, neither gated nor smoothed."""

    name = "ridge residual"

    def __init__(self, explained: Explained) -> None:
        self._explained = explained

    def scores(self, series: Sequence[Series]) -> Sequence[Sided]:
        """The remainder in predicted spreads."""
        laid = grid(series)
        z = self._explained.z(laid)
        return cut(z, -z, laid)


def features(laid: Grid) -> Floats:
    """A constant, the steps of now and of longer averages, and the time of day, shape (N, T, F)."""
    steps = np.log1p(laid.steps)
    averages = [np.log1p(followed(laid.steps, Smoothing(rate=1 / span))) for span in SPANS_MIN[1:]]
    return np.stack([np.ones_like(steps), steps, *averages, *day_phase(laid)], axis=-1)


def above_own(laid: Grid) -> Floats:
    """The rate above the wearer's own usual rate awake, or above a first guess until that is known, shape (N, T)."""
    centre, _ = usual(laid)
    return laid.rate - np.where(np.isfinite(centre), centre, _FROM_FIRST_GUESS_BPM)


def _ridge(x: Floats, y: Floats) -> Floats:
    return np.asarray(np.linalg.solve(x.T @ x + PENALTY * np.eye(x.shape[1]), x.T @ y), dtype=np.float64)
