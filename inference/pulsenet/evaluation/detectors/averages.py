"""Detectors that sum up the deviation from the wearer's own usual rate."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from inference.pulsenet.evaluation.detectors.rest import REST_MIN, both, cut, personal_z
from inference.pulsenet.evaluation.detectors.smoothing import Smoothing
from inference.pulsenet.evaluation.grid import grid
from inference.pulsenet.evaluation.protocol import Sided
from inference.pulsenet.series import Series
from inference.slots import Floats

SLACK: Final = 1.0
SUM_MOST: Final = 10_000.0


class PersonalZ:
    """The deviation of every minute, whatever the wearer does."""

    name = "personal z"

    def scores(self, series: Sequence[Series]) -> Sequence[Sided]:
        """The deviation and its negative."""
        laid = grid(series)
        z = personal_z(laid)
        return cut(z, -z, laid)


class Ewma:
    """The same, smoothed exponentially."""

    name = "EWMA .2"

    def scores(self, series: Sequence[Series]) -> Sequence[Sided]:
        """Smoothed z of all minutes."""
        laid = grid(series)
        return cut(*both(personal_z(laid), Smoothing(rate=0.2, fade=0.9)), laid)


class Cusum:
    """Cumulative sums (Page, 1954) of the deviation at rest, with a slack of one spread on each side."""

    name = "rest-gated z, CUSUM k=1"

    def scores(self, series: Sequence[Series]) -> Sequence[Sided]:
        """The sums; they wait while the wearer moves or nothing is believed."""
        laid = grid(series)
        z = np.where(laid.step_free >= REST_MIN, personal_z(laid), np.nan)
        known = np.isfinite(z)
        return cut(np.where(known, _sums(z), np.nan), np.where(known, _sums(-z), np.nan), laid)


def _sums(z: Floats) -> Floats:
    step = np.ascontiguousarray(np.where(np.isfinite(z), z - SLACK, 0.0).T)
    sums = np.empty_like(step)
    state = np.zeros(step.shape[1])
    for minute, change in enumerate(step):
        state = np.clip(state + change, 0.0, SUM_MOST)
        sums[minute] = state
    return np.ascontiguousarray(sums.T)
