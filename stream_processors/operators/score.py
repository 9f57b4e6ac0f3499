"""What is expected of each bin, and how far off it is: the contract of a model, and the simple model."""

from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from inference.slots import NEVER, Bools, Column, Floats, Ints, Table
from schemas.scores import BIN_MS
from stream_processors.operators.baseline import Baseline
from stream_processors.operators.bins import Bins
from stream_processors.operators.gates import HEART_RATE
from stream_processors.operators.readings import VITAL_COUNT
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
class Scores:
    """What a model says of one wave of bins.

    Attributes:
        z: Standardised deviation by vital, NaN where not judged, shape (n, VITAL_COUNT).
        expected: What was expected of each vital, `scale` the deviation around it, shapes as `z`.
        combined: Score over time and vitals, NaN where the model knows too little to say anything, shape (n,).
        sided: Smoothed deviation by vital, above zero for the high side, NaN where not judged, shape (n, VITAL_COUNT).
        known_s: Observed rest time behind what is expected, seconds, shape (n,).
    """

    z: Floats
    expected: Floats
    scale: Floats
    combined: Floats
    sided: Floats
    known_s: Floats


class Scorer(Protocol):
    """A model of what is usual for each wearer. Slots are wearer slots; its state is part of the partition's."""

    name: str
    """Name and version, as scores and evidence show them."""

    def extend(self, wearers: int) -> None:
        """Make room for wearer slots below `wearers`."""
        ...

    def score(self, bins: Bins, activity: Activity, *, rate_usable: Bools, learn: Bools) -> Scores:
        """Take one bin of each wearer, in order of time; learn only where allowed."""
        ...

    def calm(self, wearers: Ints) -> None:
        """Forget the deviation of wearers who recovered, not what is usual for them."""
        ...

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return the state as arrays."""
        ...

    def load(self, arrays: dict[str, npt.NDArray[Any]]) -> None:
        """Take over a dump."""
        ...


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

    def score(self, bins: Bins, activity: Activity, *, rate_usable: Bools, learn: Bools) -> Scores:
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
        expected = np.where(usual.enough, usual.centre_bpm, np.nan)
        return Scores(
            z=_of_rate(z),
            expected=_of_rate(expected),
            scale=_of_rate(np.where(usual.enough, usual.scale_bpm, np.nan)),
            combined=np.abs(said),
            sided=_of_rate(said),
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


def _of_rate(values: Floats) -> Floats:
    wide = np.full((len(values), VITAL_COUNT), np.nan)
    wide[:, HEART_RATE] = values
    return wide
