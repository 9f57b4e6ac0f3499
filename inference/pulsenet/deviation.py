"""From a minute's deviations to a score a channel: averages over 5 min, 60 min, 8 h and two nights, and a joint one.

The 5-minute average counts at rest only, and has the wearer's own level of the hour before taken from it: a day of
excitement, or a baseline that is off, raises both. (Averages against CUSUM, maxima over scales and longer gates:
docs/models/pulsenet.md.)
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.pulsenet.activity import ASLEEP
from inference.pulsenet.channels import CHANNEL_COUNT, CHANNELS, SIGNS, VITAL_OF, of_scale
from inference.pulsenet.inputs import Look
from inference.pulsenet.nights import Nights
from inference.pulsenet.numbers import capped, decays, powers
from inference.pulsenet.series import BODY_TEMPERATURE, HEART_RATE, HRV_RMSSD, HRV_SDNN, SKIN_TEMPERATURE, VITAL_COUNT
from inference.pulsenet.steps import Steps
from inference.slots import Bools, Column, Floats, Ints, Table

FAST_SHARE: Final = 0.25
SETTLED_MIN: Final = 8
"""Step-free minutes after which a heart rate counts as one at rest."""
FADE: Final = 0.9
LEVEL_LAG_MIN: Final = 20
LEVEL_TAU_MIN: Final = 60.0
HOUR_TAU_MIN: Final = 60.0
LONG_TAU_MIN: Final = 480.0

_FAST: Final = of_scale("5 min")
_HOUR: Final = of_scale("60 min")
_LONG: Final = of_scale("8 h")
_NIGHTS: Final = of_scale("2 nights")
_JOINT: Final = of_scale("60 min", joint=True)
_AVERAGE_OF: Final = VITAL_OF.copy()
_AVERAGE_OF[_HOUR] += VITAL_COUNT
_AVERAGE_OF[_NIGHTS] += 2 * VITAL_COUNT
_AVERAGE_OF[_LONG] = 3 * VITAL_COUNT
_AVERAGE_OF[_JOINT] = 3 * VITAL_COUNT + 1
_GROWS_STALE: Final = ~np.isin(np.arange(CHANNEL_COUNT), [*_NIGHTS, *_JOINT])
_LEVELLED: Final = sorted({vital for code in _FAST if (vital := CHANNELS[code].vital) is not None})
_LAGS: Final = np.arange(LEVEL_LAG_MIN)
_LEVEL_OF: Final = np.searchsorted(_LEVELLED, VITAL_OF[_FAST])
_FADES: Final = powers(FADE)
_KEPT: Final = powers(1.0 - FAST_SHARE)
_FAST_MOST: Final = 0.5
_RARE_MIN: Final = 15
"""For so long an average waits for the next value: a rare measurement is no recovery, nor is a gap."""
_LEVEL_DECAY: Final = decays(LEVEL_TAU_MIN)
_HOUR_DECAY: Final = decays(HOUR_TAU_MIN)
_HOUR_MOST: Final = 0.25
_LONG_DECAY: Final = decays(LONG_TAU_MIN)
_STALE_MIN: Final = 120
"""An average whose vital was not measured for so long says nothing now."""
_JOINT_SIGNS: Final = np.zeros(VITAL_COUNT)
_JOINT_SIGNS[[HEART_RATE, SKIN_TEMPERATURE, BODY_TEMPERATURE]] = 1.0
_JOINT_SIGNS[[HRV_RMSSD, HRV_SDNN]] = -1.0
_JOINT_LEAST: Final = 2


@dataclass(frozen=True, slots=True)
class Deviations:
    """Scores of one wave.

    Attributes:
        score: By channel, NaN where nothing can be said now, shape (n, CHANNEL_COUNT).
        held: The same without the wearer's own level taken away: an episode goes on while this is far from 0.
    """

    score: Floats
    held: Floats


class Deviation:
    """Follows the deviations of each wearer's vitals."""

    def __init__(self, *, levelled: bool = True, at_rest_only: bool = True) -> None:
        """`levelled` and `at_rest_only` may be taken away, to learn what they are worth."""
        self._levelled = levelled
        self._at_rest_only = at_rest_only
        self.nights = Nights()
        self.table = Table({
            "fast": Column("f8", 0.0, VITAL_COUNT),
            "hour": Column("f8", 0.0, VITAL_COUNT),
            "long": Column("f8", 0.0),
            "level": Column("f8", 0.0, len(_LEVELLED)),
            "lagged": Column("f4", np.nan, LEVEL_LAG_MIN * len(_LEVELLED)),
        })  # fmt: skip

    def follow(self, minutes: Steps, z: Floats, look: Look) -> Deviations:
        """Take one minute's deviations of each wearer, NaN where a vital was not judged, shape (n, VITAL_COUNT)."""
        slot, minute, active = minutes.slot, minutes.minute, look.active
        known = ~np.isnan(z)
        settled = active.since_min >= SETTLED_MIN
        counting = known & settled[:, None] if self._at_rest_only else known
        fast = self._fast(slot, z, counting, look)
        level = self._level(slot, minute, np.where(counting, z, np.nan), active.gap_min)
        hour = self._hour(slot, z, counting, look.since)
        long = self._long(slot, z[:, HEART_RATE], counting[:, HEART_RATE], active.gap_min)
        nights = self.nights.follow(slot, minute, z, known & (active.state == ASLEEP)[:, None])
        return self._scores(np.where(known, 0, look.since), fast, level, hour, long, nights)

    def _fast(self, slot: Ints, z: Floats, counting: Bools, look: Look) -> Floats:
        """Return the 5-minute averages; a minute of movement fades them, as does one long after the last value."""
        before = self.table["fast"].take(slot, axis=0)
        lost = np.minimum(look.active.gap_min[:, None], look.since - _RARE_MIN) - 1
        faded = before * _FADES.take(capped(lost))
        share = np.minimum(1.0 - _KEPT.take(np.minimum(look.since, _RARE_MIN)), _FAST_MOST)
        share[:, HEART_RATE] *= look.trust
        waits = np.isnan(z) & (look.since <= _RARE_MIN)
        still = np.where(waits, faded, faded * FADE)
        fast = np.where(counting, faded + share * (np.where(counting, z, 0.0) - faded), still)
        self.table["fast"][slot] = fast
        return fast

    def _level(self, slot: Ints, minute: Ints, z: Floats, gap: Ints) -> Floats:
        """Return the average of the hour before the last `LEVEL_LAG_MIN` minutes."""
        table = self.table
        lagged = table["lagged"].reshape(-1, len(_LEVELLED))
        skipped = np.flatnonzero(gap > 1)
        if len(skipped):
            ago = (minute[skipped, None] - _LAGS - 1) % LEVEL_LAG_MIN + 1
            row, lag = np.nonzero(ago < gap[skipped, None])
            lagged[slot[skipped[row]] * LEVEL_LAG_MIN + lag] = np.nan
        place = slot * LEVEL_LAG_MIN + minute % LEVEL_LAG_MIN
        old = lagged.take(place, axis=0).astype(np.float64)
        lagged[place] = z.take(_LEVELLED, axis=1)
        level = table["level"].take(slot, axis=0) * _LEVEL_DECAY[capped(gap - 1)][:, None]
        share = 1.0 - _LEVEL_DECAY[1]
        level = np.where(np.isnan(old), level, level + share * (np.where(np.isnan(old), 0.0, old) - level))
        table["level"][slot] = level
        return level

    def _hour(self, slot: Ints, z: Floats, counting: Bools, since: Ints) -> Floats:
        before = self.table["hour"].take(slot, axis=0)
        share = np.minimum(1.0 - _HOUR_DECAY.take(capped(since)), _HOUR_MOST)
        hour: Floats = np.where(counting, before + share * (np.where(counting, z, 0.0) - before), before)
        self.table["hour"][slot] = hour
        return hour

    def _long(self, slot: Ints, z: Floats, counting: Bools, gap: Ints) -> Floats:
        before = self.table["long"][slot] * _LONG_DECAY[capped(gap - 1)]
        share = 1.0 - _LONG_DECAY[1]
        long: Floats = np.where(counting, before + share * (np.where(counting, z, 0.0) - before), before)
        self.table["long"][slot] = long
        return long

    def _scores(self, age: Ints, fast: Floats, level: Floats, hour: Floats, long: Floats, nights: Floats) -> Deviations:
        averages = np.concatenate((fast, hour, nights, long[:, None], _together(hour, age)[:, None]), axis=1)
        held = averages.take(_AVERAGE_OF, axis=1) * SIGNS
        stale = (age.take(VITAL_OF, axis=1) > _STALE_MIN) & _GROWS_STALE
        held = np.where(stale, np.nan, held)
        score = held.copy()
        if self._levelled:
            score[:, _FAST] -= np.maximum(level.take(_LEVEL_OF, axis=1) * SIGNS[_FAST], 0.0)
        return Deviations(score, held)

    def calm(self, slot: Ints, vital: Ints) -> None:
        """Forget the deviation of vitals that recovered, not what is usual for the wearer."""
        self.table["fast"][slot, vital] = 0.0
        self.table["hour"][slot, vital] = 0.0


def _together(hour: Floats, age: Ints) -> Floats:
    """Return the sum of deviations that drift together in illness over the root of their number, NaN with one alone."""
    fresh = (age <= _STALE_MIN) & (_JOINT_SIGNS != 0)
    count = fresh.sum(axis=1)
    total = np.where(fresh, hour * _JOINT_SIGNS, 0.0).sum(axis=1)
    together: Floats = np.where(count >= _JOINT_LEAST, total / np.sqrt(np.maximum(count, 1)), np.nan)
    return together
