"""A body's answer: lags of the right length and order, and what sleep, work and strain do to each vital."""

from dataclasses import fields, replace

import numpy as np
import pytest

from inference.physiology.body import AROUSAL, SLEEP, WANDERINGS, Answer, Body, Truth, vitals
from inference.physiology.days import Drives
from inference.physiology.people import People, draw_people

PEOPLE = draw_people(50, np.random.default_rng(1))
NOTHING = np.zeros(PEOPLE.count)
REST = Drives(**{field.name: NOTHING for field in fields(Drives)})
STILL = Answer(exertion=NOTHING, wander=np.zeros((WANDERINGS, PEOPLE.count)), lagged=np.zeros((6, PEOPLE.count)))


def following(people: People, exertion: list[float], step_s: float = 60.0) -> np.ndarray:
    """Return how the exertion in use follows the one asked for, shape (steps, people)."""
    body, nobody = Body(people, np.random.default_rng(1)), np.zeros((6, people.count))
    asked = [np.full(people.count, value) for value in exertion]
    return np.stack([body.step(value, nobody.copy(), nobody, step_s).exertion for value in asked])


def with_lagged(index: int, value: float) -> Truth:
    """Return the vitals at rest with one slow state at a value."""
    lagged = STILL.lagged.copy()
    lagged[index] = value
    return vitals(PEOPLE, REST, replace(STILL, lagged=lagged))


def test_the_heart_lags_behind_work() -> None:
    """The first minute of work sees 30 to 60 % of it, the first after it as much still, the fifth all and nothing."""
    seen = following(PEOPLE, [0.0] + [0.3] * 5 + [0.0] * 8)
    assert ((seen[1] > 0.3 * 0.3) & (seen[1] < 0.3 * 0.62)).all()
    assert (seen[5] > 0.3 * 0.98).all()
    assert ((seen[6] > 0.3 * 0.35) & (seen[6] < 0.3 * 0.9)).all()
    assert (seen[13] < 0.3 * 0.1).all()
    assert (seen[6] > 0.3 - seen[1]).mean() > 0.6


def test_short_steps_end_where_a_long_one_does() -> None:
    """Sixty steps of a second and one of a minute come to the same mean."""
    long = following(PEOPLE, [0.0, 0.4, 0.4, 0.1])
    short = following(PEOPLE, [0.0] * 60 + [0.4] * 120 + [0.1] * 60, step_s=1.0)
    assert short.reshape(4, 60, -1).mean(axis=1) == pytest.approx(long, rel=1e-9)


def test_hard_work_leaves_a_debt() -> None:
    """Three minutes after hard work the heart is still faster than three minutes after easy work."""

    def later_bpm(exertion: float) -> np.ndarray:
        body, nobody = Body(PEOPLE, np.random.default_rng(1)), np.zeros((6, PEOPLE.count))
        for asked in [exertion] * 20 + [0.0] * 4:
            answer = body.step(np.full(PEOPLE.count, asked), nobody.copy(), nobody, 60.0)
        flat = replace(answer, wander=STILL.wander)
        return vitals(PEOPLE, REST, flat).heart_rate - vitals(PEOPLE, REST, STILL).heart_rate

    assert (later_bpm(0.8) > 2 * later_bpm(0.35)).all()
    assert (later_bpm(0.8) > 5).all()


def test_sleep_slows_and_warms() -> None:
    """Sleep lowers heart rate by the person's own drop, breathing and saturation, and raises variability."""
    awake, asleep = with_lagged(SLEEP, 0.0), with_lagged(SLEEP, 1.0)
    assert np.abs(awake.heart_rate - asleep.heart_rate - PEOPLE.sleep_drop_bpm).max() < 1.3
    assert (asleep.hrv_rmssd > awake.hrv_rmssd).all()
    assert (asleep.respiratory_rate < awake.respiratory_rate - 1).all()
    assert (asleep.spo2 < awake.spo2).all()


def test_strain_quickens_the_heart_beyond_its_variability() -> None:
    """Stress of 10 bpm raises the heart rate by about that and lowers RMSSD by more than the rate alone would."""
    calm, strained = with_lagged(AROUSAL, 0.0), with_lagged(AROUSAL, 10.0)
    assert strained.heart_rate - calm.heart_rate == pytest.approx(10)
    by_rate = np.exp(10 * PEOPLE.ln_rmssd_per_bpm)
    assert (strained.hrv_rmssd < calm.hrv_rmssd * by_rate).all()


def test_people_differ_and_stay_possible() -> None:
    """Resting rates, reserves and variability of many people spread as people's do."""
    many = draw_people(3000, np.random.default_rng(2))
    assert np.mean(many.resting_bpm) == pytest.approx(65, abs=1)
    assert np.std(many.resting_bpm) == pytest.approx(8, abs=0.8)
    assert (many.resting_bpm + many.reserve_bpm < 230).all()
    assert np.median(np.exp(many.ln_rmssd[np.abs(many.age_years - 42) < 5])) == pytest.approx(42, rel=0.1)
    young, old = many.age_years < 35, many.age_years > 65
    assert np.median(many.ln_rmssd[young]) > np.median(many.ln_rmssd[old]) + 0.2
