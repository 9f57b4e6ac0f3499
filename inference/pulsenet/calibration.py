"""Thresholds that keep a promised rate of alerts: conformal on the population, shrunk to the wearer, then adapted.

The population's threshold of a channel at a rate r is the ceil((n + 1)(1 - r))-th smallest of n maxima of clean
wearer-days (split conformal). A wearer's own daily maxima move it: their centre and spread take the place of the
population's as days accrue, while the shape of the tail stays the population's. They may make a wearer's thresholds
lower, but hardly higher (`OWN_PART`): nobody grows unheard by what was never told. From the eighth day on a threshold
also follows the wearer's own alerts: each day it rises by ETA times (alerts - promised). A restless wearer so gets more
alerts than promised at first (docs/adr/0023). No threshold holds for every single wearer without assumptions about the
wearer (Lin et al. 2022), so each wearer's realised rate is kept and shown.

What is counted is what a carer gets: an alert is of a condition, whichever of its channels passes its threshold first,
in a minute in which the vital was measured; what passes within `REFRACTORY_MIN` of the last minute that passed is the
same alert. Evaluation and episodes count by this rule.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt

from inference.pulsenet.channels import CHANNEL_COUNT, CHANNELS, OF_CONDITION, SHARES
from inference.pulsenet.features import LONG_AGO
from inference.pulsenet.series import HEART_RATE
from inference.slots import NEVER, Bools, Column, Floats, Ints, Table
from schemas.errors import ContractError

TIER_RATES: Final = (0.1, 0.01)
"""Alerts a wearer-day promised for tier 1 and tier 2."""
TIER0_RATE: Final = 0.01
"""Flags a wearer and 5-minute bin."""
OWN_DAYS: Final = 7
PRIOR_DAYS: Final = 7.0
"""After so many days the centre of a wearer's own daily maxima counts as much as the population's."""
PRIOR_SPREAD_DAYS: Final = 14.0
"""After so many their spread does: that of a week is more uncertain. (What made people get: the model card.)"""
ETA: Final = 0.25
SHIFT_MOST: Final = 2.0
REFRACTORY_MIN: Final = 180
"""What passes its threshold again within this time is the same alert."""
DAY_LEAST_MIN: Final = 60
"""A local day with fewer judged minutes is no wearer-day; its alerts count with those of the next whole one."""
MEASURED_LEAST: Final = 0.5
"""Judged minutes, halved each day, from which a channel has its part of the promise: one judged once a day keeps it,
one judged all day loses it after twelve days without."""

RESTLESS: Final = 0.1
"""Of what is no heart rate own days raise a threshold at most to the one the population passes at this part of the
rate, or at the rarest that `_GRID` keeps (for most tier-2 rates): deviates have a heavy tail and hardly grow beyond 4,
so that a threshold far out is deafness."""
OWN_PART: Final = np.array([1.0 if channel.vital == HEART_RATE else RESTLESS for channel in CHANNELS])
"""By channel the part of the rate whose threshold is the highest that own days lead to. A heart rate's they do not
raise at all, however restless they were: no day is a reason to hear less of a wearer whom nobody was told of. What
raises it are the wearer's own alerts."""

_LEAST: Final = 0.3
_SPREAD_LEAST: Final = 0.05
_BIN_MIN: Final = 5
_CLIP: Final = 3.0
_OWN_DAYS_MOST: Final = 60.0
_ETA0: Final = 0.02
_FLAG_BOUNDS: Final = (0.2, 2.0)
_NAMES: Final = tuple(f"{channel.condition} {channel.scale}" for channel in CHANNELS)
_GRID: Final = tuple(10.0 ** (-k / 8.0) for k in range(33))
"""Rates a day at which thresholds are kept, from 1 to 0.0001."""


@dataclass(frozen=True, slots=True)
class Population:
    """What the daily maxima of a population tell.

    Attributes:
        thresholds: By channel and rate of `_GRID`, shape (CHANNEL_COUNT, 33).
        centre: Median daily maximum by channel; `spread` the mean distance from it.
        flag: Limit of the tier-0 flag, of score over tier-1 threshold.
        wearer_days: How many days there were, and from what `source`.
    """

    thresholds: Floats
    centre: Floats
    spread: Floats
    flag: float
    wearer_days: int
    source: str

    @classmethod
    def of(cls, maxima: Floats, *, flag: float, source: str) -> Self:
        """Return the conformal thresholds of daily maxima, shape (days, CHANNEL_COUNT), NaN where nothing was judged.

        Beyond the rates that so many days can tell, the largest maximum stands, raised by the slope of the last tenth.
        """
        told = [column[~np.isnan(column)] for column in maxima.T]
        thresholds = np.stack([_conformal(column) for column in told])
        centre = np.array([float(np.median(column)) if len(column) else 0.0 for column in told])
        away = [
            float(np.abs(column - middle).mean()) if len(column) else 1.0
            for column, middle in zip(told, centre, strict=True)
        ]
        return cls(thresholds, centre, np.maximum(away, _SPREAD_LEAST), flag, len(maxima), source)

    @classmethod
    def read(cls, path: Path) -> Self:
        """Return what `write` wrote.

        Raises:
            ContractError: The file holds something else.
        """
        try:
            told = json.loads(path.read_text())
            by_channel = told["thresholds"]
            rows = [by_channel[name] for name in _NAMES]
            thresholds = np.array(rows, dtype=np.float64)
            if thresholds.shape != (CHANNEL_COUNT, len(_GRID)) or not np.isfinite(thresholds).all():
                raise ContractError(f"{path.name} holds thresholds of another shape.")
            centre, spread = (
                np.array([told[part][name] for name in _NAMES], dtype=np.float64) for part in ("centre", "spread")
            )
            return cls(thresholds, centre, spread, float(told["flag"]), int(told["wearer_days"]), str(told["source"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ContractError(f"{path.name} holds no calibration: {type(error).__name__}.") from error

    def write(self, path: Path) -> None:
        """Write the thresholds as JSON."""
        told = {
            "source": self.source,
            "wearer_days": self.wearer_days,
            "flag": round(self.flag, 4),
            "rates": [round(rate, 6) for rate in _GRID],
            "centre": {name: round(float(value), 4) for name, value in zip(_NAMES, self.centre, strict=True)},
            "spread": {name: round(float(value), 4) for name, value in zip(_NAMES, self.spread, strict=True)},
            "thresholds": {
                name: [round(float(value), 4) for value in row]
                for name, row in zip(_NAMES, self.thresholds, strict=True)
            },
        }
        path.write_text(json.dumps(told, indent=1) + "\n")


def _conformal(maxima: Floats) -> Floats:
    ordered = np.sort(maxima)
    count = len(ordered)
    if count == 0:
        return np.full(len(_GRID), 99.0)
    ranks = [math.ceil((count + 1) * (1.0 - rate)) for rate in _GRID]
    tail = ordered[-max(count // 10, 2) :]
    slope = float(tail[-1] - tail[0]) / math.log(max(len(tail), 2))
    found = []
    for rate, rank in zip(_GRID, ranks, strict=True):
        if rank <= count:
            found.append(float(ordered[max(rank, 1) - 1]))
        else:
            found.append(float(ordered[-1]) + slope * math.log(1.0 / (rate * (count + 1))))
    return np.array(found)


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What the calibration says of one wave.

    Attributes:
        threshold: In force for this minute, shape (n, CHANNEL_COUNT, 2).
        combined: Largest score over its tier-1 threshold, NaN where nothing was judged, shape (n,).
        flag: Tier 0, shape (n,).
        realised: The wearer's own tier-1 alerts a wearer-day, NaN before the first whole day, shape (n,).
        days: Whole wearer-days behind it, shape (n,).
    """

    threshold: Floats
    combined: Floats
    flag: Bools
    realised: Floats
    days: Floats


def opening(beyond: Bools, ago_min: Ints) -> Bools:
    """Return which channels open an alert: they pass, and none of their condition's did within `REFRACTORY_MIN`.

    `ago_min` tells how long ago each channel last passed; shapes (n, CHANNEL_COUNT).
    """
    lately = (ago_min < REFRACTORY_MIN) @ OF_CONDITION
    opens: Bools = beyond & ~(lately @ OF_CONDITION.T)
    return opens


class Calibration:
    """Each wearer's thresholds, and how well the promise was kept."""

    def __init__(self, population: Population, *, own: bool = True, adapt: bool = True) -> None:
        """`own` and `adapt` may be taken away, to learn what they are worth."""
        self._population = population
        self._own = own
        self._adapt = adapt
        self.table = Table({
            "day": Column("i8", NEVER),
            "judged": Column("f4", 0.0),
            "measured": Column("f4", 0.0, CHANNEL_COUNT),
            "highest": Column("f4", np.nan, CHANNEL_COUNT),
            "own_days": Column("f4", 0.0, CHANNEL_COUNT),
            "centre": Column("f4", 0.0, CHANNEL_COUNT),
            "spread": Column("f4", 0.0, CHANNEL_COUNT),
            "shift": Column("f4", 0.0, CHANNEL_COUNT),
            "alarms": Column("f4", 0.0, CHANNEL_COUNT),
            "alerts": Column("f4", 0.0),
            "beyond": Column("i4", LONG_AGO, CHANNEL_COUNT),
            "days": Column("f4", 0.0),
            "total": Column("f4", 0.0),
            "bin": Column("i8", NEVER),
            "flagged": Column("f4", np.nan),
            "flag": Column("f4", population.flag),
        })  # fmt: skip
        self._kept = Table({"threshold": Column("f8", np.nan, CHANNEL_COUNT * len(TIER_RATES))})
        """Thresholds of wearers as long as nothing changes them, NaN where they are to be found anew."""

    def load(self, arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over a dump of the table."""
        self.table.load(arrays)
        self._kept["threshold"][:] = np.nan

    def judge(self, slot: Ints, minute: Ints, local_min: Ints, score: Floats, *, now: Bools) -> Calibrated:
        """Take one minute's scores of each wearer, NaN where a channel says nothing, shape (n, CHANNEL_COUNT).

        `now`, of the same shape, says whose vital was judged in this very minute: only then may an alert open.
        """
        table = self.table
        self._kept.extend(table.rows)
        day = (minute - local_min) // 1_440
        turned = (day > table["day"][slot]) & (table["day"][slot] > NEVER)
        if turned.any():
            self._turn(slot[turned])
        table["day"][slot] = np.maximum(day, table["day"][slot])
        threshold = self._in_force(slot)
        judged = ~np.isnan(score)
        ratio = score / threshold[:, :, 0]
        # Along the first axis: along a short last one every row is a loop of its own. The zero that is added takes the
        # sign of a zero away: which of two zeros is the larger depends on a row's place.
        combined = np.fmax.reduce(np.ascontiguousarray(ratio.T), axis=0) + 0.0
        self._count(slot, minute, score, judged, (ratio >= 1.0) & now)
        table["judged"][slot] += ~np.isnan(combined)
        flag = self._flag(slot, minute, combined)
        days = table["days"][slot].astype(np.float64)
        realised = np.where(days > 0, table["total"][slot] / np.maximum(days, 1.0), np.nan)
        return Calibrated(threshold, combined, flag, realised, days)

    def _rates(self, slot: Ints) -> Floats:
        """Return each channel's part of the promise: of what is measured of this wearer, by the last days."""
        known = self.table["measured"][slot] >= MEASURED_LEAST
        shares = np.where(known, SHARES, 0.0)
        total = shares.sum(axis=1, keepdims=True)
        shares = np.where(known, SHARES / np.where(total > 0, total, 1.0), SHARES)
        rates: Floats = np.array(TIER_RATES)[None, None, :] * shares[:, :, None]
        return rates

    def _in_force(self, slot: Ints) -> Floats:
        """Return thresholds, shape (n, CHANNEL_COUNT, 2): a new day changes them, and what is newly measured."""
        kept = self._kept["threshold"]
        told = kept.take(slot, axis=0)
        anew = np.isnan(told[:, 0])
        if anew.any():
            told[anew] = self._thresholds(slot[anew]).reshape(-1, kept.shape[1])
            kept[slot[anew]] = told[anew]
        return told.reshape(-1, CHANNEL_COUNT, len(TIER_RATES))

    def _thresholds(self, slot: Ints) -> Floats:
        rates = self._rates(slot)
        population = _at_rates(self._population.thresholds, rates)
        centre, spread = self._own_days(slot)
        shape = (population - self._population.centre[:, None]) / self._population.spread[:, None]
        own = centre[:, :, None] + shape * spread[:, :, None]
        most = _at_rates(self._population.thresholds, rates * OWN_PART[:, None])
        own = np.minimum(own, most)
        thresholds: Floats = np.maximum(own + self.table["shift"][slot][:, :, None], _LEAST)
        return thresholds

    def _own_days(self, slot: Ints) -> tuple[Floats, Floats]:
        """Return centre and spread of daily maxima: the wearer's own, as far as days tell."""
        days = self.table["own_days"][slot].astype(np.float64)
        weight = days / (days + PRIOR_DAYS) if self._own else np.zeros_like(days)
        centre = (1.0 - weight) * self._population.centre + weight * self.table["centre"][slot]
        wide = days / (days + PRIOR_SPREAD_DAYS) if self._own else weight
        spread = (1.0 - wide) * self._population.spread + wide * self.table["spread"][slot]
        return centre, spread

    def _count(self, slot: Ints, minute: Ints, score: Floats, judged: Bools, beyond: Bools) -> None:
        table = self.table
        measured = table["measured"].take(slot, axis=0)
        first = judged & (measured < MEASURED_LEAST)
        if first.any():
            self._kept.reset(slot[first.any(axis=1)])
        table["measured"][slot] = measured + judged
        table["highest"][slot] = np.fmax(table["highest"].take(slot, axis=0), score)
        if beyond.any():
            last = table["beyond"].take(slot, axis=0)
            opens = opening(beyond, minute[:, None] - last)
            table["alarms"][slot] += opens
            table["alerts"][slot] += (opens @ OF_CONDITION).sum(axis=1)
            table["beyond"][slot] = np.where(beyond, minute[:, None], last)

    def _turn(self, slot: Ints) -> None:
        """End a wearer's day."""
        table = self.table
        whole = table["judged"][slot] >= DAY_LEAST_MIN
        days, alarms, alerts = table["days"][slot], table["alarms"][slot], table["alerts"][slot]
        highest = table["highest"][slot].astype(np.float64)
        self._learn(slot, highest, whole[:, None] & ~np.isnan(highest))
        late = whole & (days >= OWN_DAYS)
        step = ETA * (alarms - self._rates(slot)[:, :, 0]) if self._adapt else 0.0
        follows = late[:, None] & ~np.isnan(highest)
        shift = np.clip(table["shift"][slot] + np.where(follows, step, 0.0), -SHIFT_MOST, SHIFT_MOST)
        table["shift"][slot] = shift
        table["total"][slot] += np.where(whole, alerts, 0.0)
        table["days"][slot] = days + whole
        table["judged"][slot] = 0.0
        table["highest"][slot] = np.nan
        table["alarms"][slot] = np.where(whole[:, None], 0.0, alarms)
        table["alerts"][slot] = np.where(whole, 0.0, alerts)
        table["measured"][slot] *= 0.5
        self._kept.reset(slot)

    def _learn(self, slot: Ints, highest: Floats, told: Bools) -> None:
        """Take a day's maxima: a day far beyond what is usual counts as one at the edge of it."""
        table = self.table
        days = table["own_days"][slot].astype(np.float64)
        centre, spread = self._own_days(slot)
        off = np.where(told, highest, centre) - centre
        clipped = centre + np.clip(off, -_CLIP * spread, _CLIP * spread)
        middling = centre + np.clip(off, -spread, spread)
        share = np.where(told, np.maximum(1.0 / (days + 1.0), 1.0 / _OWN_DAYS_MOST), 0.0)
        own_centre = table["centre"][slot] + share * (middling - table["centre"][slot])
        table["centre"][slot] = own_centre
        away = np.abs(clipped - (own_centre * days + self._population.centre * PRIOR_DAYS) / (days + PRIOR_DAYS))
        table["spread"][slot] = table["spread"][slot] + share * (away - table["spread"][slot])
        table["own_days"][slot] = days + told

    def _flag(self, slot: Ints, minute: Ints, combined: Floats) -> Bools:
        """Follow the tail of the scores: a bin with a flag raises its limit as much as 99 judged ones lower it."""
        table = self.table
        limit = table["flag"][slot].astype(np.float64)
        number = minute // _BIN_MIN
        turned = (number != table["bin"][slot]) & (table["bin"][slot] > NEVER)
        before = table["flagged"][slot]
        ends = turned & ~np.isnan(before) & self._adapt
        if ends.any():
            limit = np.where(ends, np.clip(limit + _ETA0 * (before - TIER0_RATE), *_FLAG_BOUNDS), limit)
        flag: Bools = combined >= limit
        told = np.where(np.isnan(combined), np.nan, flag)
        table["flagged"][slot] = np.fmax(np.where(turned, np.nan, before), told)
        table["flag"][slot], table["bin"][slot] = limit, number
        return flag


def _at_rates(thresholds: Floats, rates: Floats) -> Floats:
    """Return thresholds at rates, shape (n, CHANNEL_COUNT, 2), between the two rates of the grid around each."""
    place = np.clip(np.interp(rates, _GRID[::-1], np.arange(len(_GRID))[::-1].astype(np.float64)), 0, len(_GRID) - 1)
    low = np.minimum(place.astype(np.int64), len(_GRID) - 2)
    part = place - low
    channel = np.arange(CHANNEL_COUNT)[None, :, None]
    found: Floats = (1.0 - part) * thresholds[channel, low] + part * thresholds[channel, low + 1]
    return found
