"""What is usual at an hour of the day in the whole area: flags for each expected one, and the mean deviate.

Calibrated rates hold for wearers on average; an area has its own people and its own nights. If twice as many flags
came as were promised, half of the expectation would be missing and every region would stand out.
"""

from typing import Final, Self

import numpy as np
import numpy.typing as npt

HOURS: Final = 24
HALF_LIFE_DAYS: Final = 14.0
_PRIOR_FLAGS: Final = 200.0
_PRIOR_WEARERS: Final = 2_000.0
RATIO_MOST: Final = 3.0
SHIFT_DAYS: Final = 7
"""So many days are followed before a common shift is told: until then a model that does not know its wearers yet, or an
hour at which everybody sits down, may look like one."""


class Usual:
    """Learned by the hour of the day; what is learned during a day holds from the next."""

    def __init__(self) -> None:
        self._learned = np.zeros((4, HOURS))
        self._today = np.zeros((4, HOURS))
        self.ratio = np.ones(HOURS)
        self.shift = np.zeros(HOURS)
        self.days = 0

    @property
    def knows_shift(self) -> bool:
        """Whether enough days were followed to tell a common shift from what is usual."""
        return self.days >= SHIFT_DAYS

    def learn(self, hour: int, *, flags: float, expected: float, deviates: float, wearers: float) -> None:
        """Take one bin's sums over the area, uncorrected."""
        self._today[:, hour] += (flags, expected, deviates, wearers)

    def close_day(self) -> None:
        """Let today count; a day of an event counts as twice what was usual at most."""
        flags, expected, deviates, wearers = self._today
        self.days += bool(wearers.any())
        flags = np.minimum(flags, 2.0 * self.ratio * expected)
        deviates = np.clip(deviates, (self.shift - 0.5) * wearers, (self.shift + 0.5) * wearers)
        keep = 0.5 ** (1.0 / HALF_LIFE_DAYS)
        self._learned = self._learned * keep + np.stack((flags, expected, deviates, wearers))
        self._today = np.zeros_like(self._today)
        flags, expected, deviates, wearers = self._learned
        ratio = (flags + _PRIOR_FLAGS) / (expected + _PRIOR_FLAGS)
        self.ratio = np.clip(ratio, 1.0 / RATIO_MOST, RATIO_MOST)
        self.shift = deviates / (wearers + _PRIOR_WEARERS)

    def dump(self) -> dict[str, npt.NDArray[np.float64]]:
        """Return the state."""
        return {
            "learned": self._learned,
            "today": self._today,
            "usual": np.stack((self.ratio, self.shift)),
            "days": np.array([self.days], dtype=np.float64),
        }

    @classmethod
    def load(cls, state: dict[str, npt.NDArray[np.float64]]) -> Self:
        """Return what `dump` returned as it was."""
        found = cls()
        found._learned, found._today = state["learned"].copy(), state["today"].copy()
        found.ratio, found.shift = state["usual"][0].copy(), state["usual"][1].copy()
        found.days = int(state["days"][0])
        return found
