"""One episode as the model sees it, of a made person."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.physiology.faults import inject
from inference.physiology.minutes import simulate_minutes
from inference.physiology.people import Population
from inference.pulsenet.channels import CHANNELS
from inference.pulsenet.engine import PulseNet
from inference.pulsenet.evaluation.faults import onset_of
from inference.pulsenet.offline import Grid
from inference.pulsenet.series import HEART_RATE, VITAL_COUNT
from inference.slots import Floats

DAYS: Final = 9
BEFORE_MIN: Final = 90
AFTER_MIN: Final = 90
_FAULT: Final = "tachycardia"
_HIGH: Final = [channel.condition for channel in CHANNELS].index("heart_rate.high")


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """Minutes around one event.

    Attributes:
        onset: Minutes from the first row to the event; `end` to its end.
        rows: Heart rate, expected, two scales below and above it, steps, score, threshold; shape (T, 7).
    """

    onset: int
    end: int
    rows: Floats


def example(model: PulseNet, *, seed: int) -> Example:
    """Put a tachycardia into a made person's ninth day and follow the model through it.

    Raises:
        ValueError: That person has no quiet minutes on that day; another seed has.
    """
    person = simulate_minutes(1, DAYS, seed=seed, population=Population(devices=(0.0, 1.0, 0.0)))[0]
    onset = onset_of(person, _FAULT, DAYS - 1, seed=seed)
    if onset is None:
        raise ValueError(f"With seed {seed} there is no place for an example; take another seed.")
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
