"""What a model meets among people like those that it was made on: the places of its scores and of the vitals."""

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np

from inference.physiology.minutes import simulate_minutes
from inference.pulsenet import drift
from inference.pulsenet.drift import Reference
from inference.pulsenet.engine import PulseNet
from inference.pulsenet.offline import Grid
from inference.pulsenet.series import VITAL_COUNT, Series

PEOPLE: Final = 40
DAYS: Final = 3
SEED: Final = 17
SOURCE: Final = f"{PEOPLE} made people, {DAYS} days each, seed {SEED} (inference/physiology), the first day left out"
_DAY_MIN: Final = 1_440


def crowd() -> Sequence[Series]:
    """Return the people of a reference: always the same."""
    return simulate_minutes(PEOPLE, DAYS, seed=SEED)


def reference_of(model: PulseNet, people: Sequence[Series], *, told: Callable[[int, int], None]) -> Reference:
    """Step a new model through their days; `told` takes how many minutes are done, and of how many."""
    grid = Grid(people)
    model.extend(len(people))
    scores = np.zeros((1, drift.PLACES), dtype=np.int64)
    inputs = np.zeros((VITAL_COUNT, drift.PLACES), dtype=np.int64)
    beyond = np.zeros(len(people), dtype=np.bool_)
    for row in range(grid.minutes):
        slots = np.flatnonzero(grid.known[row])
        if not len(slots):
            continue
        minute = grid.minute(slots, row)
        combined = model.step(minute, learn=np.repeat(~beyond[slots, None], VITAL_COUNT, axis=1)).combined
        beyond[slots] = combined >= 1.0
        if row >= _DAY_MIN:
            drift.count(scores, drift.SCORES, combined[:, None])
            drift.count(inputs, drift.INPUTS, np.where(minute.gated, np.nan, minute.values))
        if row % _DAY_MIN == 0:
            told(row, grid.minutes)
    return Reference(model=model.name, source=SOURCE, scores=scores[0], inputs=inputs)
