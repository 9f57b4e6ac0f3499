"""Events put into real recordings: the same seeded places for every detector."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np

from inference.pulsenet.evaluation.days import days_of
from inference.pulsenet.evaluation.grid import DAY_MIN, believed, since
from inference.pulsenet.series import HEART_RATE, Series
from inference.slots import Bools, Floats, Ints

Context = Literal["rest", "sleep", "light"]

APART_MIN: Final = 190
"""Between the end of an event and the start of the next: the 180 minutes' rest after an alarm, and its grace."""
EVENTS_A_DAY: Final = 3
"""Most events in one day of one copy, so that a wearer's own baseline is not made of events."""
WORN_BEFORE_MIN: Final = 30
REST_BEFORE_MIN: Final = 15
ASLEEP_AFTER_MIN: Final = 90
SPACING_MIN: Final = 7
"""Between the starts of two events of one scenario, in whatever copies."""
BELIEVED_SHARE: Final = 0.8
_AWAKE: Final = (8 * 60, 22 * 60)
_ASLEEP: Final = (0, 6 * 60)
_LIGHT_STEPS: Final = (2.0, 40.0)
_LIGHT_MOST: Final = 80.0
_LIGHT_SHARE: Final = 0.25
_RAMP_ON: Final = (0.25, 0.75)
_RAMP_OFF: Final = (0.75, 0.25)


@dataclass(frozen=True, slots=True)
class Scenario:
    """A change of heart rate: where the wearer is in the day, by how much, for how long from its onset to its end."""

    context: Context
    delta_bpm: int
    minutes: int

    @property
    def name(self) -> str:
        """Key of its results."""
        return f"{self.context}_{self.delta_bpm:+d}bpm_{self.minutes}min"


@dataclass(frozen=True, slots=True)
class Event:
    """One event: what, and at which minute of the recording it starts."""

    scenario: Scenario
    start: int

    @property
    def end(self) -> int:
        """First minute after it, when it begins to fade."""
        return self.start + self.scenario.minutes


HEADLINE: Final = (Scenario("rest", 40, 20), Scenario("rest", 25, 30))
GRID: Final = tuple(
    Scenario(context, delta, minutes)
    for context in ("rest", "sleep", "light")
    for delta in (15, 25, 40, 60, -15, -20)
    for minutes in (5, 20, 30, 60, 240)
)


def plans(
    series: Series, scenarios: Sequence[Scenario], *, seed: int, events: int, headline_events: int
) -> list[tuple[Event, ...]]:
    """Which events go into which copy of a recording: at most `events` of a scenario, never two within 3 h."""
    places = _Places.of(series)
    day = (series.first_minute + series.utc_offset_min + np.arange(series.minutes)) // DAY_MIN
    day -= day[0] if day.size else 0
    books: list[_Book] = []
    for scenario in scenarios:
        most = headline_events if scenario in HEADLINE else events
        for start in places.chosen(scenario, seed=seed, most=most):
            event = Event(scenario, int(start))
            book = next((one for one in books if one.has_room(event, int(day[start]))), None)
            if book is None:
                book = _Book(series.minutes, int(day[-1]) + 1)
                books.append(book)
            book.enter(event, int(day[start]))
    return [tuple(book.events) for book in books]


def injected(series: Series, events: Sequence[Event]) -> Series:
    """A copy with the events added to the measured heart rates, which keep their noise; ramps of 2 min on and off."""
    values = series.values.copy()
    for event in events:
        shape = profile(event.scenario)
        part = values[event.start : event.start + len(shape), HEART_RATE]
        part += shape[: len(part)]
    return replace(series, values=values, data="semi")


def profile(scenario: Scenario) -> Floats:
    """What a scenario adds, minute by minute: the ramp on lies within its duration, the ramp off after its end."""
    shape = np.full(scenario.minutes + len(_RAMP_OFF), float(scenario.delta_bpm))
    shape[: len(_RAMP_ON)] *= _RAMP_ON
    shape[scenario.minutes :] *= _RAMP_OFF
    return shape


class _Book:
    """The events of one copy."""

    def __init__(self, minutes: int, days: int) -> None:
        self.events: list[Event] = []
        self._taken = np.zeros(minutes, dtype=np.bool_)
        self._on_day = np.zeros(days, dtype=np.int64)

    def has_room(self, event: Event, day: int) -> bool:
        near = self._taken[max(0, event.start - APART_MIN) : event.end + APART_MIN]
        return bool(self._on_day[day] < EVENTS_A_DAY and not near.any())

    def enter(self, event: Event, day: int) -> None:
        self.events.append(event)
        self._taken[event.start : event.end] = True
        self._on_day[day] += 1


@dataclass(frozen=True, slots=True, kw_only=True)
class _Places:
    """Where in a recording an event may start."""

    name: str
    test_from: int
    local_min: Ints
    step_free: Ints
    heard: Ints
    stepped: Ints
    walked: Floats
    brisk: Ints

    @classmethod
    def of(cls, series: Series) -> "_Places":
        steps = series.steps
        moved = ~(steps == 0.0)
        return cls(
            name=series.name,
            test_from=days_of(series).test_from,
            local_min=(series.first_minute + series.utc_offset_min + np.arange(series.minutes)) % DAY_MIN,
            step_free=since(moved),
            heard=_sums(np.isfinite(believed(series))),
            stepped=_sums(moved),
            walked=np.concatenate([[0.0], np.cumsum(np.nan_to_num(steps))]),
            brisk=_sums(np.isnan(steps) | (np.nan_to_num(steps) > _LIGHT_MOST)),
        )

    def chosen(self, scenario: Scenario, *, seed: int, most: int) -> list[int]:
        candidates = np.flatnonzero(self._fits(scenario))
        rng = np.random.default_rng([seed, zlib.crc32(self.name.encode()), zlib.crc32(scenario.name.encode())])
        free = np.ones(len(self.local_min), dtype=np.bool_)
        found: list[int] = []
        for start in rng.permutation(candidates):
            if len(found) == most:
                break
            if free[start]:
                found.append(int(start))
                free[max(0, start - SPACING_MIN + 1) : start + SPACING_MIN] = False
        return found

    def _fits(self, scenario: Scenario) -> Bools:
        length = scenario.minutes
        total = len(self.local_min)
        start = np.arange(total)
        end = np.minimum(start + length, total)
        before = np.maximum(start - WORN_BEFORE_MIN, 0)
        fits = (start >= max(self.test_from, WORN_BEFORE_MIN)) & (start + length + APART_MIN <= total)
        fits &= self.heard[start] - self.heard[before] >= BELIEVED_SHARE * WORN_BEFORE_MIN
        fits &= self.heard[end] - self.heard[start] >= BELIEVED_SHARE * length
        if scenario.context == "light":
            return fits & self._awake(length) & self._light(start, end)
        still = self.stepped[end] == self.stepped[start]
        needed = REST_BEFORE_MIN if scenario.context == "rest" else ASLEEP_AFTER_MIN
        still &= (start > 0) & (self.step_free[np.maximum(start - 1, 0)] >= needed)
        fits &= still & (self._awake(length) if scenario.context == "rest" else self._within(_ASLEEP, 0))
        return fits

    def _light(self, start: Ints, end: Ints) -> Bools:
        length = np.maximum(end - start, 1)
        mean = (self.walked[end] - self.walked[start]) / length
        moving = (self.stepped[end] - self.stepped[start]) / length
        few, many = _LIGHT_STEPS
        steady = self.brisk[end] == self.brisk[start]
        light: Bools = steady & (mean >= few) & (mean <= many) & (moving >= _LIGHT_SHARE)
        return light

    def _awake(self, length: int) -> Bools:
        return self._within(_AWAKE, length)

    def _within(self, hours: tuple[int, int], length: int) -> Bools:
        within: Bools = (self.local_min >= hours[0]) & (self.local_min + length <= hours[1])
        return within


def _sums(flags: Bools) -> Ints:
    return np.concatenate([[0], np.cumsum(flags)])
