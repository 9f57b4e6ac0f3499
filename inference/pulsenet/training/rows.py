"""What a model is fitted to: features and values of many minutes, as the engine sees them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from inference.pulsenet.inputs import Inputs
from inference.pulsenet.offline import Grid
from inference.pulsenet.personal import SCALE_LEAST, UNIT
from inference.pulsenet.series import VITAL_COUNT, Series

_F32 = npt.NDArray[np.float32]
_DAY_MIN: Final = 1_440


@dataclass(frozen=True, slots=True)
class Rows:
    """Minutes of recordings side by side, time first; NaN targets where a value is absent or not believed.

    Attributes:
        context: Shape (T, people, features.CONTEXT).
        seen: Shape (T, people, features.SEEN).
        distance: From the wearer's centre in `personal.UNIT`, shape (T, people, VITAL_COUNT).
        known: Minutes with data, shape (T, people).
    """

    context: _F32
    seen: _F32
    distance: _F32
    known: npt.NDArray[np.bool_]


def collect(recordings: Sequence[Series], *, told: Callable[[int, int], None] | None = None) -> Rows:
    """Return the rows of recordings; what is usual for each person is learned on the way, as in the engine."""
    inputs, grid = Inputs(), Grid(recordings)
    for table in inputs.tables().values():
        table.extend(len(recordings))
    made: Rows | None = None
    for row in range(grid.minutes):
        slots = np.flatnonzero(grid.known[row])
        if told is not None and row % _DAY_MIN == 0:
            told(row, grid.minutes)
        if len(slots) == 0:
            continue
        minutes = grid.minute(slots, row)
        look = inputs.look(minutes)
        if made is None:
            made = _empty(grid, look.context.shape[1], look.seen.shape[1])
        made.context[row, slots] = look.context
        made.seen[row, slots] = look.seen
        made.distance[row, slots] = np.where(look.believed, look.distance, np.nan)
        scale = np.broadcast_to(np.maximum(UNIT, SCALE_LEAST), look.compared.shape)
        inputs.learn(minutes, look, look.usual.centre, scale, may=np.ones(look.compared.shape, dtype=np.bool_))
    if made is None:
        raise ValueError("There are no minutes with data to learn from.")
    return made


def _empty(grid: Grid, context: int, seen: int) -> Rows:
    shape = grid.known.shape
    return Rows(
        context=np.zeros((*shape, context), dtype=np.float32),
        seen=np.zeros((*shape, seen), dtype=np.float32),
        distance=np.full((*shape, VITAL_COUNT), np.nan, dtype=np.float32),
        known=grid.known,
    )
