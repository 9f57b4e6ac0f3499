"""What a model is fitted to: features and values of many minutes, as the engine sees them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self

import numpy as np
import numpy.typing as npt

from inference.pulsenet.features import CONTEXT, SEEN
from inference.pulsenet.inputs import Inputs
from inference.pulsenet.offline import Grid
from inference.pulsenet.personal import SCALE_LEAST, UNIT
from inference.pulsenet.series import VITAL_COUNT, Series
from inference.slots import Ints

Tellable = Callable[[int, int], None]
"""Is told how much is done, and of how much."""

_F32 = npt.NDArray[np.float32]
_DAY_MIN: Final = 1_440


@dataclass(frozen=True, slots=True)
class Rows:
    """Minutes with data of many people, one person after the other, N in all.

    Attributes:
        context: Shape (N, features.CONTEXT).
        seen: Shape (N, features.SEEN).
        distance: From the wearer's centre in `personal.UNIT`, NaN where absent or not believed, shape (N, VITAL_COUNT).
        unsure: What was not known of that centre, in the same unit, shape (N, VITAL_COUNT).
        starts: Person p has the rows from `starts[p]` to `starts[p + 1]`, shape (people + 1,).
    """

    context: _F32
    seen: _F32
    distance: _F32
    unsure: _F32
    starts: Ints

    @property
    def people(self) -> int:
        """Number of people."""
        return len(self.starts) - 1

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Return the rows of all people of several."""
        before = np.cumsum([0, *(len(part.context) for part in parts)])
        starts = [part.starts[:-1] + int(first) for part, first in zip(parts, before, strict=False)]
        return cls(
            context=np.concatenate([part.context for part in parts]),
            seen=np.concatenate([part.seen for part in parts]),
            distance=np.concatenate([part.distance for part in parts]),
            unsure=np.concatenate([part.unsure for part in parts]),
            starts=np.concatenate([*starts, before[-1:]]).astype(np.int64),
        )


def collect(recordings: Sequence[Series], *, told: Tellable | None = None) -> Rows:
    """Return the rows of recordings; what is usual for each person is learned on the way, as in the engine.

    Raises:
        ValueError: There is no minute with data.
    """
    inputs, grid = Inputs(), Grid(recordings)
    for table in inputs.tables().values():
        table.extend(len(recordings))
    counts = grid.known.sum(axis=0)
    if counts.sum() == 0:
        raise ValueError("There are no minutes with data to learn from.")
    made = _empty(np.concatenate(([0], np.cumsum(counts))).astype(np.int64))
    next_row = made.starts[:-1].copy()
    for row in range(grid.minutes):
        if told is not None and row % _DAY_MIN == 0:
            told(row, grid.minutes)
        slots = np.flatnonzero(grid.known[row])
        if len(slots):
            _take(inputs, grid, slots, row, made, next_row[slots])
            next_row[slots] += 1
    return made


def _take(inputs: Inputs, grid: Grid, slots: Ints, row: int, made: Rows, place: Ints) -> None:
    minutes = grid.minute(slots, row)
    look = inputs.look(minutes)
    made.context[place] = look.context
    made.seen[place] = look.seen
    made.distance[place] = np.where(look.believed, look.distance, np.nan)
    made.unsure[place] = look.usual.spread / UNIT
    scale = np.broadcast_to(np.maximum(UNIT, SCALE_LEAST), look.compared.shape)
    inputs.learn(minutes, look, look.usual.centre, scale, may=np.ones(look.compared.shape, dtype=np.bool_))


def _empty(starts: Ints) -> Rows:
    count = int(starts[-1])
    return Rows(
        context=np.zeros((count, CONTEXT), dtype=np.float32),
        seen=np.zeros((count, SEEN), dtype=np.float32),
        distance=np.full((count, VITAL_COUNT), np.nan, dtype=np.float32),
        unsure=np.zeros((count, VITAL_COUNT), dtype=np.float32),
        starts=starts,
    )
