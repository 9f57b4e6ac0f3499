"""How sure a figure is."""

import math
from typing import Final

import numpy as np

from inference.slots import Floats, Ints

CONFIDENCE: Final = 0.95
RESAMPLES: Final = 2000
_BISECTIONS: Final = 60


def poisson(events: int, exposure: float) -> tuple[float, float]:
    """The exact interval of a rate at 95 % (Garwood, 1936), in events per unit of exposure."""
    tail = (1.0 - CONFIDENCE) / 2
    lower = _mean_where(events - 1, 1.0 - tail) if events else 0.0
    return lower / exposure, _mean_where(events, tail) / exposure


def proportion(found: int, of: int) -> tuple[float, float]:
    """The exact interval of a share at 95 % (Clopper and Pearson, 1934)."""
    tail = (1.0 - CONFIDENCE) / 2

    def bound(chance: float, most: int) -> float:
        low, high = 0.0, 1.0
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            told = math.fsum(math.comb(of, one) * middle**one * (1.0 - middle) ** (of - one) for one in range(most + 1))
            low, high = (middle, high) if told > chance else (low, middle)
        return low

    return (bound(1.0 - tail, found - 1) if found else 0.0), (bound(tail, found) if found < of else 1.0)


def day_draws(days: int, *, seed: int) -> Ints:
    """How often each wearer-day is drawn in each resample, shape (RESAMPLES, days); one seed pairs all detectors."""
    return np.random.default_rng(seed).multinomial(days, np.full(days, 1.0 / days), size=RESAMPLES)


def share(draws: Ints, day: Ints, hit: Floats) -> Floats:
    """The share of hits in each resample, NaN where no event was drawn; `day` and `hit` are of events, shape (E,)."""
    total = draws @ np.bincount(day, minlength=draws.shape[1])
    found = draws @ np.bincount(day, weights=hit, minlength=draws.shape[1])
    shares: Floats = np.divide(found, total, out=np.full(len(total), np.nan), where=total > 0)
    return shares


def percentile(resampled: Floats) -> tuple[float, float]:
    """The percentile interval at 95 %."""
    tail = 50.0 * (1.0 - CONFIDENCE)
    low, high = np.nanpercentile(resampled, (tail, 100.0 - tail))
    return float(low), float(high)


def _mean_where(events: int, chance: float) -> float:
    """The mean at which at most so many events have this chance."""
    low, high = 0.0, 10.0 * (events + 1) + 10.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if _at_most(events, middle) > chance:
            low = middle
        else:
            high = middle
    return low


def _at_most(events: int, mean: float) -> float:
    logs = [count * math.log(mean) - mean - math.lgamma(count + 1) for count in range(events + 1)]
    return math.fsum(math.exp(one) for one in logs)
