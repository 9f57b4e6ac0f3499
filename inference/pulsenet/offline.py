"""Whole recordings as waves, minute by minute and all side by side: for training, calibration and evaluation."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from inference.pulsenet.series import VITAL_COUNT, Series
from inference.pulsenet.steps import Steps
from inference.slots import Bools, Ints

_DAY_MIN: Final = 1_440


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
