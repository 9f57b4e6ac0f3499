"""What a model meets among made people."""

import numpy as np

from inference.pulsenet import drift
from inference.pulsenet.reference import reference_of
from inference.pulsenet.series import HEART_RATE, SPO2, VITAL_COUNT, Series
from tests.made_model import model

DAYS = 2
_MINUTES = DAYS * 1_440


def person(number: int) -> Series:
    """Return somebody at rest all day, of whom nothing but the heart rate is measured, every fourth minute."""
    values = np.full((_MINUTES, VITAL_COUNT), np.nan)
    values[::4, HEART_RATE] = np.random.default_rng(number).normal(66.0, 3.0, _MINUTES // 4)
    nothing = np.full(_MINUTES, np.nan)
    return Series(
        name=str(number), data="simulated", first_minute=0, utc_offset_min=0, values=values, steps=nothing,
        motion=nothing, worn=np.ones(_MINUTES, dtype=np.int64),
    )  # fmt: skip


def test_the_first_day_is_left_out_and_what_was_measured_is_placed() -> None:
    """Heart rates of the second day count once a minute told; scores where the model judged; nothing else."""
    done: list[int] = []
    told = reference_of(model(), [person(1), person(2)], told=lambda row, _rows: done.append(row))
    assert told.model == model().name
    assert told.inputs[HEART_RATE].sum() == 2 * 1_440 // 4
    assert told.inputs[SPO2].sum() == 0
    assert 0 < told.scores.sum() <= 2 * 1_440 // 4
    assert drift.INPUTS[HEART_RATE][int(np.argmax(told.inputs[HEART_RATE])) - 1] <= 66.0
    assert done == [0, 1_440]
