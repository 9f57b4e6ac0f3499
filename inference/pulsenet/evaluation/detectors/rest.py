"""Detectors that look at the heart rate at rest."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from inference.pulsenet.evaluation.detectors.personal import usual
from inference.pulsenet.evaluation.detectors.smoothing import Smoothing, smoothed
from inference.pulsenet.evaluation.grid import Grid, grid
from inference.pulsenet.evaluation.protocol import Sided
from inference.pulsenet.series import Series
from inference.slots import Floats

SEDENTARY_MIN: Final = 10
REST_MIN: Final = 5
Z_CLIP: Final = 8.0


class RestThreshold:
    """The heart rate itself after ten minutes without steps: one threshold for everybody."""

    name = "threshold at rest"

    def scores(self, series: Sequence[Series]) -> Sequence[Sided]:
        """Heart rate in bpm, and its negative."""
        laid = grid(series)
        rate = np.where(laid.step_free >= SEDENTARY_MIN, laid.rate, np.nan)
        return cut(rate, -rate, laid)


class RestZ:
    """The deviation from the wearer's own resting rate of the last seven worn days, smoothed exponentially."""

    name = "rest-gated z, EWMA .2"
    smoothing = Smoothing(rate=0.2, fade=0.9)

    def scores(self, series: Sequence[Series]) -> Sequence[Sided]:
        """Smoothed z."""
        laid = grid(series)
        z = personal_z(laid)
        return cut(*both(np.where(laid.step_free >= REST_MIN, z, np.nan), self.smoothing), laid)


def personal_z(laid: Grid) -> Floats:
    """Deviation from the wearer's own usual rate awake or asleep, in own spreads, shape (N, T)."""
    centre, scale = usual(laid)
    return np.clip((laid.rate - centre) / scale, -Z_CLIP, Z_CLIP)


def both(z: Floats, smoothing: Smoothing) -> tuple[Floats, Floats]:
    """The smoothed deviation, NaN where none is known now, and its negative."""
    smooth = np.where(np.isfinite(z), smoothed(z, smoothing), np.nan)
    return smooth, -smooth


def cut(high: Floats, low: Floats, laid: Grid) -> list[Sided]:
    """Take the padding off again."""
    return [
        Sided(high=high[row, :length].copy(), low=low[row, :length].copy()) for row, length in enumerate(laid.lengths)
    ]
