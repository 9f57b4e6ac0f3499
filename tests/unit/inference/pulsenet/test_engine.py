"""The anomaly model as a whole: what it asks its predictor, what it learns, and what its parts are worth."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from inference.pulsenet.calibration import Calibration
from inference.pulsenet.engine import PulseNet, Without
from inference.pulsenet.predictor import Prediction, Ridge
from inference.pulsenet.series import HEART_RATE, VITAL_COUNT
from inference.slots import Floats
from tests.unit.inference.pulsenet.made import NOON, USUAL, Spy, acquaint, engine, live, population, ridge, wave
from tests.unit.inference.pulsenet.stories import CODES, NAN, STORIES, told_of


def test_absent_vitals_change_no_score() -> None:
    """A wearer of whom the heart rate alone is measured has the same bits of heart rate scores as one with all."""
    whole = list(told_of([STORIES["heart_rate.high"]]))[:100]
    others = np.arange(VITAL_COUNT) != HEART_RATE
    alone = [replace(step, values=np.where(others, NAN, step.values)) for step in whole]
    codes = [CODES["heart_rate.high"], CODES["heart_rate.low"]]
    for with_all, with_one in zip(live(engine(1), whole), live(engine(1), alone), strict=True):
        assert with_all.score[:, codes].tobytes() == with_one.score[:, codes].tobytes()
        assert with_all.expected[:, HEART_RATE].tobytes() == with_one.expected[:, HEART_RATE].tobytes()


def test_the_context_prediction_depends_on_no_value() -> None:
    """With learning off, two stories of the same masks and movement get one context and prediction, bit for bit."""
    told = []
    for factor in (1.0, 1.02):
        spy = Spy()
        model = PulseNet(spy, Calibration(population()))
        model.extend(1)
        steps = list(told_of([STORIES["exercise"]]))[:90]
        live(model, (replace(step, values=step.values * factor) for step in steps), learn=False)
        told.append((spy.asked, spy.told))
    assert told[0] == told[1]


@pytest.mark.parametrize(
    "told",
    [
        np.zeros(VITAL_COUNT),
        np.array([25.0, 0, 0, 50.0, 4.0, 10.0, 25.0]),
        np.array([250.0, 1000, 1000, 101, 60, 45, 45]),
    ],
)
def test_what_a_sensor_without_contact_tells_is_no_measurement(told: Floats) -> None:
    """Hours of zeros, or of an end of the sensors' ranges, are scored as hours without any value: no channel alarms."""
    model, blind = engine(1), engine(1)
    for either in (model, blind):
        acquaint(either, 1)
    steps = list(told_of([STORIES["exercise"]]))[:90]
    seen = live(model, (replace(step, values=np.broadcast_to(told, step.values.shape)) for step in steps), learn=True)
    unseen = live(blind, (replace(step, values=np.full(step.values.shape, NAN)) for step in steps), learn=True)
    for one, other in zip(seen, unseen, strict=True):
        assert np.array_equal(one.score, other.score, equal_nan=True)
        assert np.isnan(one.z).all()


def test_with_learning_off_nothing_usual_changes() -> None:
    """Hours of tachycardia leave baselines as they were where nothing may be learned; where it may they move."""
    story = list(told_of([STORIES["heart_rate.high"]]))
    for learn in (False, True):
        model = engine(1)
        acquaint(model, 1)
        before = {name: array.copy() for name, array in model.dump().items() if name.startswith("personal")}
        live(model, story[:120], learn=learn)
        same = all(model.dump()[name].tobytes() == array.tobytes() for name, array in before.items())
        assert same is not learn


def test_learning_is_decided_vital_by_vital() -> None:
    """A vital that may not be learned keeps its baseline while the others learn."""
    model = engine(1)
    may = np.arange(VITAL_COUNT) != HEART_RATE
    live(model, list(told_of([STORIES["calm"]]))[:60], learn=may)
    minutes = model.dump()["personal.minutes"][0]
    assert minutes[HEART_RATE] == 0
    assert (minutes[may] > 20).all()


def test_a_recurrent_model_keeps_its_state_by_wearer() -> None:
    """What a model writes into its state comes back to it for the same wearer, and to no other."""

    class Counting(Spy):
        def predict(self, context: Floats, seen: Floats, state: npt.NDArray[np.float32]) -> Prediction:
            state += 1
            return super().predict(context, seen, state)

    model = PulseNet(Counting(width=3), Calibration(population()))
    model.extend(3)
    live(model, [wave(NOON, USUAL, slot=(2, 0)), wave(NOON + 1, USUAL, slot=(2,))])
    assert model.dump()["network.state"].tolist() == [[1.0] * 3, [0.0] * 3, [2.0] * 3]


def test_calm_forgets_the_deviation_not_the_baseline() -> None:
    """After a recovery the held score begins at nothing, while what is usual stays."""
    model = engine(1)
    acquaint(model, 1)
    story = list(told_of([STORIES["heart_rate.high"]]))
    live(model, story[:80])
    centre = model.dump()["personal.centre"].copy()
    model.calm(np.zeros(1, dtype=np.int64), np.array([HEART_RATE]))
    assert model.dump()["personal.centre"].tobytes() == centre.tobytes()
    gone = replace(story[80], values=np.full((1, VITAL_COUNT), NAN))
    assert live(model, [gone])[0].held[0, CODES["heart_rate.high"]] == 0.0


@pytest.mark.parametrize("part", ["context", "personal", "frozen_gate", "rest_gate", "level", "sustained"])
def test_each_ablation_takes_something_away(part: str) -> None:
    """Without a part some score of some story differs."""
    names = ["heart_rate.high", "exercise", "frozen value"]
    scores = []
    for without in (Without(), Without(**{part: True})):
        model = PulseNet(ridge(5), Calibration(population()), without=without)
        model.extend(len(names))
        acquaint(model, len(names))
        model._inputs._personal.table["bias"][: len(names)] = 0.5
        told = live(model, list(told_of([STORIES[name] for name in names]))[:60])
        scores.append(np.stack([one.score for one in told]))
    assert not np.array_equal(scores[0], scores[1], equal_nan=True)


def test_the_model_is_named_after_its_predictor() -> None:
    """Scores and evidence say which weights spoke."""
    assert PulseNet(Ridge(_nothing(), name="pulsenet-ridge 7"), Calibration(population())).name == "pulsenet-ridge 7"


def _nothing() -> dict[str, Floats]:
    return {name: np.zeros((2, VITAL_COUNT)) for name in ("mean", "log_scale", "next_mean", "next_log_scale")}
