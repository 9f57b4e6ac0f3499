"""Heart rates that repeat themselves."""

from collections.abc import Sequence

import numpy as np
import pytest

from inference.pulsenet.frozen import AFTER_MIN, LONG_RUN_MIN, TRUST, Frozen
from inference.pulsenet.series import HEART_RATE
from tests.unit.inference.pulsenet.made import NOON, wave

NAN = float("nan")


def judged(
    rates: Sequence[float], *, steps: Sequence[float] | float = 0.0, minutes: Sequence[int] | None = None
) -> tuple[list[bool], list[float]]:
    """Return where a wearer's rates are frozen, and how much each counts."""
    gate = Frozen()
    gate.table.extend(1)
    walked = np.broadcast_to(np.asarray(steps, dtype=np.float64), (len(rates),))
    told = []
    for place, rate in enumerate(rates):
        minute = NOON + (minutes[place] if minutes else place)
        told.append(gate.judge(wave(minute, {HEART_RATE: rate}, steps=float(walked[place]))))
    return [bool(frozen[0]) for frozen, _ in told], [float(trust[0]) for _, trust in told]


def test_a_value_is_not_believed_from_its_fourth_equal_minute() -> None:
    """Three equal minutes are believed, the fourth and those after it are not."""
    frozen, _ = judged([71, 70, 70, 70, 70, 70])
    assert frozen == [False, False, False, False, True, True]


def test_equal_minutes_count_less_from_the_second_on() -> None:
    """The first minute of a run counts whole, the second and third less, and a new value whole again."""
    _, trust = judged([70, 70, 70, 71])
    assert trust == [1.0, TRUST[2], TRUST[3], 1.0]
    assert 1.0 > TRUST[2] > TRUST[3]


def test_the_minutes_after_a_long_run_are_not_believed() -> None:
    """A run of ten minutes puts the five after it in doubt."""
    frozen, _ = judged([70] * LONG_RUN_MIN + [75, 76, 77, 78, 79, 80])
    assert frozen[LONG_RUN_MIN:] == [True] * AFTER_MIN + [False]


def test_a_short_run_leaves_no_doubt() -> None:
    """After a run of nine minutes the next value is believed at once."""
    frozen, _ = judged([70] * (LONG_RUN_MIN - 1) + [75])
    assert frozen[-1] is False


def test_who_walks_may_have_equal_rates() -> None:
    """Equal minutes with steps are no run."""
    frozen, trust = judged([70] * 8, steps=30.0)
    assert not any(frozen)
    assert trust == [1.0] * 8


def test_unknown_steps_are_no_steps() -> None:
    """Where no sensor tells of steps, equal minutes are a run."""
    frozen, _ = judged([70] * 4, steps=NAN)
    assert frozen == [False, False, False, True]


@pytest.mark.parametrize("minutes", [[0, 1, 2, 4], [0, 1, 2, 500]])
def test_a_gap_ends_a_run(minutes: list[int]) -> None:
    """The same value after a minute without data begins a new run."""
    frozen, trust = judged([70] * 4, minutes=minutes)
    assert frozen[-1] is False
    assert trust[-1] == 1.0


def test_a_minute_without_a_rate_ends_a_run_and_is_not_frozen() -> None:
    """NaN is equal to nothing: it is not frozen, and the value after it begins a new run."""
    frozen, _ = judged([70, 70, 70, NAN, 70, 70])
    assert not any(frozen)
