"""Whole recordings through the model, minute by minute and all side by side: for calibration and evaluation."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from inference.pulsenet.channels import CHANNEL_COUNT
from inference.pulsenet.engine import Judged, PulseNet
from inference.pulsenet.series import VITAL_COUNT, Series
from inference.pulsenet.steps import Steps
from inference.slots import Bools, Ints

_DAY_MIN: Final = 1_440

_Kept = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What the model said of one recording, by minute of its grid, in 32 bits.

    Attributes:
        score: By channel, NaN where it said nothing, shape (T, CHANNEL_COUNT).
        threshold: By channel and tier, NaN where there was no data, shape (T, CHANNEL_COUNT, 2).
        z: By vital, shape (T, VITAL_COUNT).
        combined: Largest score over threshold, shape (T,).
        flag: Tier 0, 0 or 1, NaN where there was no data, shape (T,).
    """

    score: _Kept
    threshold: _Kept
    z: _Kept
    combined: _Kept
    flag: _Kept


def run(
    model: PulseNet, recordings: Sequence[Series], *, told: Callable[[int, int], None] | None = None
) -> list[Trace]:
    """Return a trace of each recording; wearer slots are their places in the sequence.

    `told` is called once a day of the recordings with minutes done and to do.
    """
    model.extend(len(recordings))
    grid = Grid(recordings)
    kept = _Told((len(recordings), grid.minutes))
    for row in range(grid.minutes):
        slots = np.flatnonzero(grid.known[row])
        if len(slots):
            judged = model.step(grid.minute(slots, row), learn=np.ones((len(slots), VITAL_COUNT), dtype=np.bool_))
            kept.take(judged, slots, row)
        if told is not None and row % _DAY_MIN == 0:
            told(row, grid.minutes)
    return [kept.trace(slot, series.minutes) for slot, series in enumerate(recordings)]


class Grid:
    """All recordings side by side, time first."""

    def __init__(self, recordings: Sequence[Series]) -> None:
        people = len(recordings)
        self.minutes = max((series.minutes for series in recordings), default=0)
        self._first = np.array([series.first_minute for series in recordings], dtype=np.int64)
        self._offset = np.array([series.utc_offset_min for series in recordings], dtype=np.int64)
        self._values = np.full((self.minutes, people, VITAL_COUNT), np.nan, dtype=np.float32)
        self._steps = np.full((self.minutes, people), np.nan, dtype=np.float32)
        self._motion = np.full((self.minutes, people), np.nan, dtype=np.float32)
        self._off_wrist = np.zeros((self.minutes, people), dtype=np.bool_)
        for slot, series in enumerate(recordings):
            rows = slice(0, series.minutes)
            self._values[rows, slot] = series.values
            self._steps[rows, slot] = series.steps
            self._motion[rows, slot] = series.motion
            self._off_wrist[rows, slot] = series.worn < 0
        self.known: Bools = ~np.isnan(self._values).all(axis=2) | ~np.isnan(self._steps) | ~np.isnan(self._motion)

    def minute(self, slots: Ints, row: int) -> Steps:
        """Return one minute of some recordings."""
        minute = self._first[slots] + row
        return Steps(
            slot=slots,
            minute=minute,
            local_min=(minute + self._offset[slots]) % _DAY_MIN,
            values=self._values[row, slots].astype(np.float64),
            steps=self._steps[row, slots].astype(np.float64),
            motion=self._motion[row, slots].astype(np.float64),
            gated=np.repeat(self._off_wrist[row, slots, None], VITAL_COUNT, axis=1),
        )


class _Told:
    """What the model said, as it is told."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self._score = np.full((*shape, CHANNEL_COUNT), np.nan, dtype=np.float32)
        self._threshold = np.full((*shape, CHANNEL_COUNT, 2), np.nan, dtype=np.float32)
        self._z = np.full((*shape, VITAL_COUNT), np.nan, dtype=np.float32)
        self._combined = np.full(shape, np.nan, dtype=np.float32)
        self._flag = np.full(shape, np.nan, dtype=np.float32)

    def take(self, judged: Judged, slots: Ints, row: int) -> None:
        """Keep one minute of some recordings."""
        self._score[slots, row] = judged.score
        self._threshold[slots, row] = judged.threshold
        self._z[slots, row] = judged.z
        self._combined[slots, row] = judged.combined
        self._flag[slots, row] = judged.flag

    def trace(self, slot: int, minutes: int) -> Trace:
        """Return what was said of one recording."""
        return Trace(
            score=self._score[slot, :minutes],
            threshold=self._threshold[slot, :minutes],
            z=self._z[slot, :minutes],
            combined=self._combined[slot, :minutes],
            flag=self._flag[slot, :minutes],
        )
