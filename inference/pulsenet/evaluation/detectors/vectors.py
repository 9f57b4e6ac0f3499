"""Detectors of unusual vectors: heart rate, activity and time of day together."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from inference.pulsenet.evaluation.detectors.personal import day_phase
from inference.pulsenet.evaluation.detectors.rest import SEDENTARY_MIN, cut, personal_z
from inference.pulsenet.evaluation.detectors.smoothing import Smoothing, followed, smoothed
from inference.pulsenet.evaluation.detectors.trees import HalfSpaces
from inference.pulsenet.evaluation.grid import Grid, grid
from inference.pulsenet.evaluation.protocol import Sided
from inference.pulsenet.series import Series
from inference.slots import Bools, Floats

EXPLAINED: Final = 0.8
TREES: Final = 100
ROWS_MOST: Final = 200_000
HST_TREES: Final = 25
HST_HEIGHT: Final = 8
HST_WINDOW: Final = 1440
_Z_RANGE: Final = 8.0


def vectors(laid: Grid) -> tuple[Floats, Bools]:
    """Deviation now and smoothed, steps now and lately, minutes without steps, time of day, shape (N, T, 9).

    And where the first of them is known, shape (N, T).
    """
    z = personal_z(laid)
    known = np.isfinite(z)
    recent = [np.log1p(followed(laid.steps, Smoothing(rate=1 / span))) for span in (10, 30)]
    smooth = smoothed(z, Smoothing(rate=0.2, fade=0.9))
    free = np.log1p(np.minimum(laid.step_free, 240))
    columns = [np.nan_to_num(z), smooth, np.log1p(laid.steps), *recent, free, *day_phase(laid)[:3]]
    return np.stack(columns, axis=-1), known


def by_side(score: Floats, smooth: Floats, known: Bools, laid: Grid) -> list[Sided]:
    """A score of 0 and more at rest, for the side on which the smoothed deviation lies.

    Movement is unusual too: without the gate it is what such a score finds.
    """
    judged, up = known & (laid.step_free >= SEDENTARY_MIN), smooth >= 0
    high = np.where(judged, np.where(up, score, 0.0), np.nan)
    low = np.where(judged, np.where(up, 0.0, score), np.nan)
    return cut(high, low, laid)


class PcaResidual:
    """Distance from the plane in which most of the population's variance lies (Jackson & Mudholkar, 1979)."""

    name = "PCA residual"

    def __init__(self, population: Sequence[Series]) -> None:
        laid = grid(population)
        x, known = vectors(laid)
        rows = x[known]
        self._centre, self._scale = rows.mean(axis=0), rows.std(axis=0)
        values, axes = np.linalg.eigh(np.cov(((rows - self._centre) / self._scale).T))
        share = np.cumsum(values[::-1]) / values.sum()
        kept = int(np.searchsorted(share, EXPLAINED)) + 1
        self._left = axes[:, : axes.shape[1] - kept]

    def scores(self, series: Sequence[Series]) -> Sequence[Sided]:
        """Length of the remainder."""
        laid = grid(series)
        x, known = vectors(laid)
        left = ((x - self._centre) / self._scale) @ self._left
        return by_side(np.linalg.norm(left, axis=-1), x[..., 1], known, laid)


class IsolationForestRows:
    """How few cuts single a vector out (Liu et al., 2008)."""

    name = "isolation forest"

    def __init__(self, population: Sequence[Series], *, seed: int) -> None:
        from sklearn.ensemble import IsolationForest

        x, known = vectors(grid(population))
        rows = x[known]
        chosen = np.random.default_rng(seed).permutation(len(rows))[:ROWS_MOST]
        self._forest: Any = IsolationForest(n_estimators=TREES, random_state=seed).fit(rows[chosen])

    def scores(self, series: Sequence[Series]) -> Sequence[Sided]:
        """Anomaly score, 0 to 1."""
        laid = grid(series)
        x, known = vectors(laid)
        score = np.full(known.shape, np.nan)
        score[known] = -self._forest.score_samples(x[known])
        return by_side(score, x[..., 1], known, laid)


class HalfSpaceTrees:
    """Half-space trees that learn each wearer as the minutes come (Tan, Ting & Liu, 2011)."""

    name = "half-space trees"

    def __init__(self, *, seed: int) -> None:
        self._trees = HalfSpaces.drawn(3, trees=HST_TREES, height=HST_HEIGHT, window=HST_WINDOW, seed=seed)

    def scores(self, series: Sequence[Series]) -> Sequence[Sided]:
        """Anomaly score, 0 to 1."""
        laid = grid(series)
        x, known = vectors(laid)
        told = x[..., :3].copy()
        told[..., :2] = np.clip(0.5 + told[..., :2] / (2 * _Z_RANGE), 0.0, 1.0)
        told[..., 2] = np.clip(told[..., 2] / np.log1p(200.0), 0.0, 1.0)
        score = np.full(known.shape, np.nan)
        for row in range(len(told)):
            score[row, known[row]] = self._trees.scores(told[row, known[row]])
        return by_side(score, x[..., 1], known, laid)
