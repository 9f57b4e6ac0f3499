"""Tiers 1 and 2: a deviation from the wearer's own usual that lasts.

The thresholds are not yet calibrated to a rate of alerts: they are set so that the 25 recordings of Stress-Predict
(seated people, some under stress) stay nearly silent.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.slots import NEVER, Bools, Column, Ints, Table
from stream_processors.operators.bins import Bins
from stream_processors.operators.gates import HEART_RATE
from stream_processors.operators.rest import Activity
from stream_processors.operators.runs import Runs
from stream_processors.operators.score import Deviation

THRESHOLDS_Z: Final = (3.0, 5.0)
"""Smoothed deviation for tier 1 and tier 2."""
PERSIST_MS: Final = (60_000, 30_000)
"""How long the smoothed deviation must stay beyond the threshold; the smoothing itself takes minutes before that."""
EXIT_Z: Final = 1.5
"""Hysteresis: an episode goes on while the smoothed deviation is beyond this."""
BACK_Z: Final = 2.0
"""A single bin this near to what is usual speaks for recovery."""
TIER0_Z: Final = 2.0
"""Internal flag for the zone feed; its rate is not known yet."""

_SIGNS: Final = np.array([1.0, -1.0])
_RISE_Z: Final = 2.0
_RISEN_Z: Final = 1.0


@dataclass(frozen=True, slots=True)
class TierVerdict:
    """What the tiers say of one wave of bins, each shape (n, 2): high side, low side.

    Attributes:
        tier: Tier that fires in this bin: 0, 1 or 2.
        holds: The deviation goes on.
        back: The heart rate was measured and is back near what is usual, or the smoothed deviation is gone.
        measured: There is a heart rate and something to compare it with.
    """

    tier: Ints
    holds: Bools
    back: Bools
    measured: Bools


class Tiers:
    """Follows the smoothed deviation of each wearer's heart rate on both sides."""

    def __init__(self) -> None:
        self.runs = Runs(_SIGNS)
        self.table = Table({"first_ms": Column("i8", NEVER, 2), "second_ms": Column("i8", NEVER, 2)})

    def extend(self, wearers: int) -> None:
        """Make room."""
        self.runs.table.extend(wearers)
        self.table.extend(wearers)

    def judge(self, bins: Bins, said: Deviation, activity: Activity) -> TierVerdict:
        """Take one bin of each wearer, in order of time."""
        lane = bins.wearer
        sided = said.sided[:, None] * _SIGNS
        z = said.z[:, None] * _SIGNS
        rising = (z >= _RISE_Z) | (sided >= _RISEN_Z)
        back = (sided < EXIT_Z) | (self._deviation(bins, said) < BACK_Z)
        measured = ~np.isnan(sided)
        if not (rising.any() or self.runs.running(lane).any()):
            return TierVerdict(np.zeros(rising.shape, dtype=np.int64), rising, back, measured)
        rate = np.broadcast_to(bins.values[:, HEART_RATE, None], rising.shape)
        self.runs.follow(lane, bins, rate, activity, agree=rising & ~np.isnan(rate), ends=~rising)
        tier = np.zeros(rising.shape, dtype=np.int64)
        for number, column in enumerate(("first_ms", "second_ms")):
            beyond = sided >= THRESHOLDS_Z[number]
            since = self.table[column][lane]
            since = np.where(beyond, np.where(since == NEVER, bins.start_ms[:, None], since), NEVER)
            self.table[column][lane] = since
            fires = beyond & (bins.end_ms[:, None] - since >= PERSIST_MS[number]) & (z >= EXIT_Z)
            tier = np.where(fires, number + 1, tier)
        holds = (sided >= EXIT_Z) & (z >= BACK_Z)
        return TierVerdict(tier, holds, back & ~holds, measured)

    def calm(self, wearers: Ints) -> None:
        """Begin anew for wearers who recovered: what was smoothed before says nothing about what comes."""
        self.runs.table.reset(wearers)
        self.table.reset(wearers)

    @staticmethod
    def _deviation(bins: Bins, said: Deviation) -> npt.NDArray[np.float64]:
        """Return how far each rate is off on both sides, judged or not: someone who moves recovers too."""
        off = (bins.values[:, HEART_RATE] - said.expected) / said.scale
        deviation: npt.NDArray[np.float64] = off[:, None] * _SIGNS
        return deviation

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return the state."""
        return {
            **{f"runs.{name}": array for name, array in self.runs.dump().items()},
            **{f"since.{name}": array for name, array in self.table.dump().items()},
        }

    def load(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take over a dump."""
        for prefix, table in (("runs.", self.runs.table), ("since.", self.table)):
            table.load({name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)})
