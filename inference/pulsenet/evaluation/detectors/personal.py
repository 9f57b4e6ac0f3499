"""A wearer's own usual heart rate, from the days before."""

from itertools import pairwise
from typing import Final

import numpy as np

from inference.pulsenet.evaluation.grid import DAY_MIN, Grid
from inference.slots import Bools, Floats

AWAKE_REST_MIN: Final = 15
ASLEEP_REST_MIN: Final = 90
NIGHT_MIN: Final = (22 * 60, 9 * 60)
LAST_DAYS: Final = 7
LEAST_MIN: Final = 30
"""A usual rate is told from so many minutes at rest on."""
LEAST_SCALE_BPM: Final = 3.0
_IQR_OF_NORMAL: Final = 1.349


def asleep(laid: Grid) -> Bools:
    """Night, and nobody has walked for an hour and a half, shape (N, T)."""
    night = (laid.local_min >= NIGHT_MIN[0]) | (laid.local_min < NIGHT_MIN[1])
    return night & (laid.step_free >= ASLEEP_REST_MIN)


def usual(laid: Grid) -> tuple[Floats, Floats]:
    """Median and robust spread of the rate at rest over the last seven days that had any, asleep and awake apart.

    Both are learned from whole days before the minute's own, shape (N, T) in bpm; NaN until enough is known.
    """
    night = asleep(laid)
    rest = np.where(laid.step_free >= AWAKE_REST_MIN, laid.rate, np.nan)
    awake_centre, awake_scale = _by_day(np.where(night, np.nan, rest), laid)
    night_centre, night_scale = _by_day(np.where(night, rest, np.nan), laid)
    own_night = night & np.isfinite(night_centre)
    return np.where(own_night, night_centre, awake_centre), np.where(own_night, night_scale, awake_scale)


def _by_day(rest: Floats, laid: Grid) -> tuple[Floats, Floats]:
    centre, scale = np.full_like(rest, np.nan), np.full_like(rest, np.nan)
    for row in range(len(rest)):
        midnights = np.flatnonzero(laid.local_min[row] == 0)
        edges = np.unique(np.concatenate([[0], midnights, [rest.shape[1]]]))
        pasts: list[Floats] = []
        for start, end in pairwise(edges):
            if pasts:
                past = np.concatenate(pasts[-LAST_DAYS:])
                if past.size >= LEAST_MIN:
                    low, middle, high = np.percentile(past, (25, 50, 75))
                    centre[row, start:end] = middle
                    scale[row, start:end] = max((high - low) / _IQR_OF_NORMAL, LEAST_SCALE_BPM)
            today = rest[row, start:end]
            if np.isfinite(today).any():
                pasts.append(today[np.isfinite(today)])
    return centre, scale


def day_phase(laid: Grid) -> tuple[Floats, Floats, Floats, Floats]:
    """Two pairs of sine and cosine of the local time of day, each shape (N, T)."""
    angle = 2.0 * np.pi * laid.local_min / DAY_MIN
    return np.sin(angle), np.cos(angle), np.sin(2 * angle), np.cos(2 * angle)
