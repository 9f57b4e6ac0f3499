"""The two-night rule: a vital that lies above the wearer's usual night on two nights running.

After NightSignal (Alavi et al., Nature Medicine 2022), which watches the overnight resting heart rate against its
running median; here each night's mean deviation is compared with the average and scatter of the nights before.
"""

from typing import Final

import numpy as np

from inference.pulsenet.series import VITAL_COUNT
from inference.slots import NEVER, Bools, Column, Floats, Ints, Table

NIGHT_MIN: Final = 120
"""A night with fewer minutes asleep with a value does not count."""
NIGHTS_LEAST: Final = 3
"""Nights before one can be compared."""
_PRIOR_NIGHTS: Final = 7.0
_SLOWEST: Final = 1.0 / 30.0
_PRIOR_SCATTER: Final = 0.5
_SCATTER_LEAST: Final = 0.25
_CLIP: Final = 3.0
_BREAK_MIN: Final = 360
"""So long without sleep ends a night."""
RUNNING_MIN: Final = 2_160
"""A night that ended longer ago than a day and a half is not last night."""


class Nights:
    """Follows each wearer's nights."""

    def __init__(self) -> None:
        self.table = Table({
            "asleep": Column("i8", NEVER),
            "ended": Column("i8", NEVER),
            "sum": Column("f8", 0.0, VITAL_COUNT),
            "count": Column("f4", 0.0, VITAL_COUNT),
            "centre": Column("f4", 0.0, VITAL_COUNT),
            "scatter": Column("f4", _PRIOR_SCATTER, VITAL_COUNT),
            "nights": Column("f4", 0.0, VITAL_COUNT),
            "before": Column("f4", np.nan, VITAL_COUNT),
            "said": Column("f4", np.nan, VITAL_COUNT),
        })  # fmt: skip

    def follow(self, slot: Ints, minute: Ints, z: Floats, asleep: Bools) -> Floats:
        """Return the smaller deviation of the last two nights, NaN unless they ran on to now, shape (n, VITAL_COUNT).

        `asleep` says which values were measured asleep. A night ends `_BREAK_MIN` after its last such minute.
        """
        table = self.table
        over = (minute - table["asleep"][slot] > _BREAK_MIN) & (table["asleep"][slot] > NEVER)
        if over.any():
            self._end(slot[over])
        told = asleep.any(axis=1)
        table["asleep"][slot] = np.where(told, minute, table["asleep"][slot])
        if told.any():
            table["sum"][slot] = table["sum"].take(slot, axis=0) + np.where(asleep, z, 0.0)
            table["count"][slot] = table["count"].take(slot, axis=0) + asleep
        lasts = (minute - table["ended"][slot] <= RUNNING_MIN)[:, None]
        said: Floats = np.where(lasts, table["said"].take(slot, axis=0), np.nan)
        return said

    def _end(self, slot: Ints) -> None:
        table = self.table
        asleep = table["asleep"][slot]
        running = (asleep - table["ended"][slot] <= RUNNING_MIN)[:, None]
        count = table["count"][slot].astype(np.float64)
        enough = count >= NIGHT_MIN
        night = np.where(enough, table["sum"][slot] / np.maximum(count, 1.0), np.nan)
        known = table["nights"][slot].astype(np.float64)
        centre, scatter = table["centre"][slot].astype(np.float64), table["scatter"][slot].astype(np.float64)
        deviation = (night - centre) / np.maximum(scatter, _SCATTER_LEAST)
        deviation = np.where(enough & (known >= NIGHTS_LEAST), deviation, np.nan)
        table["said"][slot] = np.where(running, np.minimum(deviation, table["before"][slot]), np.nan)
        table["before"][slot] = deviation
        self._learn(slot, night, enough, known, centre, scatter)
        table["sum"][slot], table["count"][slot] = 0.0, 0.0
        table["ended"][slot], table["asleep"][slot] = asleep, NEVER

    def _learn(self, slot: Ints, night: Floats, enough: Bools, known: Floats, centre: Floats, scatter: Floats) -> None:
        share = np.maximum(_SLOWEST, 1.0 / (known + 1.0))
        most = np.where(known < NIGHTS_LEAST, np.inf, _CLIP * np.maximum(scatter, _SCATTER_LEAST))
        off = np.clip(np.where(enough, night, centre) - centre, -most, most)
        self.table["centre"][slot] = centre + np.where(enough, share * off, 0.0)
        slow = np.maximum(_SLOWEST, 1.0 / (known + _PRIOR_NIGHTS))
        self.table["scatter"][slot] = scatter + np.where(enough & (known > 0), slow * (np.abs(off) - scatter), 0.0)
        self.table["nights"][slot] = known + enough
