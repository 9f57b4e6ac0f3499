"""The anomaly model as a whole."""

from collections.abc import Iterator
from dataclasses import fields, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pytest

from inference.pulsenet.calibration import Calibration
from inference.pulsenet.channels import CHANNELS
from inference.pulsenet.engine import Judged, PulseNet, Without
from inference.pulsenet.inputs import NO_VALUE
from inference.pulsenet.numbers import normal_z
from inference.pulsenet.predictor import Prediction, Ridge
from inference.pulsenet.series import (
    BODY_TEMPERATURE,
    HEART_RATE,
    HRV_RMSSD,
    HRV_SDNN,
    RESPIRATORY_RATE,
    SKIN_TEMPERATURE,
    SPO2,
    VITAL_COUNT,
)
from inference.pulsenet.steps import Steps
from inference.slots import Floats, Ints
from tests.unit.inference.pulsenet.made import NOON, USUAL, acquaint, engine, live, population, ridge, wave

NAN = float("nan")
STATE_MOST_BYTES = 2_048
BEGINS: Final = 40
"""The minute in which what happens in a story begins; before it everybody is calm."""
LENGTH: Final = 200
CODES: Final = {channel.condition: code for code, channel in reversed(list(enumerate(CHANNELS)))}
Story = dict[str, Floats]


def calm(random: np.random.Generator) -> Story:
    """Return four hours at a desk: what the sensors of a calm wearer tell."""
    noise = np.zeros((LENGTH, VITAL_COUNT))
    for minute in range(1, LENGTH):
        noise[minute] = 0.8 * noise[minute - 1] + 0.6 * random.standard_normal(VITAL_COUNT)
    values = USUAL + noise * np.array([3.0, 4.0, 4.0, 0.4, 0.7, 0.1, 0.05])
    nothing = np.zeros(LENGTH)
    return {"values": values, "steps": nothing.copy(), "motion": nothing + 0.01, "gated": nothing.copy()}


def ramp(minutes: float) -> Floats:
    """Return how far something that takes so long has come, minute by minute."""
    return np.clip((np.arange(LENGTH) - BEGINS) / minutes, 0.0, 1.0)


def alarming() -> dict[str, Story]:
    """Return stories that must raise the condition they are named for."""
    random = np.random.default_rng(21)
    changes = {
        "heart_rate.high": (HEART_RATE, 40.0 * ramp(3)),
        "heart_rate.low": (HEART_RATE, -28.0 * ramp(3)),
        "spo2.low": (SPO2, -9.0 * ramp(20)),
        "respiratory_rate.high": (RESPIRATORY_RATE, 14.0 * ramp(10)),
        "hrv_rmssd.low": (HRV_RMSSD, -24.0 * ramp(10)),
        "skin_temperature.high": (SKIN_TEMPERATURE, 3.0 * ramp(60)),
        "body_temperature.high": (BODY_TEMPERATURE, 2.0 * ramp(60)),
    }
    stories = {}
    for name, (vital, change) in changes.items():
        stories[name] = calm(random)
        stories[name]["values"][:, vital] += change
    return stories


def harmless() -> dict[str, Story]:
    """Return stories that must raise nothing."""
    random = np.random.default_rng(22)
    names = ("calm", "exercise", "motion artefact", "dropout", "nothing but steps", "zeros", "absent HRV", "wrist off")
    stories = {name: calm(random) for name in (*names, "frozen value", "rare saturation")}
    minute = np.arange(LENGTH)
    walks = (minute >= BEGINS) & (minute < BEGINS + 30)
    effort = 80.0 * (ramp(4) - np.clip((minute - BEGINS - 30) / 8.0, 0.0, 1.0))
    stories["exercise"]["steps"][walks] = 120.0
    stories["exercise"]["motion"][walks] = 0.5
    stories["exercise"]["values"][:, HEART_RATE] += effort
    stories["exercise"]["values"][:, RESPIRATORY_RATE] += effort / 6.0
    shaken = (minute >= BEGINS) & (minute % 5 < 2)
    stories["motion artefact"]["motion"][shaken] = 0.4
    stories["motion artefact"]["values"][shaken, HEART_RATE] += 50.0
    later = minute >= BEGINS
    stories["dropout"]["values"][later & (minute % 40 < 25)] = NAN
    stories["nothing but steps"]["values"][later] = NAN
    stories["zeros"]["values"][later & (minute % 20 < 5)] = 0.0
    stories["zeros"]["gated"][later & (minute % 20 < 5)] = 1.0
    stories["absent HRV"]["values"][:, [HRV_RMSSD, HRV_SDNN]] = NAN
    stories["wrist off"]["gated"][later] = 1.0
    stories["wrist off"]["values"][:, SKIN_TEMPERATURE] -= 8.0 * ramp(30)
    stories["wrist off"]["values"][later, HEART_RATE] = 140.0
    stories["frozen value"]["values"][later, HEART_RATE] = 88.0
    stories["rare saturation"]["values"][minute % 12 > 0, SPO2] = NAN
    return stories


STORIES: Final = {**alarming(), **harmless()}
NAMES: Final = list(STORIES)


def told_of(stories: list[Story]) -> Iterator[Steps]:
    """Yield the minutes of stories side by side."""
    for minute in range(LENGTH):
        told = {name: np.stack([story[name][minute] for story in stories]) for name in stories[0]}
        yield wave(
            NOON + minute,
            told["values"],
            slot=range(len(stories)),
            steps=told["steps"],
            motion=told["motion"],
            gated=told["gated"] > 0,
        )


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


def test_absent_vitals_change_no_score() -> None:
    """A wearer of whom the heart rate alone is measured has the same bits of heart rate scores as one with all."""
    whole = list(told_of([STORIES["heart_rate.high"]]))[:100]
    others = np.arange(VITAL_COUNT) != HEART_RATE
    alone = [replace(step, values=np.where(others, NAN, step.values)) for step in whole]
    codes = [CODES["heart_rate.high"], CODES["heart_rate.low"]]
    for with_all, with_one in zip(live(engine(1), whole), live(engine(1), alone), strict=True):
        assert with_all.score[:, codes].tobytes() == with_one.score[:, codes].tobytes()
        assert with_all.expected[:, HEART_RATE].tobytes() == with_one.expected[:, HEART_RATE].tobytes()


class Spy:
    """A linear model that keeps what it was asked."""

    name = "spy"

    def __init__(self, width: int = 0) -> None:
        self.width = width
        self.asked: list[bytes] = []
        self.told: list[bytes] = []
        self._ridge = ridge(5)

    def predict(self, context: Floats, seen: Floats, state: npt.NDArray[np.float32]) -> Prediction:
        """Return the linear model's answer."""
        told = self._ridge.predict(context, seen, state)
        self.asked.append(context.tobytes())
        self.told.append(told.mean.tobytes() + told.scale.tobytes())
        return told


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


@pytest.mark.parametrize("part", ["context", "personal", "frozen_gate", "rest_gate", "level"])
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


def minutes_of(wearers: int, minutes: int, *, seed: int) -> list[Steps]:
    """Return restless minutes of wearers who come and go, with vitals missing and gated at random."""
    random = np.random.default_rng(seed)
    level = np.zeros((wearers, VITAL_COUNT))
    told = []
    for minute in range(minutes):
        level = 0.8 * level + 0.6 * random.standard_normal((wearers, VITAL_COUNT))
        values = USUAL * (1.0 + 0.08 * level)
        values[:, HEART_RATE] = np.round(values[:, HEART_RATE] / 4) * 4
        values[random.random(values.shape) < 0.3] = NAN
        steps = np.where(random.random(wearers) < 0.15, random.integers(1, 120, wearers), 0).astype(np.float64)
        steps[random.random(wearers) < 0.1] = NAN
        gated = random.random(values.shape) < 0.03
        here = np.flatnonzero(random.random(wearers) > (0.9 if minute % 50 > 44 else 0.1))
        if len(here):
            told.append(rows(wave(NOON + minute, values, slot=range(wearers), steps=steps, gated=gated), here))
    return told


def rows(step: Steps, which: Ints) -> Steps:
    """Return some rows of a wave, in that order."""
    return Steps(**{field.name: getattr(step, field.name)[which] for field in fields(Steps)})


def by_wearer(waves: list[Steps], judged: list[Judged], wearers: Ints) -> dict[int, bytes]:
    """Return all that was said of wearers, in order of time."""
    said: dict[int, list[bytes]] = {int(wearer): [] for wearer in wearers}
    for step, one in zip(waves, judged, strict=True):
        for wearer in wearers:
            for row in np.flatnonzero(step.slot == wearer):
                said[int(wearer)] += [getattr(one, field.name)[row].tobytes() for field in fields(Judged)]
    return {wearer: b"".join(parts) for wearer, parts in said.items()}


def test_an_answer_depends_on_its_wearer_alone() -> None:
    """Other slots, another order, other company and waves cut in two leave every wearer's answers, bit for bit."""
    random = np.random.default_rng(8)
    waves, company = minutes_of(17, 110, seed=6), minutes_of(40, 110, seed=7)
    first = by_wearer(waves, live(engine(17, seed=3), waves), np.arange(17))
    slots = random.permutation(57)
    mixed = []
    guests = {int(step.minute[0]): step for step in company}
    for step in waves:
        own = replace(step, slot=slots[step.slot])
        guest = guests.get(int(step.minute[0]))
        both = own if guest is None else joined(own, replace(guest, slot=slots[17 + guest.slot]))
        order = random.permutation(len(both.slot))
        cut = int(random.integers(0, len(order) + 1))
        mixed += [rows(both, part) for part in (order[:cut], order[cut:]) if len(part)]
    second = by_wearer(mixed, live(engine(57, seed=3), mixed), slots[:17])
    assert [second[int(slot)] for slot in slots[:17]] == [first[wearer] for wearer in range(17)]


def joined(one: Steps, other: Steps) -> Steps:
    """Return two waves of one minute as one."""
    return Steps(
        **{
            field.name: np.concatenate((getattr(one, field.name), getattr(other, field.name)))
            for field in fields(Steps)
        }
    )


def test_a_restart_changes_nothing() -> None:
    """State dumped and loaded into a new model in the middle says the same as an unbroken run, bit for bit."""
    waves = minutes_of(9, 100, seed=12)
    unbroken = live(engine(9, seed=3), waves)
    first, second = engine(9, seed=3), engine(0, seed=3)
    live(first, waves[:60])
    second.load({name: array.copy() for name, array in first.dump().items()})
    rest = live(second, waves[60:])
    for one, other in zip(unbroken[60:], rest, strict=True):
        for field in fields(Judged):
            assert getattr(one, field.name).tobytes() == getattr(other, field.name).tobytes()


def test_a_wearer_needs_no_more_than_two_kilobytes() -> None:
    """With a network of width 64 the state of a wearer takes at most 2,048 bytes."""
    model = PulseNet(Spy(width=64), Calibration(population()))
    model.extend(3)
    assert sum(array[0].nbytes for array in model.dump().values()) <= STATE_MOST_BYTES


def test_growing_keeps_what_is_known() -> None:
    """Room for more wearers leaves those who are there as they were."""
    waves = minutes_of(5, 40, seed=2)
    small, grown = engine(5, seed=3), engine(5, seed=3)
    live(small, waves[:20])
    live(grown, waves[:20])
    grown.extend(500)
    said: list[Any] = [by_wearer(waves[20:], live(one, waves[20:]), np.arange(5)) for one in (small, grown)]
    assert said[0] == said[1]


def test_the_model_is_named_after_its_predictor() -> None:
    """Scores and evidence say which weights spoke."""
    assert PulseNet(Ridge(_nothing(), name="pulsenet-ridge 7"), Calibration(population())).name == "pulsenet-ridge 7"


def _nothing() -> dict[str, Floats]:
    return {name: np.zeros((2, VITAL_COUNT)) for name in ("mean", "log_scale", "next_mean", "next_log_scale")}


def test_a_deviate_is_the_distance_from_what_is_expected(judged: list[Judged]) -> None:
    """For every judged value it is the deviate of (value - expected) / scale, the band being two scales each way."""
    minutes = list(told_of(list(STORIES.values())))
    for step, one in zip(minutes[20::30], judged[20::30], strict=True):
        ratio = 4.0 * (step.values - one.expected) / (one.high - one.low)
        linear = np.isin(np.arange(VITAL_COUNT), [HRV_RMSSD, HRV_SDNN], invert=True) & ~np.isnan(one.z)
        assert linear.any()
        np.testing.assert_allclose(one.z[linear], normal_z(ratio)[linear], atol=1e-6)
