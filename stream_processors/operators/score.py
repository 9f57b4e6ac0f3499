"""What is expected of each bin's heart rate, and how far off it is: the simple model."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.slots import NEVER, Bools, Column, Floats, Ints, Table
from schemas.scores import BIN_MS
from stream_processors.operators.baseline import Baseline
from stream_processors.operators.bins import Bins
from stream_processors.operators.gates import HEART_RATE
from stream_processors.operators.rest import Activity

_BIN_MIN: Final = BIN_MS / 60_000
FAST_MIN: Final = 3.0
"""Time constant of the score: minutes of agreement before it believes a deviation."""
IDLE_MIN: Final = 9.5
"""Time constant with which the score fades where nothing can be judged (moving, gated, gaps)."""
Z_CLIP: Final = 8.0
REST_FOR_SCORE_MS: Final = 180_000
"""The heart needs some minutes to come down after movement."""

_GAPS_MOST: Final = 720
_FADE: Final = np.array([(1.0 - _BIN_MIN / IDLE_MIN) ** bins for bins in range(_GAPS_MOST + 1)])
_FAST_RATE: Final = _BIN_MIN / FAST_MIN


@dataclass(frozen=True, slots=True)
class Deviation:
    """What the model says of the heart rate of one wave of bins, each shape (n,).

    Attributes:
        z: Standardised deviation, NaN where not judged.
        expected: What was expected of the heart rate, `scale` the deviation around it; NaN where not known.
        combined: Score over time, NaN where the model knows too little to say anything.
        sided: Smoothed deviation, above zero for the high side, NaN where not judged.
        known_s: Observed rest time behind what is expected, seconds.
    """

    z: Floats
    expected: Floats
    scale: Floats
    combined: Floats
    sided: Floats
    known_s: Floats


class RestingRate:
    """Resting heart rate against the wearer's own baseline, smoothed exponentially over minutes."""

    name = "resting-rate 1"

    def __init__(self) -> None:
        self._baseline = Baseline()
        self._table = Table({"sided": Column("f8", 0.0), "last_ms": Column("i8", NEVER)})

    def extend(self, wearers: int) -> None:
        """Make room for wearer slots below `wearers`."""
        self._baseline.extend(wearers)
        self._table.extend(wearers)

    def score(self, bins: Bins, activity: Activity, *, rate_usable: Bools, learn: Bools) -> Deviation:
        """Score first, with what was known before; then learn."""
        lane, rate = bins.wearer, bins.values[:, HEART_RATE]
        judged = rate_usable & (activity.resting_ms >= REST_FOR_SCORE_MS)
        usual = self._baseline.usual(lane)
        told = judged & usual.enough
        z = np.where(told, (rate - usual.centre_bpm) / usual.scale_bpm, np.nan)
        gap = np.clip((bins.start_ms - self._table["last_ms"][lane]) // BIN_MS + 1, 1, _GAPS_MOST)
        before = self._table["sided"][lane] * _FADE[np.where(told, gap - 1, gap)]
        clipped = np.clip(np.where(told, z, 0.0), -Z_CLIP, Z_CLIP)
        sided = np.where(told, before + _FAST_RATE * (clipped - before), before)
        self._table["sided"][lane] = sided
        self._table["last_ms"][lane] = bins.end_ms
        self._baseline.learn(lane, rate, where=judged & learn)
        said = np.where(usual.enough & rate_usable, sided, np.nan)
        return Deviation(
            z=z,
            expected=np.where(usual.enough, usual.centre_bpm, np.nan),
            scale=np.where(usual.enough, usual.scale_bpm, np.nan),
            combined=np.abs(said),
            sided=said,
            known_s=usual.minutes * 60.0,
        )

    def calm(self, wearers: Ints) -> None:
        """Forget the smoothed deviation of wearers who recovered."""
        self._table["sided"][wearers] = 0.0

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return the state as arrays."""
        return {
            **{f"baseline.{name}": array for name, array in self._baseline.table.dump().items()},
            **{f"score.{name}": array for name, array in self._table.dump().items()},
        }

    def load(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take over a dump."""
        for prefix, table in (("baseline.", self._baseline.table), ("score.", self._table)):
            table.load({name.removeprefix(prefix): a for name, a in arrays.items() if name.startswith(prefix)})
