"""One episode as the model sees it, of a made person."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np

from inference.physiology.faults import inject
from inference.physiology.minutes import simulate_minutes
from inference.physiology.people import Population
from inference.pulsenet.channels import CHANNELS
from inference.pulsenet.engine import PulseNet
from inference.pulsenet.evaluation.faults import onset_of
from inference.pulsenet.offline import Grid
from inference.pulsenet.series import HEART_RATE, VITAL_COUNT, Series
from inference.slots import Floats

COLUMNS: Final = ("heart_rate", "expected", "low", "high", "steps", "score", "threshold")
"""Heart rate in bpm, what was expected of it, two scales below and above that; steps a minute; score, threshold."""
DAYS: Final = 9
TRIES: Final = 8
BEFORE_MIN: Final = 90
AFTER_MIN: Final = 90
_FAULT: Final = "tachycardia"
_HIGH: Final = [channel.condition for channel in CHANNELS].index("heart_rate.high")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Minutes around one event.

    Attributes:
        onset: Minutes from the first row to the event; `end` to its end.
        rows: The columns of COLUMNS, shape (T, 7).
    """

    onset: int
    end: int
    rows: Floats

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Take what `told` wrote."""
        columns = [np.array(told["columns"][name], dtype=np.float64) for name in COLUMNS]
        return cls(onset=told["onset"], end=told["end"], rows=np.stack(columns, axis=-1))

    def told(self) -> dict[str, Any]:
        """Return it as plain data, None where nothing is known."""
        columns = {
            name: [None if np.isnan(value) else round(float(value), 2) for value in column]
            for name, column in zip(COLUMNS, self.rows.T, strict=True)
        }
        return {"data": "simulated", "onset": self.onset, "end": self.end, "columns": columns}


def example(model: PulseNet, *, seed: int) -> Example:
    """Put a tachycardia into the ninth day of the first made person who sits still then, and follow the model.

    Raises:
        ValueError: Nobody does; with another seed somebody will.
    """
    person, onset = _place(seed)
    struck, truth = inject(person, _FAULT, onset=onset, seed=seed)
    first, last = onset - BEFORE_MIN, min(truth.end + AFTER_MIN, struck.minutes)
    grid = Grid([struck])
    model.extend(1)
    rows = np.full((last - first, 7), np.nan)
    slot = np.zeros(1, dtype=np.int64)
    for row in range(last):
        if not grid.known[row, 0]:
            continue
        told = model.step(grid.minute(slot, row), learn=np.ones((1, VITAL_COUNT), dtype=np.bool_))
        if row >= first:
            vitals = [table[0, HEART_RATE] for table in (struck.values[[row]], told.expected, told.low, told.high)]
            line = (told.score[0, _HIGH], told.threshold[0, _HIGH, 0])
            rows[row - first] = (*vitals, struck.steps[row], *line)
    return Example(onset=onset - first, end=truth.end - first, rows=rows)


def _place(seed: int) -> tuple[Series, int]:
    for person in simulate_minutes(TRIES, DAYS, seed=seed, population=Population(devices=(0.0, 1.0, 0.0))):
        onset = onset_of(person, _FAULT, DAYS - 1, seed=seed)
        if onset is not None:
            return person, onset
    raise ValueError(f"With seed {seed} there is no place for an example; take another seed.")
