"""Whom a model learns from: made people with sensors missing at random, and recordings that may ship."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Self

import numpy as np

from inference.hrv.beats import judge
from inference.hrv.measures import whole
from inference.physiology.minutes import simulate_minutes
from inference.pulsenet.series import HEART_RATE, VITAL_COUNT, Series
from inference.recordings import stress_predict, welltory

LEARNED_FROM: Final = tuple(f"S{number:02}" for number in range(1, 18))
"""People of Stress-Predict that a model learns from; `CHECKED_ON` decide when to stop, the others are for tests."""
CHECKED_ON: Final = ("S18", "S19", "S20")

_NO_STEPS: Final = 0.12
_NO_MOTION: Final = 0.15
_NO_VITAL: Final = 0.15
_NO_HEART_RATE: Final = 0.03


def made_people(people: int, days: float, *, seed: int) -> list[Series]:
    """Return recordings of made people; some of their devices lack sensors, so that a model learns to do without.

    Steps or motion are absent for one person in seven each, a vital for one in seven, the heart rate for one in 33.
    """
    draw = np.random.default_rng([seed, 1])
    return [_hidden(series, draw) for series in simulate_minutes(people, days, seed=seed)]


def _hidden(series: Series, draw: np.random.Generator) -> Series:
    steps, motion, chances = draw.random(), draw.random(), draw.random(VITAL_COUNT)
    absent = chances < np.where(np.arange(VITAL_COUNT) == HEART_RATE, _NO_HEART_RATE, _NO_VITAL)
    has_motion = bool(np.isfinite(series.motion).any())
    nowhere = np.full(series.minutes, np.nan)
    return replace(
        series,
        values=np.where(absent, np.nan, series.values),
        steps=nowhere if has_motion and steps < _NO_STEPS else series.steps,
        motion=nowhere if motion < _NO_MOTION and steps >= _NO_STEPS else series.motion,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Learners:
    """The people of Stress-Predict by what they are for; nobody without a folder."""

    learned: list[Series]
    check: list[Series]
    test: list[Series]

    @classmethod
    def of(cls, folder: Path | None) -> Self:
        """Return the people in a folder.

        Raises:
            RecordingError: It holds no such recordings.
        """
        people = [] if folder is None else stress_predict.read(folder)
        return cls(
            learned=[series for series in people if series.name in LEARNED_FROM],
            check=[series for series in people if series.name in CHECKED_ON],
            test=[series for series in people if series.name not in {*LEARNED_FROM, *CHECKED_ON}],
        )

    def told(self) -> str:
        """Return who they are, for the model card."""
        parts = (("learned from", self.learned), ("decide when to stop", self.check), ("test", self.test))
        told = [f"{name}: {', '.join(one.name for one in found)}" for name, found in parts if found]
        return "; ".join(told) or "not used"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resting:
    """What spot measurements at rest tell of people: medians, and standard deviations between people.

    `rate` in bpm, `ln_rmssd` in ln ms, each (median, standard deviation); one value a person, the median of their own.
    """

    people: int
    spots: int
    rate: tuple[float, float]
    ln_rmssd: tuple[float, float]


def resting(folder: Path) -> Resting:
    """Return what Welltory's people are like at rest.

    Raises:
        RecordingError: The folder holds no such recordings.
    """
    persons = np.array([_middle(person.spots) for person in welltory.read(folder)])
    persons = persons[~np.isnan(persons).any(axis=1)]
    middle, spread = np.median(persons, axis=0), persons.std(axis=0)
    return Resting(
        people=len(persons),
        spots=int(persons[:, 2].sum()),
        rate=(float(middle[0]), float(spread[0])),
        ln_rmssd=(float(middle[1]), float(spread[1])),
    )


def _middle(spots: Sequence[welltory.Spot]) -> tuple[float, float, float]:
    """Return a person's median heart rate and ln RMSSD, and of how many spots; NaN without any."""
    if not spots:
        return np.nan, np.nan, 0.0
    starts = np.cumsum([0, *(len(spot.intervals_ms) for spot in spots)])
    told = whole(judge(np.concatenate([spot.intervals_ms for spot in spots]), starts=starts))
    given = ~np.isnan(told.rmssd_ms)
    if not given.any():
        return np.nan, np.nan, 0.0
    rate, rmssd = told.heart_rate_bpm[given], told.rmssd_ms[given]
    return float(np.median(rate)), float(np.median(np.log(np.maximum(rmssd, 1.0)))), float(given.sum())


def told_of(recordings: Sequence[Series]) -> str:
    """Return a count of people and days, for the model card."""
    days = sum(series.minutes for series in recordings) / 1_440
    return f"{len(recordings)} people, {days:.1f} days"
