"""What the anomaly model says of calm, ill and busy wearers."""

import numpy as np
import pytest

from inference.pulsenet.engine import Judged
from inference.pulsenet.inputs import NO_VALUE
from inference.pulsenet.numbers import normal_z
from inference.pulsenet.series import HEART_RATE, HRV_RMSSD, HRV_SDNN, VITAL_COUNT
from inference.slots import Floats
from tests.unit.inference.pulsenet.made import acquaint, engine, live
from tests.unit.inference.pulsenet.stories import BEGINS, CODES, NAMES, STORIES, alarming, harmless, told_of


@pytest.fixture(scope="module")
def judged() -> list[Judged]:
    """Return what a model that knows everybody for weeks says of all stories."""
    model = engine(len(STORIES))
    acquaint(model, len(STORIES))
    return live(model, told_of(list(STORIES.values())))


def ratios(judged: list[Judged], name: str) -> Floats:
    """Return a story's scores over tier-1 thresholds, by minute and channel."""
    row = NAMES.index(name)
    return np.stack([one.score[row] / one.threshold[row, :, 0] for one in judged])


@pytest.mark.parametrize("name", alarming())
def test_what_must_alarm_does(judged: list[Judged], name: str) -> None:
    """The channel of the vital that changes passes its threshold within ninety minutes, and not before the change."""
    ratio = ratios(judged, name)[:, CODES[name]]
    assert np.nanmax(ratio[BEGINS : BEGINS + 90]) >= 1.0
    assert np.nanmax(ratio[:BEGINS]) < 1.0


@pytest.mark.parametrize("name", harmless())
def test_what_must_not_alarm_does_not(judged: list[Judged], name: str) -> None:
    """No channel passes its threshold: not while it happens, and not after."""
    row = NAMES.index(name)
    combined = np.array([one.combined[row] for one in judged])
    assert np.nanmax(combined) < 1.0


def test_a_racing_heart_is_far_off_at_once_and_still_after_hours(judged: list[Judged]) -> None:
    """Its deviate is beyond three from the fourth minute to the end, and the score is held throughout."""
    row = NAMES.index("heart_rate.high")
    z = np.array([one.z[row, HEART_RATE] for one in judged])
    held = np.array([one.held[row, CODES["heart_rate.high"]] for one in judged])
    assert z[BEGINS + 4 :].min() > 2.0
    assert z[-30:].mean() > 0.8 * z[BEGINS + 5 : BEGINS + 35].mean()
    assert held[BEGINS + 10 :].min() > 2.0


def test_how_sudden_it_was_is_told_once(judged: list[Judged]) -> None:
    """Against what the minutes before let expect, every judged value has a deviate."""
    row = NAMES.index("heart_rate.high")
    assert np.isfinite(judged[BEGINS + 2].sudden[row, HEART_RATE])
    assert np.isnan(judged[5].sudden[row, HEART_RATE])


def test_an_absent_vital_has_no_deviate_but_an_expectation(judged: list[Judged]) -> None:
    """Nothing is said of a variability that was not measured, though what it should be is known."""
    row = NAMES.index("absent HRV")
    last = judged[-1]
    assert np.isnan(last.z[row, [HRV_RMSSD, HRV_SDNN]]).all()
    assert np.isnan(last.score[row, [CODES["hrv_rmssd.low"], CODES["hrv_sdnn.low"]]]).all()
    assert np.isfinite(last.expected).all()
    assert (last.low <= last.expected).all()
    assert (last.expected <= last.high).all()


def test_where_nothing_is_measured_nothing_is_said_for_long(judged: list[Judged]) -> None:
    """Two hours after the last value no channel has a score, there is no combined score and no flag."""
    row = NAMES.index("nothing but steps")
    last = judged[-1]
    assert np.isnan(last.score[row]).all()
    assert np.isnan(last.combined[row])
    assert not last.flag[row]
    assert last.gate[row] == NO_VALUE


def test_a_deviate_is_the_distance_from_what_is_expected(judged: list[Judged]) -> None:
    """For every judged value it is the deviate of (value - expected) / scale, the band being two scales each way."""
    minutes = list(told_of(list(STORIES.values())))
    for step, one in zip(minutes[20::30], judged[20::30], strict=True):
        ratio = 4.0 * (step.values - one.expected) / (one.high - one.low)
        linear = np.isin(np.arange(VITAL_COUNT), [HRV_RMSSD, HRV_SDNN], invert=True) & ~np.isnan(one.z)
        assert linear.any()
        np.testing.assert_allclose(one.z[linear], normal_z(ratio)[linear], atol=1e-6)
