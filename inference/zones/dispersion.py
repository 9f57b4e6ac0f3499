"""How much more than by chance clean sums scatter: people are alike, share weather, and stay as they are for a while.

The squared residual of a sum over its variance by chance, r, is modelled as a + b * size (size: the expected count, or
the number of wearers): a is what one wearer's bins have in common over the window, b what wearers have in common, the
shrunk correlation. Both are learned from the past, each r at most so large that an event in it teaches little.
"""

from typing import Final, Self

import numpy as np
import numpy.typing as npt

from inference.slots import Bools, Floats

HALF_LIFE_DAYS: Final = 28.0
_LARGEST_R: Final = 25.0
"""An r beyond five standard deviations is an event, and counts as one of five."""
_PRIOR_WEIGHT: Final = 2_000.0
"""The prior counts as so many regions, about a few bins of a town."""


class Dispersion:
    """For each window length, a >= 1 and b >= 0; what is learned during a day holds from the next."""

    def __init__(self, prior_a: Floats, prior_b: Floats) -> None:
        self.a = prior_a.copy()
        self.b = prior_b.copy()
        self._prior = np.stack((prior_a, prior_b))
        windows = len(prior_a)
        self._learned = np.zeros((windows, 5))
        self._today = np.zeros((windows, 5))

    def factor(self, size: Floats) -> Floats:
        """Return a + b * size; the windows are the last axis of `size`."""
        found: Floats = self.a + self.b * size
        return found

    def learn(self, residual_sq: Floats, size: Floats, counts: Bools) -> None:
        """Take the r of regions of one scan, shapes (regions, windows); only where `counts`."""
        r = np.where(counts, np.minimum(residual_sq / self.factor(size), _LARGEST_R) * self.factor(size), 0.0)
        weight = np.where(counts, 1.0 / self.factor(size) ** 2, 0.0)
        x = np.where(counts, size, 0.0)
        terms = (weight, weight * x, weight * x * x, weight * r, weight * x * r)
        self._today += np.stack([term.sum(axis=0) for term in terms], axis=1)

    def close_day(self) -> None:
        """Let today's regions count from now on, and older ones less."""
        self._learned = self._learned * 0.5 ** (1.0 / HALF_LIFE_DAYS) + self._today
        self._today = np.zeros_like(self._today)
        for window in range(len(self.a)):
            self.a[window], self.b[window] = self._fitted(window)

    def _fitted(self, window: int) -> tuple[float, float]:
        """Return the weighted least squares of r on size, with the prior as some more regions."""
        w, wx, wxx, wr, wxr = self._learned[window].tolist()
        prior_a, prior_b = self._prior[:, window].tolist()
        mean = wx / w if w > 0 else 1.0
        spread = max(wxx / w - mean * mean, 0.0) if w > 0 else 0.0
        extra = _PRIOR_WEIGHT / max(prior_a + prior_b * mean, 1.0) ** 2
        xx = mean * mean + spread
        w, wx, wxx = w + extra, wx + extra * mean, wxx + extra * xx
        wr += extra * (prior_a + prior_b * mean)
        wxr += extra * (prior_a * mean + prior_b * xx)
        determinant = w * wxx - wx * wx
        slope = (w * wxr - wx * wr) / determinant if determinant > 1e-9 * w * wxx else prior_b
        slope = max(slope, 0.0)
        return max((wr - slope * wx) / w, 1.0), slope

    def dump(self) -> dict[str, npt.NDArray[np.float64]]:
        """Return the state."""
        fitted = np.stack((self.a, self.b))
        return {"fitted": fitted, "prior": self._prior, "learned": self._learned, "today": self._today}

    @classmethod
    def load(cls, state: dict[str, npt.NDArray[np.float64]]) -> Self:
        """Return what `dump` returned as it was."""
        found = cls(state["prior"][0], state["prior"][1])
        found.a, found.b = state["fitted"][0].copy(), state["fitted"][1].copy()
        found._learned, found._today = state["learned"].copy(), state["today"].copy()
        return found
