"""What is not believed."""

from typing import Any

import numpy as np

from stream_processors.operators.gates import HEART_RATE, MOTION, STEPS, FrozenGate, counts
from stream_processors.operators.readings import NOT_WORN, WORN
from tests.closed_bins import end_ms, values

LANE = np.array([0])


def judge(gate: FrozenGate, number: int, *, alive: bool = False, **vitals: Any) -> bool:
    """Take one bin and return whether its heart rate is frozen."""
    end = np.array([end_ms(number)])
    return bool(gate.judge(LANE, end, end - 5_000, values(**vitals), alive=np.array([alive]))[0])


def made() -> FrozenGate:
    """Return a gate with one lane."""
    gate = FrozenGate()
    gate.table.extend(1)
    return gate


def test_off_the_body_or_of_low_quality_does_not_count() -> None:
    """Only known faults exclude: unknown wear and unknown quality pass."""
    worn = np.array([WORN, NOT_WORN, 0, 0, 0])
    quality = np.array([0.9, 0.9, np.nan, 0.49, 0.5], dtype=np.float32)
    assert counts(worn, quality)[:, HEART_RATE].tolist() == [True, False, True, False, True]


def test_movement_is_believed_at_any_quality() -> None:
    """Low optical quality hides the heart rate, not the movement that caused it; off the body nothing counts."""
    worn = np.array([WORN, NOT_WORN])
    passes = counts(worn, np.array([0.1, 0.1], dtype=np.float32))
    assert passes[:, [HEART_RATE, MOTION, STEPS]].tolist() == [[False, True, True], [False, False, False]]


def test_an_equal_rate_freezes_after_four_minutes() -> None:
    """The bin that completes four minutes of one exact value is the first frozen one."""
    gate = made()
    assert [judge(gate, number, heart_rate=72.0) for number in range(49)].index(True) == 47


def test_another_value_thaws() -> None:
    """Any other heart rate begins anew."""
    gate = made()
    for number in range(60):
        judge(gate, number, heart_rate=72.0)
    assert not judge(gate, 60, heart_rate=72.1)
    assert not judge(gate, 61, heart_rate=72.1)


def test_a_sign_of_life_speaks_against_freezing() -> None:
    """News of another vital, or a bin that is alive, shows that the sensor works."""
    changing, moving = made(), made()
    assert not any(judge(changing, number, heart_rate=72.0, spo2=96.0 + number % 2) for number in range(100))
    assert not any(judge(moving, number, heart_rate=72.0, alive=number % 40 == 0) for number in range(100))
