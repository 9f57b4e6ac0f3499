"""From a score to "once in so many days by chance": a Gumbel law of the largest score of each clean day.

Abrams, Kulldorff, Kleinman: Int J Health Geogr 9:61 (2010) use it for the maxima of one scan's replicates; here it is
fitted to the maxima of past days, which need neither replicates nor independence of the scans within a day.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np

from inference.slots import Floats

SHIPPED_DAYS: Final = 365.0
"""What chance gives once in so many days is an alarm."""
REST_BINS: Final = 24
"""What passes again within two hours of the last time is the same alarm."""
DAYS_KEPT: Final = 112
PRIOR_DAYS: Final = 14.0
_EULER: Final = 0.5772156649015329
_LEAST_DAYS: Final = 5


@dataclass(frozen=True, slots=True)
class Gumbel:
    """The law of a clean day's largest score: P(max <= x) = exp(-exp(-(x - location) / scale))."""

    location: float
    scale: float

    def threshold(self, days: float) -> float:
        """Return the score that one day in `days` passes by chance; `days` above 1."""
        return self.location - self.scale * math.log(-math.log1p(-1.0 / days))

    def recurrence_days(self, score: float) -> float:
        """Return in how many days a score as large is seen once by chance; 1 and more, at most 36,500."""
        depth = math.exp(-max((score - self.location) / self.scale, -6.0))
        passed = -math.expm1(-depth)
        return min(1.0 / passed, 36_500.0) if passed > 0 else 36_500.0


def fit(maxima: Sequence[float] | Floats, prior: Gumbel) -> Gumbel:
    """Return the law of days with these maxima, by L-moments, shrunk to the prior by the number of days."""
    days = np.sort(np.asarray(maxima, dtype=np.float64))
    count = len(days)
    if count < _LEAST_DAYS:
        return prior
    rank = np.arange(count)
    second = float((2.0 * rank / (count - 1) - 1.0) @ days) / count
    scale = max(second / math.log(2.0), 1e-3)
    location = float(days.mean()) - _EULER * scale
    share = count / (count + PRIOR_DAYS)
    return Gumbel(
        location=share * location + (1.0 - share) * prior.location,
        scale=math.exp(share * math.log(scale) + (1.0 - share) * math.log(prior.scale)),
    )


class Days:
    """The largest score of each of the last days, and the law that holds until the day ends."""

    def __init__(self, prior: Gumbel) -> None:
        self.law = prior
        self.maxima: list[float] = []
        self.today = 0.0

    def expect(self, prior: Gumbel) -> None:
        """Take another prior, as long as no day is behind the law."""
        if not self.maxima:
            self.law = prior

    def saw(self, score: float) -> None:
        """Take the largest score of one scan."""
        self.today = max(self.today, score)

    def close_day(self, prior: Gumbel, *, cap_days: float) -> None:
        """Take the day's largest score into the law.

        Args:
            prior: What is expected of an area of this size.
            cap_days: What came once in so many days or less often was perhaps no chance: it counts as just that.
        """
        self.maxima = [*self.maxima, min(self.today, self.law.threshold(cap_days))][-DAYS_KEPT:]
        self.today = 0.0
        self.law = fit(self.maxima, prior)

    def dump(self) -> dict[str, Floats]:
        """Return the state."""
        law = np.array([self.law.location, self.law.scale, self.today])
        return {"law": law, "maxima": np.array(self.maxima, dtype=np.float64)}

    @classmethod
    def load(cls, state: Mapping[str, Floats]) -> Self:
        """Return what `dump` returned as it was."""
        location, scale, today = state["law"].tolist()
        found = cls(Gumbel(location, scale))
        found.maxima, found.today = state["maxima"].tolist(), today
        return found
