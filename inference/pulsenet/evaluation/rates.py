"""Thresholds that keep a promised rate of alarms, by the same rules for every detector."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from inference.pulsenet.calibration import REFRACTORY_MIN
from inference.pulsenet.evaluation.alarms import alarms
from inference.pulsenet.evaluation.days import PAST_DAYS, Days
from inference.pulsenet.evaluation.protocol import Sided
from inference.slots import Floats

Rule = Literal["pop", "shr", "adapt", "own"]
"""pop: from a calibration population; shr: half that, half the wearer's own past; adapt: shr, then moved after each day
by the wearer's own alarms; own: what the detector brings itself."""

RATES: Final = (1.0, 0.1, 0.01)
"""Promised alarms a wearer-day, both sides together."""
HIGH_SHARE: Final = 0.8
"""Of the promised alarms; the low side has the rest."""
FULL_DAY_MIN: Final = 240
"""A day of the calibration population with so many believed minutes stands for itself."""
JOINED_DAY_MIN: Final = 600
"""Shorter recordings are joined until they have so many."""
_COUNTED_FROM: Final = 0.5
"""From this rate on a day has several alarms too often for its maximum to tell: alarms are counted instead."""
_OWN_SHARE: Final = 0.5
_STEP: Final = 0.25
_BISECTIONS: Final = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Side:
    """The scores of one side over the wearer-days of a population.

    Attributes:
        days: Scores of each day, NaN where not judged.
        maxima: The highest score of each day, -inf where nothing was judged, shape (n,).
    """

    days: tuple[Floats, ...]
    maxima: Floats

    @classmethod
    def of(cls, days: Sequence[Floats]) -> "Side":
        """Take the days' scores."""
        highest = [float(np.max(day[np.isfinite(day)], initial=-np.inf)) for day in days]
        return cls(days=tuple(days), maxima=np.array(highest))

    def threshold(self, rate: float) -> float:
        """The threshold whose alarms a day are `rate` on days exchangeable with these.

        Split conformal on wearer-day maxima (Vovk et al., 2005): the ceil((n+1)(1-rate))-th smallest; the highest of
        all where fewer than 1/rate - 1 days are known, whose rate is then about 1/(n+1). NaN without days.
        """
        known = self.maxima[np.isfinite(self.maxima)]
        if not known.size:
            return float("nan")
        if rate >= _COUNTED_FROM:
            return self._by_count(rate)
        count = len(self.maxima)
        place = min(int(np.ceil((count + 1) * (1.0 - rate))), count)
        found = float(np.sort(self.maxima)[place - 1])
        return found if np.isfinite(found) else float(known.min())

    def spread(self) -> float:
        """How far daily maxima lie apart (half the range of the middle 68 %): the unit in which a threshold moves."""
        known = self.maxima[np.isfinite(self.maxima)]
        return float(np.subtract(*np.percentile(known, (84, 16))) / 2) if known.size else 0.0

    def _by_count(self, rate: float) -> float:
        allowed = rate * len(self.days)
        line = np.concatenate([_apart(day) for day in self.days])
        low, high = float(np.nanmin(line)), float(np.nanmax(line))
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            if len(alarms(line, middle)) > allowed:
                low = middle
            else:
                high = middle
        return high


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A calibration population as one detector scores it."""

    high: Side
    low: Side

    @classmethod
    def of(cls, scores: Sequence[Sided], days: Sequence[Days]) -> "Reference":
        """Take a population's scores: of each person the days after their past, of the short recordings all, joined."""
        return cls(
            high=Side.of(_blocks([one.high for one in scores], days)),
            low=Side.of(_blocks([one.low for one in scores], days)),
        )


def budget(rate: float) -> tuple[float, float]:
    """The alarms a wearer-day of the high and of the low side."""
    return rate * HIGH_SHARE, rate * (1.0 - HIGH_SHARE)


def thresholds(rule: Rule, reference: Reference, scores: Sided, days: Days, *, rate: float) -> Sided:
    """One wearer's thresholds at every minute, from the population and that wearer's own untouched past."""
    high_rate, low_rate = budget(rate)
    return Sided(
        high=_side(rule, reference.high, scores.high, days, high_rate),
        low=_side(rule, reference.low, scores.low, days, low_rate),
    )


def _side(rule: Rule, reference: Side, score: Floats, days: Days, rate: float) -> Floats:
    population = reference.threshold(rate)
    flat = np.full(len(score), population)
    if rule == "pop":
        return flat
    own = _own_past(score, days).threshold(rate)
    if np.isfinite(own):
        flat[days.test_from :] = (1 - _OWN_SHARE) * population + _OWN_SHARE * own
    return flat if rule == "shr" else _adapted(flat, score, days, rate=rate, unit=reference.spread())


def _own_past(score: Floats, days: Days) -> Side:
    first = np.flatnonzero(days.worn)[:PAST_DAYS]
    return Side.of([score[days.of_minute == day] for day in first])


def _adapted(flat: Floats, score: Floats, days: Days, *, rate: float, unit: float) -> Floats:
    """Day by day, with what the wearer's own untouched days before it would have alarmed."""
    moved = flat.copy()
    shift = 0.0
    for day in np.flatnonzero(days.test):
        today = days.of_minute == day
        moved[today] += shift
        opened = len(alarms(score[today], moved[today]))
        shift += _STEP * unit * (opened - rate)
    return moved


def _blocks(scores: Sequence[Floats], days: Sequence[Days]) -> list[Floats]:
    whole: list[Floats] = []
    pieces: list[Floats] = []
    waiting = 0
    for score, day in zip(scores, days, strict=True):
        long = day.test.any()
        for number in np.flatnonzero(day.test if long else day.minutes > 0):
            piece = score[day.of_minute == number]
            if day.minutes[number] >= FULL_DAY_MIN:
                whole.append(piece)
                continue
            pieces.append(piece)
            waiting += int(day.minutes[number])
            if waiting >= JOINED_DAY_MIN:
                whole.append(np.concatenate(pieces))
                pieces, waiting = [], 0
    return whole


def _apart(day: Floats) -> Floats:
    return np.concatenate([day, np.full(REFRACTORY_MIN, np.nan)])
