"""From a minute's deviations to a score a channel: averages over 5 min, 60 min, 8 h and two nights, and a joint one.

What is averaged over minutes counts at rest only, and has the wearer's own level of the hour before taken from it: a
day of excitement, or a baseline that is off, raises both. Of a heart rate it is the least deviation of the last 7 to 12
minutes that decides: what an event keeps up, noise does not, and one calm minute is a veto. The average speaks there
only where it is far ahead of it. (What each is worth: docs/models/pulsenet.md.)
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from inference.pulsenet.activity import ASLEEP
from inference.pulsenet.channels import CHANNEL_COUNT, CHANNELS, MINUTES, SIGNS, VITAL_OF, adjoining, of_scale
from inference.pulsenet.inputs import Look
from inference.pulsenet.nights import Nights
from inference.pulsenet.numbers import decays, powers
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
SUSTAINED_MIN: Final = (7, 12)
"""Believed minutes at rest that must agree, at least and at most."""
LONGER: Final = 0.1
"""What each agreeing minute beyond the least is worth: a smaller deviation counts when it lasts longer."""
MISSED: Final = 0.2
"""What each minute among them costs that was not believed, or not at rest."""
AHEAD: Final = 0.6
"""By so much the average must lie ahead of what is sustained to speak for the heart rate."""
LONG_TAU_MIN: Final = 480.0

_FAST: Final = of_scale(*MINUTES)
_SUSTAINED: Final = of_scale("10 min")
_HOUR: Final = of_scale("60 min")
_LONG: Final = of_scale("8 h")
_NIGHTS: Final = of_scale("2 nights")
_JOINT: Final = of_scale("60 min", joint=True)
_AVERAGE_OF: Final = VITAL_OF.copy()
_AVERAGE_OF[_HOUR] += VITAL_COUNT
_AVERAGE_OF[_NIGHTS] += 2 * VITAL_COUNT
_AVERAGE_OF[_LONG] = 3 * VITAL_COUNT
_AVERAGE_OF[_JOINT] = 3 * VITAL_COUNT + 1
_FAST_COLUMNS: Final = adjoining(_FAST)
_SUSTAINED_COLUMNS: Final = adjoining(_SUSTAINED)
_GROWS_STALE: Final = ~np.isin(np.arange(CHANNEL_COUNT), [*_NIGHTS, *_JOINT])
_LEVELLED: Final = sorted({vital for code in _FAST if (vital := CHANNELS[code].vital) is not None})
_LEVELLED_VITALS: Final = np.array(_LEVELLED)
_LAGS: Final = np.arange(LEVEL_LAG_MIN)
_LEVEL_OF: Final = np.searchsorted(_LEVELLED, VITAL_OF[_FAST])
_KEPT_OF_WEARER: Final = LEVEL_LAG_MIN * len(_LEVELLED)
_AGO: Final = np.arange(SUSTAINED_MIN[1])[:, None]
_HEART_AT: Final = (_LAGS - _AGO) % LEVEL_LAG_MIN * len(_LEVELLED) + _LEVELLED.index(HEART_RATE)
"""Where among a wearer's lagged deviations the heart rate of a minute is, by how long ago it was and the lag of now."""
_LEAST_MIN: Final = SUSTAINED_MIN[0]
_AGREE: Final = np.arange(SUSTAINED_MIN[1] + 1)
_WORTH: Final = LONGER * (_AGREE - _LEAST_MIN) - MISSED * (_AGO[_LEAST_MIN - 1 :] + 1 - _AGREE)
_WORTH[:, :_LEAST_MIN] = -np.inf
_SIDES: Final = SIGNS[_SUSTAINED][:, None, None]
_WORTH_OF: Final = len(_AGREE) * np.arange(len(_WORTH))[:, None]
"""What it is worth that so many of the last 7, 8, .. 12 minutes agree; -inf where those are too few."""
_FADES: Final = powers(FADE)
_FAST_MOST: Final = 0.5
_RARE_MIN: Final = 15
"""For so long an average waits for the next value: a rare measurement is no recovery, nor is a gap."""
_FAST_SHARES: Final = np.minimum(1.0 - powers(1.0 - FAST_SHARE)[: _RARE_MIN + 1], _FAST_MOST)
_LEVEL_DECAY: Final = decays(LEVEL_TAU_MIN)
_HOUR_MOST: Final = 0.25
_HOUR_SHARES: Final = np.minimum(1.0 - decays(HOUR_TAU_MIN), _HOUR_MOST)
_LONG_DECAY: Final = decays(LONG_TAU_MIN)
_STALE_MIN: Final = 120
"""An average whose vital was not measured for so long says nothing now."""
_JOINT_SIGNS: Final = np.zeros(VITAL_COUNT)
_JOINT_SIGNS[[HEART_RATE, SKIN_TEMPERATURE, BODY_TEMPERATURE]] = 1.0
_JOINT_SIGNS[[HRV_RMSSD, HRV_SDNN]] = -1.0
_JOINT_VITALS: Final = tuple(np.flatnonzero(_JOINT_SIGNS).tolist())
_JOINT_LEAST: Final = 2


@dataclass(frozen=True, slots=True)
class Deviations:
    """Scores of one wave.

    Attributes:
        score: By channel, NaN where nothing can be said now, shape (n, CHANNEL_COUNT).
        held: The averages, the wearer's own level not taken away: an episode goes on while this is far from 0.
        parts: What each vital adds to the joint one before they are added up: its average over the hour towards
            illness, NaN where it has no part, shape (n, VITAL_COUNT).
    """

    score: Floats
    held: Floats
    parts: Floats


class Deviation:
    """Follows the deviations of each wearer's vitals."""

    def __init__(self, *, levelled: bool = True, at_rest_only: bool = True, sustained: bool = True) -> None:
        """`levelled`, `at_rest_only` and `sustained` may be taken away, to learn what they are worth."""
        self._levelled = levelled
        self._lasts = sustained
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
        age = np.where(known, 0, look.since)
        together, parts = _together(hour, age)
        averages = np.concatenate((fast, hour, nights, long[:, None], together[:, None]), axis=1)
        held = averages.take(_AVERAGE_OF, axis=1) * SIGNS
        stale = age > _STALE_MIN
        if stale.any():
            held = np.where(stale.take(VITAL_OF, axis=1) & _GROWS_STALE, np.nan, held)
        return Deviations(self._scores(slot, minute, held, level), held, parts)

    def _fast(self, slot: Ints, z: Floats, counting: Bools, look: Look) -> Floats:
        """Return the 5-minute averages; a minute of movement fades them, as does one long after the last value."""
        before = self.table["fast"].take(slot, axis=0)
        faded, gap = before, look.active.gap_min
        if (gap > 1).any():
            lost = np.minimum(gap[:, None], look.since - _RARE_MIN) - 1
            faded = before * _FADES.take(lost, mode="clip")
        share = _FAST_SHARES.take(look.since, mode="clip")
        share[:, HEART_RATE] *= look.trust
        waits = np.isnan(z) & (look.since <= _RARE_MIN)
        still = np.where(waits, faded, faded * FADE)
        fast = np.where(counting, faded + share * (z - faded), still)
        self.table["fast"][slot] = fast
        return fast

    def _level(self, slot: Ints, minute: Ints, z: Floats, gap: Ints) -> Floats:
        """Return the average of the hour before the last `LEVEL_LAG_MIN` minutes."""
        table = self.table
        lagged = table["lagged"].reshape(-1, len(_LEVELLED))
        level = table["level"].take(slot, axis=0)
        skipped = np.flatnonzero(gap > 1)
        if len(skipped):
            level *= _LEVEL_DECAY.take(gap - 1, mode="clip")[:, None]
            ago = (minute[skipped, None] - _LAGS - 1) % LEVEL_LAG_MIN + 1
            row, lag = np.nonzero(ago < gap[skipped, None])
            lagged[slot[skipped[row]] * LEVEL_LAG_MIN + lag] = np.nan
        place = slot * LEVEL_LAG_MIN + minute % LEVEL_LAG_MIN
        old = lagged.take(place, axis=0).astype(np.float64)
        lagged[place] = z.take(_LEVELLED_VITALS, axis=1)
        share = 1.0 - _LEVEL_DECAY[1]
        level = np.where(np.isnan(old), level, level + share * (old - level))
        table["level"][slot] = level
        return level

    def _hour(self, slot: Ints, z: Floats, counting: Bools, since: Ints) -> Floats:
        before = self.table["hour"].take(slot, axis=0)
        share = _HOUR_SHARES.take(since, mode="clip")
        hour: Floats = np.where(counting, before + share * (z - before), before)
        self.table["hour"][slot] = hour
        return hour

    def _long(self, slot: Ints, z: Floats, counting: Bools, gap: Ints) -> Floats:
        before = self.table["long"][slot] * _LONG_DECAY.take(gap - 1, mode="clip")
        share = 1.0 - _LONG_DECAY[1]
        long: Floats = np.where(counting, before + share * (z - before), before)
        self.table["long"][slot] = long
        return long

    def _scores(self, slot: Ints, minute: Ints, held: Floats, level: Floats) -> Floats:
        score = held.copy()
        if self._lasts:
            place = _HEART_AT.take(minute % LEVEL_LAG_MIN, axis=1) + slot * _KEPT_OF_WEARER
            sustained = _sustained(self.table["lagged"].reshape(-1).take(place))
            score[:, _SUSTAINED_COLUMNS] = np.maximum(score[:, _SUSTAINED_COLUMNS] - AHEAD, sustained)
        if self._levelled:
            score[:, _FAST_COLUMNS] -= np.maximum(level.take(_LEVEL_OF, axis=1) * SIGNS[_FAST_COLUMNS], 0.0)
        return score

    def calm(self, slot: Ints, vital: Ints) -> None:
        """Forget the deviation of vitals that recovered, the last minutes too, not what is usual for the wearer."""
        self.table["fast"][slot, vital] = 0.0
        self.table["hour"][slot, vital] = 0.0
        lagged = self.table["lagged"].reshape(-1, LEVEL_LAG_MIN, len(_LEVELLED))
        for column, levelled in enumerate(_LEVELLED):
            lagged[slot[vital == levelled], :, column] = np.nan


def _sustained(z: npt.NDArray[np.float32]) -> Floats:
    """Return how far the heart rate stayed off on each side, all along, shape (n, 2); -inf where too few minutes tell.

    `z` has the deviations of the last minutes, the present one first, NaN where one does not count, shape (12, n).
    """
    last = _LEAST_MIN - 1
    known = ~np.isnan(z)
    count, lowest = known.astype(np.int64), z * _SIDES
    np.add.reduce(count[: last + 1], axis=0, out=count[last])
    np.fmin.reduce(lowest[:, : last + 1], axis=1, out=lowest[:, last])
    for row in range(last + 1, len(z)):
        count[row] += count[row - 1]
        np.fmin(lowest[:, row - 1], lowest[:, row], out=lowest[:, row])
    worth = _WORTH.take(count[last:] + _WORTH_OF)
    tells = known[last:] & known[0]
    sides: Floats = np.where(tells, lowest[:, last:] + worth, -np.inf).max(axis=1)
    return sides.T


def _together(hour: Floats, age: Ints) -> tuple[Floats, Floats]:
    """Return the sum of deviations that drift together in illness over the root of their number, NaN with one alone.

    Then the deviations themselves, towards illness, NaN of vitals that have no part.
    """
    fresh = (age <= _STALE_MIN) & (_JOINT_SIGNS != 0)
    parts: Floats = np.where(fresh, hour * _JOINT_SIGNS, np.nan)
    known = np.where(fresh, parts, 0.0)
    count = fresh.astype(np.float64) @ np.ones(VITAL_COUNT)
    total = np.zeros(len(hour))
    for vital in _JOINT_VITALS:
        total += known[:, vital]
    together: Floats = np.where(count >= _JOINT_LEAST, total / np.sqrt(np.maximum(count, 1.0)), np.nan)
    return together, parts
