"""Heart rates that repeat themselves: a sensor, or a file, that fills a gap with its last value.

In the minutes of Furberg et al. wear gaps are filled forward: 88 to 94 % of the minutes without any 5 s sample lie in
runs of four and more equal values without a step. Ungated, most of the highest scores are such stretches.
"""

from typing import Final

import numpy as np

from inference.pulsenet.series import HEART_RATE
from inference.pulsenet.steps import Steps
from inference.slots import NEVER, Bools, Column, Floats, Ints, Table

RUN_MIN: Final = 4
"""A value is not believed from its fourth equal minute."""
LONG_RUN_MIN: Final = 10
AFTER_MIN: Final = 5
"""Nor are the minutes after a long run, in which the sensor finds the pulse again."""
TRUST: Final = np.array([1.0, 1.0, 0.6, 0.3])
"""How much a minute counts by its place in a run, from none to third: about every seventh true minute repeats the one
before it, two in a row are rare, and many frozen stretches begin with a jump."""


class Frozen:
    """Follows runs of equal heart rates."""

    def __init__(self) -> None:
        self.table = Table({
            "value": Column("f8", np.nan),
            "run": Column("i8", 0),
            "minute": Column("i8", NEVER),
            "doubt": Column("i8", NEVER),
        })  # fmt: skip

    def judge(self, minutes: Steps) -> tuple[Bools, Floats]:
        """Return where the heart rate is not to be believed, and how much it counts elsewhere, each shape (n,)."""
        table, slot = self.table, minutes.slot
        rate = minutes.values[:, HEART_RATE]
        known = ~np.isnan(rate)
        value, minute = table["value"][slot], table["minute"][slot]
        again = (rate == value) & (minutes.minute - minute <= 1) & ~(minutes.steps > 0)
        before = table["run"][slot]
        run: Ints = np.where(again, before + 1, np.where(known, 1, before))
        ended = known & ~again & (before >= LONG_RUN_MIN)
        doubt = np.where(ended, minutes.minute + AFTER_MIN, table["doubt"][slot])
        table["doubt"][slot] = doubt
        table["run"][slot] = run
        table["value"][slot] = np.where(known, rate, value)
        table["minute"][slot] = np.where(known, minutes.minute, minute)
        frozen: Bools = (again & (run >= RUN_MIN)) | (minutes.minute < doubt)
        return frozen, TRUST[np.minimum(run, RUN_MIN - 1)]
