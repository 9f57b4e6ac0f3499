"""How a body answers what drives it: lags, wandering, and the vital signs that follow from them."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.physiology.days import Drives
from inference.physiology.people import People
from inference.slots import Floats

_HARD: Final = 0.4
"""Share of the reserve above which work leaves a debt."""
_SLEEP_CYCLE_H: Final = 1.55

FAST, MIDDLE, BREATH, VARIABILITY, SKIN, OXYGEN = range(6)
_WANDER_MIN: Final = np.array([3.0, 25.0, 4.0, 8.0, 40.0, 15.0])
"""How long each wandering remembers (correlation e^-1), in minutes."""
WANDERINGS: Final = len(_WANDER_MIN)

DEBT, AROUSAL, SLEEP, WARM_SKIN, CORE, FOOD = range(6)
_LAG_MIN: Final = np.array([9.0, 1.2, 12.0, 18.0, 25.0, 15.0])


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A body's present state, shape (..., people) or (n, ..., people) where there are several.

    Attributes:
        exertion: Share of the heart rate's reserve in use: the work at hand behind its first-order lag.
        wander: Unit-variance wandering, first axis FAST to OXYGEN.
        lagged: What follows slowly, first axis DEBT to FOOD.
    """

    exertion: Floats
    wander: Floats
    lagged: Floats


class Body:
    """The lags of a number of people; `step` lets time pass for all of them at once.

    The heart rate follows the work at hand with a first-order lag, faster up than down (30 to 60 s, 60 to 120 s), and
    hard work leaves a debt that is paid back over about 9 min: the shape that Cole et al. (NEJM 1999) and others
    describe for recovery; the constants are chosen.
    """

    def __init__(self, people: People, draw: np.random.Generator) -> None:
        self._people = people
        self._exertion: Floats = np.zeros(people.count)
        self._wander: Floats = draw.standard_normal((len(_WANDER_MIN), people.count))
        self._lagged: Floats = np.zeros((len(_LAG_MIN), people.count))
        self._settled = False
        self._step_s = 0.0
        self._tune(60.0)

    def _tune(self, step_s: float) -> None:
        """Compute what a step of this length keeps of each state."""
        if step_s == self._step_s:
            return
        self._step_s = step_s
        rise, fall = step_s / self._people.rise_s, step_s / self._people.fall_s
        self._kept = np.exp(-fall), np.exp(-rise)
        self._seen = -np.expm1(-fall) / fall, -np.expm1(-rise) / rise
        self._wander_kept = np.exp(-step_s / 60 / _WANDER_MIN)[:, None]
        self._wander_fresh = np.sqrt(1 - self._wander_kept**2)
        self._lag_kept = np.exp(-step_s / 60 / _LAG_MIN)[:, None]

    def step(self, exertion: Floats, inputs: Floats, normals: Floats, step_s: float) -> Answer:
        """Let `step_s` pass under these drives; the exertion returned is its mean over the step.

        Args:
            exertion: Asked for, share of the reserve, shape (people,).
            inputs: What is followed slowly, shape (6, people); the row DEBT is not read.
            normals: Standard normal draws, shape (6, people).
            step_s: Length of the step.
        """
        self._tune(step_s)
        if not self._settled:
            self._exertion, self._lagged, self._settled = exertion.copy(), inputs.copy(), True
            self._lagged[DEBT] = 0.0
        behind = self._exertion - exertion
        rising = behind < 0
        mean: Floats = exertion + behind * np.where(rising, self._seen[1], self._seen[0])
        self._exertion = exertion + behind * np.where(rising, self._kept[1], self._kept[0])
        inputs[DEBT] = np.maximum(self._exertion - _HARD, 0.0)
        self._lagged = inputs + (self._lagged - inputs) * self._lag_kept
        self._wander = self._wander * self._wander_kept + normals * self._wander_fresh
        return Answer(exertion=mean, wander=self._wander, lagged=self._lagged)


def inputs_of(drives: Drives) -> Floats:
    """Return what the body follows slowly, first axis DEBT to FOOD, shape (6, ..., people)."""
    return np.stack(
        [
            np.zeros_like(drives.asleep),
            drives.arousal_bpm,
            drives.asleep,
            drives.asleep - 0.4 * drives.exertion - 1.1 * drives.outdoors,
            drives.exertion,
            drives.food_bpm,
        ]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """Vital signs as they are, before any sensor, shape (..., people), in the registry's units."""

    heart_rate: Floats
    hrv_rmssd: Floats
    hrv_sdnn: Floats
    spo2: Floats
    respiratory_rate: Floats
    skin_temperature: Floats
    body_temperature: Floats


def vitals(people: People, drives: Drives, answer: Answer) -> Truth:
    """Return the vital signs of people in this state.

    Heart rate falls in sleep (about 6 bpm here) and swings by the hour of the day. RMSSD falls with the heart rate, by
    1.2 to 3 % a bpm (the order seen within people of Stress-Predict), and rises in sleep. Breathing rises
    with work. Wrist skin warms by 1 to 2.5 Cel in sleep (Sarabia et al., Physiol Behav 2008), core temperature is
    lowest about two hours before waking and rises with work. What is not named is chosen.
    """
    asleep, exertion = answer.lagged[SLEEP], answer.exertion
    wander, calm = answer.wander, 1 - np.minimum(1.4 * exertion, 0.8)
    felt = answer.lagged[AROUSAL]
    clock = np.cos(2 * np.pi * (drives.hour - people.mid_sleep_h - 13.5) / 24)
    cycle = np.cos(2 * np.pi * drives.hour / _SLEEP_CYCLE_H + people.age_years)
    level = people.resting_bpm + drives.rest_bpm + people.circadian_bpm * clock + drives.burden_bpm
    quiet = level - asleep * (people.sleep_drop_bpm - 1.2 * cycle) + answer.lagged[FOOD]
    quiet = quiet + people.noise * (2.1 * wander[FAST] + (2.1 - 0.4 * asleep) * wander[MIDDLE]) * calm
    raised = people.reserve_bpm * (exertion + 1.3 * answer.lagged[DEBT] * (exertion < _HARD))
    heart_rate = quiet + raised + (felt + drives.posture_bpm) * calm
    off_rest = heart_rate - people.resting_bpm
    ln_rmssd = people.ln_rmssd + people.ln_rmssd_per_bpm * off_rest + 0.12 * asleep - 0.008 * felt
    ln_rmssd = ln_rmssd - 0.02 * drives.burden_bpm + 0.16 * wander[VARIABILITY]
    ln_sdnn = 0.75 * ln_rmssd + 0.25 * np.log(42) + np.log(people.sdnn_ratio) + 0.08 * wander[MIDDLE]
    breaths = people.breaths_per_min - 1.3 * asleep + 26 * exertion + 0.12 * felt
    breaths = breaths + (1.1 - 0.5 * asleep) * wander[BREATH]
    spo2 = people.spo2_percent - 0.5 * asleep - drives.dip_percent - 1.2 * exertion + 0.35 * wander[OXYGEN]
    skin = people.skin_cel + people.skin_night_cel * answer.lagged[WARM_SKIN] + 0.45 * wander[SKIN]
    body = people.body_cel + people.body_swing_cel * clock + drives.body_cel + 1.3 * answer.lagged[CORE]
    return Truth(
        heart_rate=np.clip(heart_rate, 35, 210),
        hrv_rmssd=np.exp(np.clip(ln_rmssd, 0.7, 5.5)),
        hrv_sdnn=np.exp(np.clip(ln_sdnn, 1.0, 5.5)),
        spo2=np.clip(spo2, 75, 100),
        respiratory_rate=np.clip(breaths, 6, 50),
        skin_temperature=np.clip(skin, 24, 38),
        body_temperature=np.clip(body, 35, 40),
    )
