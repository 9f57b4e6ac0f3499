"""Half-space trees: how much of a stream lately fell where a vector falls."""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from inference.slots import Floats, Ints

DIMENSION_MARGIN: Final = 2.0
"""A tree's work range reaches so many times as far from its random centre as the unit interval does."""
SMALL_SHARE: Final = 0.1
"""A node with less than this share of a window is not followed further down."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfSpaces:
    """Trees drawn without data (Tan, Ting & Liu, 2011), each cutting the unit cube in random dimensions.

    Attributes:
        dimension: What each inner node cuts, shape (trees, 2 ** height - 1), in the order of a heap.
        cut: Where, shape as `dimension`.
        height: Levels of cuts.
        window: Vectors after which what was counted becomes what is compared with.
    """

    dimension: Ints
    cut: Floats
    height: int
    window: int

    @classmethod
    def drawn(cls, dimensions: int, *, trees: int, height: int, window: int, seed: int) -> Self:
        """Draw the trees."""
        draw = np.random.default_rng(seed)
        inner = 2**height - 1
        dimension = draw.integers(0, dimensions, (trees, inner))
        centre = draw.random((trees, dimensions))
        reach = DIMENSION_MARGIN * np.maximum(centre, 1.0 - centre)
        low = np.full((trees, 2 * inner + 1, dimensions), np.nan)
        high = low.copy()
        low[:, 0], high[:, 0] = centre - reach, centre + reach
        cut = np.empty((trees, inner))
        every = np.arange(trees)
        for node in range(inner):
            along = dimension[:, node]
            cut[:, node] = (low[every, node, along] + high[every, node, along]) / 2.0
            for child in (2 * node + 1, 2 * node + 2):
                low[:, child], high[:, child] = low[:, node], high[:, node]
            high[every, 2 * node + 1, along] = cut[:, node]
            low[every, 2 * node + 2, along] = cut[:, node]
        return cls(dimension=dimension, cut=cut, height=height, window=window)

    def scores(self, vectors: Floats) -> Floats:
        """Score vectors of one stream, shape (n, dimensions), by the window before their own: 1 where that was empty.

        The first window, which has none before it, is NaN.
        """
        mass = np.zeros(len(vectors))
        for dimension, cut in zip(self.dimension, self.cut, strict=True):
            mass += self._mass(self._paths(vectors, dimension, cut))
        most = self.window * 2.0**self.height * len(self.cut)
        score: Floats = 1.0 - mass / most
        score[: self.window] = np.nan
        return score

    def _paths(self, vectors: Floats, dimension: Ints, cut: Floats) -> Ints:
        """The nodes that each vector falls through, shape (height + 1, n)."""
        node = np.zeros((self.height + 1, len(vectors)), dtype=np.int64)
        rows = np.arange(len(vectors))
        for level in range(self.height):
            here = node[level]
            node[level + 1] = 2 * here + 1 + (vectors[rows, dimension[here]] >= cut[here])
        return node

    def _mass(self, paths: Ints) -> Floats:
        """Of each vector the count, in the window before, of the node where its way ends, times 2 to the depth."""
        mass = np.zeros(paths.shape[1])
        nodes = 2 ** (self.height + 1) - 1
        for start in range(self.window, paths.shape[1], self.window):
            counted = np.bincount(paths[:, start - self.window : start].ravel(), minlength=nodes)
            seen = counted[paths[:, start : start + self.window]]
            small = seen < SMALL_SHARE * self.window
            ends = np.where(small.any(axis=0), small.argmax(axis=0), self.height)
            mass[start : start + self.window] = seen[ends, np.arange(len(ends))] * 2.0**ends
        return mass
