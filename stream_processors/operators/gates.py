"""What is not believed: readings off the wrist or of low quality, and values that froze."""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.slots import NEVER, Bools, Column, Floats, Ints, Table
from schemas.vitals import NAMES
from stream_processors.operators.readings import NOT_WORN

QUALITY_LIMIT: Final = 0.5
"""Below this a value is stored and shown, never judged. An unknown quality passes, and evidence says so.

It is the quality of the optical signal, which movement lowers: what tells of movement passes at any quality.
"""

FROZEN_MS: Final = 240_000
"""A heart rate that is exactly equal for this long, while nothing else changes, is a sensor that repeats itself."""
_FROZEN_GAP_MS: Final = 60_000

HEART_RATE: Final = NAMES.index("heart_rate")
MOTION: Final = NAMES.index("motion")
STEPS: Final = NAMES.index("steps")
_OTHERS: Final = [
    column for column, name in enumerate(NAMES) if name not in {"heart_rate", "motion", "acceleration", "steps"}
]


_OF_MOVEMENT: Final = np.array([name in {"motion", "acceleration", "steps"} for name in NAMES])


def _believed(quality: npt.NDArray[np.float32]) -> Bools:
    """Return which readings are not known to be of low quality."""
    passes: Bools = ~(quality < QUALITY_LIMIT)
    return passes


def counts(worn: Ints, quality: npt.NDArray[np.float32]) -> Bools:
    """Return which vitals of which readings may be judged, shape (n, number of vitals).

    Nothing counts that is known to be off the body, and no vital of low quality except those of movement.
    """
    passes: Bools = (worn != NOT_WORN)[:, None] & (_believed(quality)[:, None] | _OF_MOVEMENT)
    return passes


class FrozenGate:
    """Finds heart rates that repeat themselves, lane by lane (a wearer or a stream).

    Oxygen saturation is not gated: it is coarse, and a true one can stay equal for long. Movement and any change of
    another vital show that the sensor is alive. Rule after the fault measured in the Furberg et al. minutes, where wear
    gaps are filled with equal heart rates.
    """

    def __init__(self) -> None:
        self.table = Table({
            "value": Column("f8", np.nan),
            "since_ms": Column("i8", NEVER),
            "last_ms": Column("i8", NEVER),
            "others": Column("f8", np.nan, len(_OTHERS)),
        })  # fmt: skip

    def judge(self, lane: Ints, end_ms: Ints, start_ms: Ints, values: Floats, *, alive: Bools) -> Bools:
        """Take one bin of each lane; return where its heart rate has been frozen for `FROZEN_MS`.

        `alive` says where the bin itself speaks against it: movement, or heart rates that differ within the bin.
        """
        table = self.table
        rate = values[:, HEART_RATE]
        others = values[:, _OTHERS]
        last_others = table["others"][lane]
        news = ((others != last_others) & ~np.isnan(others)).any(axis=1)
        table["others"][lane] = np.where(np.isnan(others), last_others, others)
        repeated = (rate == table["value"][lane]) & ~alive & ~news
        repeated &= start_ms - table["last_ms"][lane] <= _FROZEN_GAP_MS
        since = np.where(repeated, table["since_ms"][lane], start_ms)
        known = ~np.isnan(rate)
        if known.all():
            table["value"][lane], table["since_ms"][lane], table["last_ms"][lane] = rate, since, end_ms
        else:
            heard = lane[known]
            table["value"][heard], table["since_ms"][heard] = rate[known], since[known]
            table["last_ms"][heard] = end_ms[known]
        frozen: Bools = known & (end_ms - since >= FROZEN_MS)
        return frozen

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return the state."""
        return self.table.dump()
