"""Functions read from tables."""

import math
from collections.abc import Callable
from statistics import NormalDist

import numpy as np
import pytest

from inference.pulsenet.numbers import (
    _DEVIATE,
    _EXPONENTIAL,
    _LOGARITHM,
    DAY_WAVES,
    Curve,
    decays,
    exponential,
    log_motion,
    log_steps,
    logarithm,
    normal_z,
    powers,
)
from inference.slots import Floats


def test_decays_and_powers_are_those_of_whole_minutes() -> None:
    """Row t is exp(-t / tau) and base ** t, up to those of a day."""
    assert decays(60.0)[90] == math.exp(-1.5)
    assert powers(0.9)[10] == pytest.approx(0.9**10)
    assert len(decays(1.0)) == len(powers(0.5)) == 1_441


@pytest.mark.parametrize(("ratio", "tail"), [(0.0, 0.5), (0.920, 0.2), (2.015, 0.05), (3.365, 0.01), (5.893, 0.001)])
def test_a_deviate_has_the_probability_of_the_student_t(ratio: float, tail: float) -> None:
    """The deviate of a ratio has the tail that tables of Student's t with five degrees of freedom give it."""
    expected = -NormalDist().inv_cdf(tail)
    found = normal_z(np.array([ratio, -ratio]))
    assert found.tolist() == pytest.approx([expected, -expected], abs=2e-3)


def test_a_deviate_is_clipped_and_never_invented() -> None:
    """What lies beyond the table has the deviate of its end; NaN has none."""
    found = normal_z(np.array([200.0, 1e12, -1e12, np.nan]))
    assert found[:3].tolist() == pytest.approx([6.5446, 6.5446, -6.5446], abs=1e-3)
    assert math.isnan(found[3])


def test_logarithm_and_exponential_undo_each_other() -> None:
    """Within the table both are right to a hundred-thousandth, and each the inverse of the other."""
    values = np.array([0.3, 1.0, 33.1, 250.0, 999.0])
    assert logarithm(values).tolist() == pytest.approx(np.log(values).tolist(), abs=1e-5)
    assert exponential(logarithm(values)).tolist() == pytest.approx(values.tolist())


def test_logarithm_and_exponential_end_with_their_table() -> None:
    """Beyond 0.25 and 1,088 the ends stand, and NaN stays NaN both ways."""
    assert logarithm(np.array([0.0, 1e9])).tolist() == logarithm(np.array([0.25, 1_088.94])).tolist()
    assert exponential(np.array([-9.0, 9.0])).tolist() == pytest.approx([0.25, 1_088.94], abs=0.01)
    assert np.isnan([logarithm(np.array([np.nan]))[0], exponential(np.array([np.nan]))[0]]).all()


def test_steps_and_motion_are_logarithms_and_zero_where_unknown() -> None:
    """Steps become ln(1 + steps) up to 400, motion ln(1 + 20 g) up to 16 g; what no sensor told becomes 0."""
    steps = log_steps(np.array([0.0, 99.0, 400.0, 9_999.0, np.inf, np.nan]))
    ends = math.log(401)
    assert steps.tolist() == pytest.approx([0.0, math.log(100), ends, ends, ends, 0.0])
    motion = log_motion(np.array([0.0, 0.1, 16.0, np.inf, np.nan]))
    assert motion.tolist() == pytest.approx([0.0, math.log(3), math.log(321), math.log(321), 0.0])


def test_the_waves_of_the_day_are_sine_and_cosine_of_one_and_two_turns() -> None:
    """At six in the morning the first pair is a quarter turn on, the second half a turn."""
    assert DAY_WAVES.shape == (1_440, 4)
    assert DAY_WAVES[360].tolist() == pytest.approx([1.0, 0.0, 0.0, -1.0])


@pytest.mark.parametrize("function", [normal_z, logarithm, exponential, log_steps, log_motion])
def test_an_answer_does_not_depend_on_the_place_in_the_array(function: Callable[[Floats], Floats]) -> None:
    """A number gets the same bits alone, at the end of an odd array, and in the middle of a large one."""
    numbers = np.random.default_rng(1).uniform(-3.0, 300.0, 1_003)
    together = function(numbers)
    alone = np.array([function(numbers[place : place + 1])[0] for place in range(0, 1_003, 51)])
    assert together[::51].tobytes() == alone.tobytes()
    assert function(numbers[::-1].copy())[::-1].tobytes() == together.tobytes()


@pytest.mark.parametrize("curve", [_DEVIATE, _LOGARITHM, _EXPONENTIAL])
def test_a_curve_reads_its_table_as_a_search_would(curve: Curve) -> None:
    """At, beside and between the numbers of a table, and beyond it, a curve gives the bits of numpy's interpolation."""
    random = np.random.default_rng(2)
    around = [np.nextafter(curve.x, side) for side in (-np.inf, np.inf)]
    between = random.uniform(curve.x[0] - 1.0, 1.1 * curve.x[-1], 50_000)
    numbers = np.concatenate((curve.x, *around, between, [np.inf, -np.inf, 0.0, np.nan]))
    np.testing.assert_array_equal(curve(numbers), np.interp(numbers, curve.x, curve.y))


def test_a_table_whose_places_are_shared_is_refused() -> None:
    """Where two numbers of a table share a place, none of them could be told from it."""
    table = np.array([0.0, 1.0, 1.5])
    with pytest.raises(ValueError, match="share a place"):
        Curve(table, table, near=lambda values: values.astype(np.int64))
