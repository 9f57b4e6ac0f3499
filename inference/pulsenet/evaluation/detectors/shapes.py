"""A detector of unusual shapes: the matrix profile, one wearer after the other."""

import warnings
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from inference.pulsenet.evaluation.detectors.rest import cut, personal_z
from inference.pulsenet.evaluation.grid import grid
from inference.pulsenet.evaluation.protocol import Sided
from inference.pulsenet.series import Series
from inference.slots import Floats

BLOCK_MIN: Final = 5
WINDOW_BLOCKS: Final = 6
REMEMBERED_BLOCKS: Final = 7 * 288


class MatrixProfile:
    """Distance of the last half hour to the nearest of the week before, in 5-min means (Yeh et al., 2016).

    Not normalised, because a shift of level has no shape; blocks without a believed value take the one before.
    """

    name = "matrix profile (stumpi)"

    def scores(self, series: Sequence[Series]) -> Sequence[Sided]:
        """Distance, on the side on which the window's mean lies."""
        laid = grid(series)
        z = personal_z(laid)
        distance, mean = np.full(z.shape, np.nan), np.full(z.shape, np.nan)
        for row in range(len(z)):
            distance[row], mean[row] = _followed(z[row])
        known = np.isfinite(z) & np.isfinite(distance)
        high = np.where(known, np.where(mean >= 0, distance, 0.0), np.nan)
        low = np.where(known, np.where(mean >= 0, 0.0, distance), np.nan)
        return cut(high, low, laid)


def _followed(z: Floats) -> tuple[Floats, Floats]:
    import stumpy

    blocks = len(z) // BLOCK_MIN
    cells = z[: blocks * BLOCK_MIN].reshape(blocks, BLOCK_MIN)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        means = np.nanmean(cells, axis=1)
    told = np.flatnonzero(np.isfinite(means))
    distance, mean = np.full(len(z), np.nan), np.full(len(z), np.nan)
    if len(told) <= REMEMBERED_BLOCKS:
        return distance, mean
    line = means[told]
    stream: Any = stumpy.stumpi(line[:REMEMBERED_BLOCKS], m=WINDOW_BLOCKS, egress=True, normalize=False)
    for place in range(REMEMBERED_BLOCKS, len(line)):
        stream.update(line[place])
        # A block's distance is known when the block ends, and holds until the next one has.
        until = (told[place] + 1) * BLOCK_MIN
        distance[until - 1 : until - 1 + BLOCK_MIN] = stream.left_P_[-1]
        mean[until - 1 : until - 1 + BLOCK_MIN] = line[place - WINDOW_BLOCKS + 1 : place + 1].mean()
    return distance, mean
