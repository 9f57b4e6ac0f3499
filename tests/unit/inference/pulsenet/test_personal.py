"""What is usual for each wearer."""

import numpy as np
import pytest

from inference.pulsenet.activity import ASLEEP, MOVING, REST_MIN, RESTING, SETTLING, STATES, Active
from inference.pulsenet.personal import (
    DRIFT_MOST,
    PRIOR_CENTRE,
    PRIOR_SPREAD,
    UNIT,
    Personal,
    scaled,
    unscaled,
)
from inference.pulsenet.series import BODY_TEMPERATURE, HEART_RATE, HRV_RMSSD, VITAL_COUNT
from inference.slots import Floats
from tests.unit.inference.pulsenet.made import USUAL

ALL = np.ones((1, VITAL_COUNT), dtype=np.bool_)
SLOT = np.zeros(1, dtype=np.int64)


def resting(state: int = RESTING, since: int = 30) -> Active:
    """Return what is known of a wearer who has been still for a while."""
    nobody = np.zeros(1, dtype=np.int64)
    return Active(np.zeros((1, 0)), np.array([since]), np.array([state]), nobody + 1, nobody + 100)


def learned(
    values: Floats, minutes: int, *, active: Active | None = None, personal: Personal | None = None
) -> Personal:
    """Return the baselines of one wearer after equal minutes of whom the model expects the centre."""
    known = personal or Personal()
    known.table.extend(1)
    doing = active or resting()
    compared = np.broadcast_to(values, (1, VITAL_COUNT))
    for _ in range(minutes):
        expected = known.usual(SLOT, doing.state).centre
        known.learn(SLOT, compared, doing, expected, UNIT[None, :], may=~np.isnan(compared))
    return known


def state_of(personal: Personal) -> bytes:
    """Return everything that is kept."""
    return b"".join(np.ascontiguousarray(array).tobytes() for array in personal.table.dump().values())


def test_variabilities_are_compared_as_logarithms_and_all_else_as_it_is() -> None:
    """The usual values are the priors, and scaling undoes itself; NaN stays NaN."""
    values = np.vstack([USUAL, np.full(VITAL_COUNT, np.nan)])
    compared = scaled(values)
    np.testing.assert_allclose(compared[0], PRIOR_CENTRE, atol=2e-3)
    assert np.isnan(compared[1]).all()
    np.testing.assert_allclose(unscaled(compared), values, rtol=1e-12)


def test_a_new_wearer_is_a_grown_up_like_any_other() -> None:
    """Before anything is known the centre is the prior's, with the prior's spread, no bias and no stretch."""
    personal = Personal()
    personal.table.extend(1)
    usual = personal.usual(SLOT, np.array([RESTING]))
    assert usual.centre[0].tolist() == PRIOR_CENTRE.tolist()
    assert usual.spread[0].tolist() == PRIOR_SPREAD.tolist()
    assert (usual.bias == 0).all()
    assert (usual.stretch == 1).all()
    assert (usual.minutes == 0).all()


def test_the_first_minutes_move_the_centre_by_a_fiftieth() -> None:
    """The first believed minute moves the centre by 1/50 of its distance, and the spread shrinks."""
    personal = learned(PRIOR_CENTRE + 0.5 * UNIT, 1)
    usual = personal.usual(SLOT, np.array([RESTING]))
    np.testing.assert_allclose(usual.centre[0], PRIOR_CENTRE + 0.5 * UNIT / 50.0)
    assert (usual.spread < PRIOR_SPREAD).all()
    assert (usual.minutes == 1).all()


def test_a_wearer_of_weeks_moves_by_one_in_two_thousand() -> None:
    """After five thousand minutes one minute moves the centre by 1/2000 of its distance."""
    personal = Personal()
    personal.table.extend(1)
    personal.table["minutes"][0] = 5_000.0
    learned(PRIOR_CENTRE + 0.5 * UNIT, 1, personal=personal)
    np.testing.assert_allclose(personal.table["centre"][0], 0.5 * UNIT / 2_000.0)


def test_a_far_minute_counts_as_one_at_the_edge() -> None:
    """A single absurd minute moves the centre no more than one at three units or spreads."""
    edge = 3.0 * np.maximum(UNIT, PRIOR_SPREAD)
    far, near = learned(PRIOR_CENTRE + 1e6 * UNIT, 1), learned(PRIOR_CENTRE + edge, 1)
    np.testing.assert_allclose(far.table["centre"][0], near.table["centre"][0])


def test_the_centre_is_held_by_its_anchor() -> None:
    """A centre that drifted as far from the slower anchor as it may drifts no further than that moves."""
    personal = Personal()
    personal.table.extend(1)
    personal.table["minutes"][0] = 50_000.0
    personal.table["centre"][0] = 0.99 * DRIFT_MOST
    learned(PRIOR_CENTRE + 10 * DRIFT_MOST, 40, personal=personal)
    away = personal.table["centre"][0] - personal.table["anchor"][0]
    np.testing.assert_allclose(away, DRIFT_MOST)


def test_a_wearer_of_days_is_learned_whole() -> None:
    """A body that differs from the prior has its own centre after two days of rest."""
    personal = learned(PRIOR_CENTRE + UNIT, 600)
    away = (personal.usual(SLOT, np.array([RESTING])).centre[0] - PRIOR_CENTRE) / UNIT
    np.testing.assert_allclose(away, 1.0, atol=0.1)


def test_what_is_missing_or_may_not_be_learned_changes_nothing() -> None:
    """Minutes without values leave every number as it was."""
    personal = learned(PRIOR_CENTRE + UNIT, 20)
    before = state_of(personal)
    learned(np.full(VITAL_COUNT, np.nan), 5, personal=personal)
    assert state_of(personal) == before


def test_an_absent_vital_is_not_learned_from_the_others() -> None:
    """What is measured of one vital moves nothing of another."""
    only = np.full(VITAL_COUNT, np.nan)
    only[HEART_RATE] = 90.0
    usual = learned(only, 50).usual(SLOT, np.array([RESTING]))
    assert usual.minutes[0].tolist() == [50.0, *[0.0] * (VITAL_COUNT - 1)]
    assert usual.centre[0, 1:].tolist() == PRIOR_CENTRE[1:].tolist()
    assert usual.stretch[0, 1:].tolist() == [1.0] * (VITAL_COUNT - 1)


def test_a_heart_rate_at_rest_is_that_of_the_waking() -> None:
    """Asleep the centres of all vitals but the heart rate are learned."""
    usual = learned(PRIOR_CENTRE + UNIT, 10, active=resting(ASLEEP, 200)).usual(SLOT, np.array([ASLEEP]))
    assert usual.minutes[0].tolist() == [0.0, *[10.0] * (VITAL_COUNT - 1)]


@pytest.mark.parametrize(("state", "since"), [(MOVING, 0), (SETTLING, REST_MIN - 1)])
def test_nothing_at_rest_is_learned_before_rest(state: int, since: int) -> None:
    """Before the fifteenth minute without movement no centre moves."""
    usual = learned(PRIOR_CENTRE + UNIT, 10, active=resting(state, since)).usual(SLOT, np.array([state]))
    assert (usual.minutes == 0).all()
    assert usual.centre[0].tolist() == PRIOR_CENTRE.tolist()


def test_each_state_has_its_own_bias() -> None:
    """What a wearer differs from the model while moving says nothing of the wearer's rest."""
    personal = learned(PRIOR_CENTRE + UNIT, 600, active=resting(MOVING, 0))
    moving, still = (personal.usual(SLOT, np.array([state])) for state in (MOVING, RESTING))
    assert (moving.bias > 0.4).all()
    assert (still.bias == 0).all()


def test_bias_and_stretch_count_as_far_as_minutes_tell() -> None:
    """After 300 minutes in a state the wearer's own bias counts for half."""
    personal = Personal()
    personal.table.extend(1)
    personal.table["heard"][0] = 300.0
    personal.table["bias"][0] = 0.8
    personal.table["stretch"][0] = 2.0
    usual = personal.usual(SLOT, np.array([RESTING]))
    np.testing.assert_allclose(usual.bias, 0.4, rtol=1e-6)
    np.testing.assert_allclose(usual.stretch, 1.5)


def test_stretch_follows_how_widely_values_scatter() -> None:
    """A wearer who scatters half as widely as the model says is expected more narrowly, within the bounds."""
    random = np.random.default_rng(3)
    personal = Personal()
    personal.table.extend(1)
    doing = resting()
    for _ in range(600):
        values = PRIOR_CENTRE + 0.5 * UNIT * random.standard_t(5, VITAL_COUNT)
        personal.learn(SLOT, values[None, :], doing, PRIOR_CENTRE[None, :], UNIT[None, :], may=ALL)
    own = personal.table["stretch"][0].reshape(STATES, VITAL_COUNT)[RESTING]
    assert ((own > 0.4) & (own < 0.75)).all()


def test_three_hours_of_fever_and_racing_do_not_become_usual() -> None:
    """For a wearer of weeks, 180 minutes far off move what is expected by less than six tenths of a unit."""
    personal = Personal()
    personal.table.extend(1)
    personal.table["minutes"][0] = 5_000.0
    personal.table["heard"][0] = 2_000.0
    learned(PRIOR_CENTRE + 4.0 * UNIT, 180, personal=personal)
    usual = personal.usual(SLOT, np.array([RESTING]))
    moved = (usual.centre[0] - PRIOR_CENTRE) / UNIT + usual.bias[0]
    assert (moved < 0.6).all()
    assert moved[[HEART_RATE, HRV_RMSSD, BODY_TEMPERATURE]].min() > 0
