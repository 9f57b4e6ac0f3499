"""What people do: sleep, steps, exertion without steps, stress, meals, painted on a grid of minutes."""

# ruff: noqa: PLR2004 - each number shapes the one thing it stands beside; the page of the model lists them

from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.physiology.people import People
from inference.slots import Bools, Floats, Ints

DAY_MIN: Final = 1440
_AWAKE_MIN: Final = 960
_WEEK_AWAKE_MIN: Final = 7 * _AWAKE_MIN
_BUSY_BLOCK_MIN: Final = 45
_NIGHT_SHIFT_DAYS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Drives:
    """What drives a body, shape (minutes, people); means over the minute.

    Attributes:
        hour: Hour of the local day, 0 to 24.
        asleep: Share of the minute asleep.
        cadence: Steps a minute that are meant.
        motion: Mean |a - 1 g| in g, before its noise.
        exertion: Share of the heart rate's reserve that the work at hand asks for.
        posture_bpm: What standing adds.
        arousal_bpm: What stress and emotion add.
        food_bpm: What meals and coffee add.
        burden_bpm: What a drink in the evening adds through the night.
        rest_bpm: How far today's resting rate lies from the person's own.
        body_cel: How far today's body temperature lies from the person's own.
        dip_percent: Oxygen saturation lost in the dips of the night.
        outdoors: Share of the minute out in cooler air.
    """

    hour: Floats
    asleep: Floats
    cadence: Floats
    motion: Floats
    exertion: Floats
    posture_bpm: Floats
    arousal_bpm: Floats
    food_bpm: Floats
    burden_bpm: Floats
    rest_bpm: Floats
    body_cel: Floats
    dip_percent: Floats
    outdoors: Floats


@dataclass(frozen=True, slots=True)
class Bouts:
    """Things that happen: in which minute they begin (with a fraction), to whom, for how many minutes."""

    start: Floats
    person: Ints
    minutes: Floats

    @property
    def count(self) -> int:
        """Number of bouts."""
        return len(self.start)


class Planner:
    """Draws bouts for one grid and paints them on it."""

    def __init__(self, draw: np.random.Generator, shape: tuple[int, int]) -> None:
        self.draw = draw
        self.shape = shape

    def happening(self, per_minute: Floats, median_min: float, sigma: float, most_min: float) -> Bouts:
        """Return bouts that begin at a rate (broadcast to the grid), with lognormal lengths."""
        start, person = np.nonzero(self.draw.random(self.shape) < per_minute)
        length = self.draw.lognormal(np.log(median_min), sigma, len(start)).clip(0.3, most_min)
        return Bouts(start + self.draw.random(len(start)), person.astype(np.int64), length)

    def paint(self, bouts: Bouts, value: Floats | float) -> Floats:
        """Return a grid on which each bout has added its value over its length, shares of minutes included."""
        minutes, people = self.shape
        change = np.zeros((minutes + 2, people))
        amount = np.broadcast_to(np.asarray(value, dtype=np.float64), bouts.start.shape)
        for at, sign in ((bouts.start, 1.0), (bouts.start + bouts.minutes, -1.0)):
            edge = np.clip(at, 0, minutes)
            whole = edge.astype(np.int64)
            share = edge - whole
            np.add.at(change, (whole, bouts.person), sign * amount * (1 - share))
            np.add.at(change, (whole + 1, bouts.person), sign * amount * share)
        painted: Floats = np.cumsum(change[:minutes], axis=0).round(6)
        return painted

    def uniform(self, bouts: Bouts, low: float, high: float) -> Floats:
        """Return a value for each bout."""
        return self.draw.uniform(low, high, bouts.count)


def plan(people: People, draw: np.random.Generator, *, first_minute: int, minutes: int) -> Drives:
    """Return what these people do in `minutes` minutes from `first_minute` (Unix, UTC).

    Rates of bouts were set so that steps, still stretches and heart rates after steps resemble one real recording
    (docs/models/physiology.md); none of its values is in here.
    """
    planner = Planner(draw, (minutes, people.count))
    local = first_minute + people.utc_offset_min[None, :] + np.arange(minutes)[:, None]
    hour: Floats = local % DAY_MIN / np.float64(60)
    asleep = _sleep(people, planner, local)
    awake = asleep < 0.5
    moving = _moving(people, planner, awake)
    stepless = _stepless(people, planner, awake)
    burden, rest, body = _drifts(people, planner, local, asleep)
    dips = planner.happening(np.where(awake, 0.0, people.dips_per_h / 60), 0.6, 0.4, 2.0)
    return Drives(
        hour=hour,
        asleep=asleep,
        cadence=moving.cadence + stepless.cadence,
        motion=moving.motion + stepless.motion + np.where(awake, 0.007, 0.0015),
        exertion=np.minimum(moving.exertion + stepless.exertion, 0.95),
        posture_bpm=stepless.posture_bpm,
        arousal_bpm=_arousal(people, planner, awake, hour),
        food_bpm=_food(people, planner, awake, hour),
        burden_bpm=burden,
        rest_bpm=rest,
        body_cel=body,
        dip_percent=planner.paint(dips, draw.gamma(3, 1.1, dips.count)),
        outdoors=moving.outdoors,
    )


def _sleep(people: People, planner: Planner, local: Ints) -> Floats:
    """Return the share of each minute asleep: nights of a person's own hours, naps, awakenings."""
    draw, count = planner.draw, planner.shape[1]
    first_day = int(local[0].min()) // DAY_MIN - 1
    days = int(local[-1].max()) // DAY_MIN + 2 - first_day
    middle = people.mid_sleep_h + draw.normal(0, 1, (days, count)) * people.sleep_jitter_h
    turn = (np.arange(first_day, first_day + days)[:, None] + np.arange(count)) % 7
    middle += np.where((turn < 2) & ~people.night_shifts, 0.8, 0.0)
    middle += np.where((turn < _NIGHT_SHIFT_DAYS) & people.night_shifts, 8.5, 0.0)
    length = (people.sleep_h + draw.normal(0, 0.6, (days, count))).clip(3.5, 11)
    offset = local[0]
    begin = (first_day + np.arange(days)[:, None]) * DAY_MIN + (middle - length / 2) * 60 - offset
    person = np.broadcast_to(np.arange(count), (days, count)).ravel()
    nights = Bouts(begin.ravel(), person, (length * 60).ravel())
    asleep = planner.paint(nights, 1.0).clip(0, 1)
    hour = local % DAY_MIN / 60.0
    early = np.where((hour > 13) & (hour < 16) & (asleep == 0), people.naps_share / 180, 0.0)
    naps = planner.paint(planner.happening(early, 35, 0.4, 100), 1.0)
    waking = planner.happening(np.where(asleep > 0, 2.0 / 440, 0.0), 4, 0.7, 25)
    rested: Floats = (asleep + naps - planner.paint(waking, 1.0)).clip(0, 1)
    return rested


@dataclass(frozen=True, slots=True, kw_only=True)
class _Moving:
    cadence: Floats
    motion: Floats
    exertion: Floats
    outdoors: Floats


def _moving(people: People, planner: Planner, awake: Bools) -> _Moving:
    """Return what is done on foot: short errands in the home, walks, runs."""
    draw, (minutes, count) = planner.draw, planner.shape
    blocks = draw.normal(0, 0.9, (minutes // _BUSY_BLOCK_MIN + 2, count))
    busy = np.exp(np.repeat(blocks, _BUSY_BLOCK_MIN, axis=0)[:minutes] - 0.3)
    effort = 115 / people.reserve_bpm * np.exp(-0.12 * people.fitness)
    errands = planner.happening(np.where(awake, people.bouts_per_h / 60 * busy, 0.004), 1.3, 0.9, 25)
    errand_steps = draw.lognormal(np.log(24), 0.6, errands.count).clip(4, 80)
    errand_effort = (0.085 + 0.0013 * errand_steps) * draw.lognormal(-0.1, 0.45, errands.count)
    walks = planner.happening(np.where(awake, people.walks_per_day / _AWAKE_MIN, 0.0), 9, 0.7, 70)
    walk_steps = draw.normal(102, 9, walks.count).clip(70, 128)
    runs = planner.happening(np.where(awake, 0.45 * people.sports_per_week / _WEEK_AWAKE_MIN, 0.0), 30, 0.4, 80)
    return _Moving(
        cadence=planner.paint(errands, errand_steps)
        + planner.paint(walks, walk_steps)
        + planner.paint(runs, draw.normal(160, 7, runs.count)),
        motion=planner.paint(errands, 0.02 + 0.0012 * errand_steps)
        + planner.paint(walks, 0.0017 * walk_steps)
        + planner.paint(runs, planner.uniform(runs, 0.5, 0.9)),
        exertion=planner.paint(errands, errand_effort * effort[errands.person])
        + planner.paint(walks, (walk_steps / 105) ** 2 * planner.uniform(walks, 0.15, 0.28) * effort[walks.person])
        + planner.paint(runs, planner.uniform(runs, 0.5, 0.8)),
        outdoors=(planner.paint(walks, 1.0) + planner.paint(runs, 1.0)).clip(0, 1),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Stepless:
    cadence: Floats
    motion: Floats
    exertion: Floats
    posture_bpm: Floats


def _stepless(people: People, planner: Planner, awake: Bools) -> _Stepless:
    """Return what raises the heart rate with few or no steps: plateaus, cycling and gym, standing up."""
    draw = planner.draw
    plateaus = planner.happening(np.where(awake, people.plateaus_per_week / _WEEK_AWAKE_MIN, 0.0), 20, 0.4, 40)
    plateaus = Bouts(plateaus.start, plateaus.person, plateaus.minutes.clip(10, 40))
    raised = planner.uniform(plateaus, 15, 35) / people.reserve_bpm[plateaus.person]
    sports = planner.happening(np.where(awake, 0.4 * people.sports_per_week / _WEEK_AWAKE_MIN, 0.0), 35, 0.4, 100)
    stands = planner.happening(np.where(awake, 8 / _AWAKE_MIN, 0.0), 5, 0.9, 60)
    hands = planner.happening(np.where(awake, 20 / _AWAKE_MIN, 0.0), 6, 0.9, 60)
    some_steps = np.where(draw.random(sports.count) < 0.5, planner.uniform(sports, 2, 12), 0.0)
    return _Stepless(
        cadence=planner.paint(sports, some_steps),
        motion=planner.paint(plateaus, planner.uniform(plateaus, 0.005, 0.05))
        + planner.paint(sports, planner.uniform(sports, 0.02, 0.12))
        + planner.paint(hands, draw.lognormal(np.log(0.012), 0.6, hands.count)),
        exertion=planner.paint(plateaus, raised) + planner.paint(sports, planner.uniform(sports, 0.25, 0.65)),
        posture_bpm=planner.paint(stands, planner.uniform(stands, 3, 9)).clip(0, 12),
    )


def _arousal(people: People, planner: Planner, awake: Bools, hour: Floats) -> Floats:
    """Return what stress (minutes to an hour) and short emotion add to the heart rate, in bpm."""
    draw = planner.draw
    likely = np.where((hour > 8) & (hour < 20), 1.3, 0.5)
    stress = planner.happening(np.where(awake, likely * people.stress_per_day / _AWAKE_MIN, 0.0), 10, 0.8, 75)
    emotion = planner.happening(np.where(awake, 2.5 / _AWAKE_MIN, 1.0 / DAY_MIN), 2, 0.5, 6)
    strain = (draw.gamma(2.0, 0.5, stress.count) * people.stress_bpm[stress.person]).clip(0, 22)
    felt: Floats = planner.paint(stress, strain) + planner.paint(
        emotion, draw.gamma(2.0, 3.3, emotion.count).clip(0, 25)
    )
    return felt.clip(0, 28)


def _food(people: People, planner: Planner, awake: Bools, hour: Floats) -> Floats:
    """Return what meals (a few bpm for two hours) and coffee add, in bpm, before the body's own lag."""
    near = np.exp(-((hour[..., None] - np.array([7.8, 12.8, 19.0])) ** 2) / 0.5).sum(axis=-1)
    meals = planner.happening(np.where(awake, near * 0.9 / 75, 0.0), 80, 0.3, 150)
    morning = np.where(hour < 17, 1.0, 0.1)
    coffees = planner.happening(np.where(awake, morning * people.coffees_per_day / 600, 0.0), 90, 0.3, 180)
    eaten: Floats = planner.paint(meals, planner.uniform(meals, 1, 5)) + planner.paint(
        coffees, planner.uniform(coffees, -0.5, 3)
    )
    return eaten.clip(-1, 9)


def _drifts(people: People, planner: Planner, local: Ints, asleep: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the drink's burden, the day's resting rate and the day's body temperature, as differences.

    Days run from noon to noon, so that a night is one; what drifts goes from one to the next in a straight line.
    """
    draw, count = planner.draw, planner.shape[1]
    days, into = np.divmod(local - DAY_MIN // 2, DAY_MIN)
    at = days - int(days.min())
    total = int(at.max()) + 2
    wander = draw.normal(0, 1, (total, count))
    for day in range(1, total):
        wander[day] = 0.6 * wander[day - 1] + 0.8 * wander[day]
    has = people.cycle_days > 0
    phase = (np.arange(total)[:, None] / np.where(has, people.cycle_days, 28.0) + people.cycle_phase) % 1.0
    luteal = has * (phase > 0.5)
    drunk = np.where(draw.random((total, count)) < people.drinks_share, draw.uniform(2, 10, (total, count)), 0.0)
    person, part = np.arange(count)[None, :], into / DAY_MIN
    rest, body = wander * people.drift_bpm + 1.5 * luteal, 0.05 * wander + 0.25 * luteal
    return (
        drunk[at, person] * asleep,
        rest[at, person] * (1 - part) + rest[at + 1, person] * part,
        body[at, person] * (1 - part) + body[at + 1, person] * part,
    )
