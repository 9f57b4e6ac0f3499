"""Readings at any moments, as they are sent again: what a replay needs of a recording, whatever it came from."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import numpy as np

from inference.pulsenet.series import VITAL_NAMES, Series
from inference.slots import Floats, Ints

_DECIMALS: Final = 4


class Sample(NamedTuple):
    """One reading of a recording.

    Attributes:
        offset_ms: Its time since the recording's beginning.
        local_ms: What a clock on the wall showed then, as ms since 1970 on that clock; None where nothing tells.
        fields: The vitals that were measured.
    """

    offset_ms: int
    local_ms: int | None
    fields: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Track:
    """One wearer's readings, in order of time.

    Attributes:
        name: Whose they are.
        start_ms: Unix milliseconds at which the recording begins, at least a millisecond before its first reading.
        times_ms: Unix milliseconds of each reading, rising, shape (n,).
        local_ms: What a clock on the wall showed, shape (n,); None where the recording does not tell.
        vitals: Per vital an array of shape (n,), NaN where nothing was measured.
        left_out: Per vital how many values were left out, being implausible.
    """

    name: str
    start_ms: int
    times_ms: Ints
    local_ms: Ints | None
    vitals: dict[str, Floats]
    left_out: dict[str, int]

    @property
    def seconds(self) -> int:
        """Length of the recording."""
        return math.ceil((int(self.times_ms[-1]) - self.start_ms) / 1000)

    def samples(self, first: int, end: int) -> Iterator[Sample]:
        """Yield the readings after second `first` up to second `end` of the recording."""
        bounds = np.array([first, end]) * 1000 + self.start_ms
        begin, stop = np.searchsorted(self.times_ms, bounds, side="right").tolist()
        for row in range(begin, stop):
            fields = {
                name: round(float(values[row]), _DECIMALS)
                for name, values in self.vitals.items()
                if not math.isnan(values[row])
            }
            if fields:
                local = None if self.local_ms is None else int(self.local_ms[row])
                yield Sample(int(self.times_ms[row]) - self.start_ms, local, fields)


def of_minutes(series: Series) -> Track:
    """Return minutes as readings at the end of each: means of the minute, and its steps."""
    vitals = {name: series.values[:, column] for column, name in enumerate(VITAL_NAMES)}
    vitals |= {"steps": series.steps, "motion": series.motion}
    known = np.flatnonzero(np.any([~np.isnan(values) for values in vitals.values()], axis=0))
    times_ms = (series.first_minute + known + 1) * 60_000
    return Track(
        name=series.name,
        start_ms=series.first_minute * 60_000,
        times_ms=times_ms,
        local_ms=times_ms + series.utc_offset_min * 60_000,
        vitals={name: values[known] for name, values in vitals.items() if not np.isnan(values).all()},
        left_out={},
    )
