"""A detector of unusual shapes: the matrix profile of a stream."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from inference.pulsenet.evaluation.detectors.rest import SEDENTARY_MIN, personal_z
from inference.pulsenet.evaluation.detectors.vectors import by_side
from inference.pulsenet.evaluation.grid import grid
from inference.pulsenet.evaluation.protocol import Sided
from inference.pulsenet.series import Series
from inference.slots import Floats

BLOCK_MIN: Final = 5
WINDOW_BLOCKS: Final = 6
REMEMBERED_BLOCKS: Final = 7 * 288
EXCLUDED_BLOCKS: Final = -(-WINDOW_BLOCKS // 4)
"""Windows that begin so close to one another are the same event: the customary quarter of a window, rounded up."""


class MatrixProfile:
    """Distance of the last half hour to the nearest of the week before, in 5-min means (Yeh et al., 2016).

    Not normalised, because a shift of level has no shape; blocks without a believed value are left out of the line.
    The values are those of the streaming algorithm (`stumpy.stumpi` with egress), for all minutes of a recording at
    once.
    """

    name = "matrix profile (stumpi)"

    def scores(self, series: Sequence[Series]) -> Sequence[Sided]:
        """Distance, on the side on which the window's mean lies."""
        laid = grid(series)
        z = np.where(laid.step_free >= SEDENTARY_MIN, personal_z(laid), np.nan)
        distance, mean = np.full(z.shape, np.nan), np.full(z.shape, np.nan)
        for row in range(len(z)):
            _follow(z[row], distance[row], mean[row])
        return by_side(distance, mean, np.isfinite(z) & np.isfinite(distance), laid)


def nearest_before(line: Floats) -> Floats:
    """Distance of the window that ends at each place to the nearest of the last REMEMBERED_BLOCKS places.

    Euclidean, windows of WINDOW_BLOCKS; NaN until so many places are known, shape as `line`.
    """
    nearest = np.full(len(line), np.inf)
    squares = np.empty(len(line))
    for lag in range(EXCLUDED_BLOCKS + 1, min(REMEMBERED_BLOCKS - WINDOW_BLOCKS, len(line) - WINDOW_BLOCKS) + 1):
        apart = np.subtract(line[lag:], line[:-lag], out=squares[lag:])
        np.square(apart, out=apart)
        sums = apart[: len(apart) - WINDOW_BLOCKS + 1].copy()
        for place in range(1, WINDOW_BLOCKS):
            sums += apart[place : len(apart) - WINDOW_BLOCKS + 1 + place]
        behind = nearest[lag + WINDOW_BLOCKS - 1 :]
        np.minimum(behind, sums, out=behind)
    nearest[:REMEMBERED_BLOCKS] = np.nan
    return np.asarray(np.sqrt(nearest))


def _follow(z: Floats, distance: Floats, mean: Floats) -> None:
    """Write one wearer's distances and window means, each shape (T,)."""
    cells = z[: len(z) // BLOCK_MIN * BLOCK_MIN].reshape(-1, BLOCK_MIN)
    count = np.isfinite(cells).sum(axis=1)
    told = np.flatnonzero(count)
    if len(told) <= REMEMBERED_BLOCKS:
        return
    line = np.nansum(cells[told], axis=1) / count[told]
    nearest = nearest_before(line)
    middle = np.convolve(line, np.full(WINDOW_BLOCKS, 1.0 / WINDOW_BLOCKS))[: len(line)]
    for after in range(BLOCK_MIN):
        # A block's distance is known when the block ends, and holds until the next one has.
        at = (told + 1) * BLOCK_MIN - 1 + after
        inside = at < len(z)
        distance[at[inside]] = nearest[inside]
        mean[at[inside]] = middle[inside]
