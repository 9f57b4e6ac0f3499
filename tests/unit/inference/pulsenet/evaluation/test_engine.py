"""The model under the contract of its rivals."""

import numpy as np
import pytest

from inference.pulsenet.calibration import Calibration, Population
from inference.pulsenet.channels import CHANNEL_COUNT, CHANNELS
from inference.pulsenet.engine import PulseNet
from inference.pulsenet.evaluation.detectors.engine import Engine, Window
from inference.pulsenet.evaluation.protocol import SelfCalibrated
from inference.pulsenet.features import CONTEXT, SEEN
from inference.pulsenet.predictor import Ridge
from inference.pulsenet.series import VITAL_COUNT, Series
from tests.unit.inference.pulsenet.evaluation.made import recording, restless

pytestmark = pytest.mark.story

MINUTES = 500
ONSET = 400


def _model() -> PulseNet:
    """A model that expects a wearer's own centre, whatever happens, and thresholds of about 2."""
    shapes = {"mean": CONTEXT, "log_scale": CONTEXT, "next_mean": CONTEXT + SEEN, "next_log_scale": CONTEXT + SEEN}
    weights = {name: np.zeros((rows + 1, VITAL_COUNT)) for name, rows in shapes.items()}
    maxima = np.repeat(np.linspace(1.0, 2.0, 200)[:, None], CHANNEL_COUNT, axis=1)
    calibration = Calibration(Population.of(maxima, flag=1.0, source="made by hand"))
    return PulseNet(Ridge(weights, name="zero"), calibration)


@pytest.fixture(scope="module")
def pair() -> list[Series]:
    """A calm day's beginning, and the same with sixty beats more for forty minutes."""
    calm, struck = (recording(restless(1, seed=1)[:MINUTES]) for _ in range(2))
    struck.values[ONSET : ONSET + 40, 0] += 60.0
    return [calm, struck]


def test_it_brings_scores_and_thresholds_of_its_own(pair: list[Series]) -> None:
    """Both tiers have a threshold, the second above the first, and only the struck recording passes the first."""
    engine = Engine(_model, name="ours")
    assert isinstance(engine, SelfCalibrated)
    calm, struck = engine.judge(pair)
    assert set(struck.thresholds) == {0.1, 0.01}
    assert (struck.thresholds[0.01].high >= struck.thresholds[0.1].high)[15:].all()
    assert not (calm.scores.high >= calm.thresholds[0.1].high).any()
    reached = np.flatnonzero(struck.scores.high >= struck.thresholds[0.1].high)
    assert ONSET < reached[0] < ONSET + 15
    assert np.array_equal(calm.scores.high[:ONSET], struck.scores.high[:ONSET], equal_nan=True)


def test_alerts_are_told_by_condition(pair: list[Series]) -> None:
    """A fast heart is one alert of its condition; a slow one is none, and neither is the calm recording."""
    calm, struck = Engine(_model, name="ours").alerts(pair)
    assert len(struck["heart_rate.high"]) == 1
    assert not len(struck["heart_rate.low"])
    assert not any(len(minutes) for minutes in calm.values())


def test_how_near_a_threshold_was_is_told_of_the_minutes_asked_for(pair: list[Series]) -> None:
    """A window over the fast minutes passes 1 on the channel that alerts, one before does not, one of nobody knows."""
    windows = [
        Window(recording=1, start=ONSET, end=ONSET + 40),
        Window(recording=1, start=ONSET - 60, end=ONSET),
        Window(recording=0, start=MINUTES, end=MINUTES + 9),
    ]
    watched = Engine(_model, name="ours").watch(pair, windows)
    fast = [channel.condition for channel in CHANNELS].index("heart_rate.high")
    during, before, never = watched.nearest[:, fast]
    assert before < 1.0 <= during
    assert np.isneginf(never)
    assert len(watched.alerts[0][1]["heart_rate.high"]) == 1


def test_each_batch_begins_without_a_past(pair: list[Series]) -> None:
    """Asked twice, it says the same twice."""
    engine = Engine(_model, name="ours")
    first, second = engine.scores(pair[:1])[0], engine.scores(pair[:1])[0]
    assert np.array_equal(first.high, second.high, equal_nan=True)
