"""Runs one detector over the untouched recordings and their copies with events."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

import numpy as np

from inference.pulsenet.evaluation.alarms import alarms, delay_min
from inference.pulsenet.evaluation.days import Days, days_of
from inference.pulsenet.evaluation.injection import Event, Scenario, injected, plans
from inference.pulsenet.evaluation.metrics import BUFFERS_MIN
from inference.pulsenet.evaluation.protocol import Detector, Judgement, SelfCalibrated, Sided
from inference.pulsenet.evaluation.rates import RATES, Reference, Rule, thresholds
from inference.pulsenet.series import Series
from inference.slots import Floats, Ints

AROUND_MIN: Final = max(BUFFERS_MIN) // 2
"""Minutes kept on each side of an event's scores."""
BATCH_MIN: Final = 3_000_000
"""Wearer-minutes given to a detector at once, which are all in memory."""
STATEFUL_BATCH_MIN: Final = 20_000_000
"""For one that calibrates itself: it steps through time, which costs the same for few wearers as for many."""

_NONE: Final[Ints] = np.array([], dtype=np.int64)

RULES: Final[tuple[Rule, ...]] = ("pop", "shr", "adapt", "own")
Told = Callable[[int], None]
"""Is told how many wearer-minutes were scored since the last time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wearer:
    """One wearer of a study, with the events planned for each copy."""

    series: Series
    days: Days
    planned: tuple[tuple[Event, ...], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """Recordings, the events put into them, and the people thresholds come from; the same for every detector.

    Attributes:
        wearers: On whom detectors are judged.
        population: Who sets thresholds.
        seed: Decided the places of the events.
        developed_on: Names of those on whom windows and gates of the model were chosen.
    """

    wearers: tuple[Wearer, ...]
    population: tuple[Series, ...]
    seed: int
    developed_on: tuple[str, ...] = ()

    @property
    def unseen(self) -> tuple[int, ...]:
        """Places of the wearers on whom no window was chosen.

        They are no independent test: which of the models ships was decided by figures of everybody (record 17).
        """
        return tuple(place for place, one in enumerate(self.wearers) if one.series.name not in self.developed_on)

    @property
    def minutes(self) -> int:
        """Wearer-minutes that a detector has to score."""
        own = sum(one.series.minutes * (1 + len(one.planned)) for one in self.wearers)
        return own + sum(one.minutes for one in self.population)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What a detector made of one event.

    Attributes:
        wearer: Place in the study.
        day: Day of the recording.
        event: What was put in, and where.
        delays: Minutes until the alarm, NaN if none opened, by rule and promised rate.
        score: The side's scores from AROUND_MIN before the event to AROUND_MIN after its end.
    """

    wearer: int
    day: int
    event: Event
    delays: dict[tuple[Rule, float], float]
    score: Floats


@dataclass(frozen=True, slots=True, kw_only=True)
class Untouched:
    """What a detector made of a wearer's untouched recording.

    Attributes:
        scores: The scores of the whole recording.
        thresholds: By rule and promised rate.
        alarms: Minutes at which alarms opened on test days, high, low, of anything else, by rule and promised rate.
    """

    scores: Sided
    thresholds: dict[tuple[Rule, float], Sided]
    alarms: dict[tuple[Rule, float], tuple[Ints, Ints, Ints]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one detector made of a study.

    Attributes:
        name: The detector.
        main: The rule whose thresholds the detector is judged by.
        untouched: By wearer.
        found: By event.
        us_per_step: Microseconds of processor time that a wearer-minute takes.
    """

    name: str
    main: Rule
    untouched: tuple[Untouched, ...]
    found: tuple[Found, ...]
    us_per_step: float


def prepare(
    wearers: Sequence[Series],
    population: Sequence[Series],
    scenarios: Sequence[Scenario],
    *,
    seed: int,
    events: int,
    headline_events: int,
    developed_on: Sequence[str] = (),
) -> Study:
    """Choose the places of all events."""
    return Study(
        wearers=tuple(
            Wearer(
                series=one,
                days=days_of(one),
                planned=tuple(plans(one, scenarios, seed=seed, events=events, headline_events=headline_events)),
            )
            for one in wearers
        ),
        population=tuple(population),
        seed=seed,
        developed_on=tuple(developed_on),
    )


def examine(detector: Detector, study: Study, *, told: Told = lambda _: None) -> Outcome:
    """Score everything, set the thresholds, and see which events are found."""
    asked = _Asked(detector, told)
    put_in = [(number, wearer, events) for number, wearer in enumerate(study.wearers) for events in wearer.planned]
    judged = asked.judged(
        chain(
            study.population,
            (wearer.series for wearer in study.wearers),
            (injected(wearer.series, events) for _, wearer, events in put_in),
        )
    )
    reference = Reference.of(
        [next(judged).scores for _ in study.population], [days_of(one) for one in study.population]
    )
    untouched = tuple(_untouched(next(judged), wearer, reference, brings=asked.brings) for wearer in study.wearers)
    found: list[Found] = []
    for number, wearer, events in put_in:
        found += _found((number, wearer), events, next(judged), untouched[number])
    return Outcome(
        name=detector.name,
        main="own" if asked.brings else "shr",
        untouched=untouched,
        found=tuple(found),
        us_per_step=asked.us_per_step,
    )


class _Asked:
    """Asks the detector batch by batch, and takes the time it needs."""

    def __init__(self, detector: Detector, told: Told) -> None:
        self.brings = isinstance(detector, SelfCalibrated)
        self._detector = detector
        self._told = told
        self._spent_s = 0.0
        self._minutes = 0

    def judged(self, series: Iterable[Series]) -> Iterator[Judgement]:
        most = STATEFUL_BATCH_MIN if self.brings else BATCH_MIN
        batch: list[Series] = []
        for one in series:
            batch.append(one)
            if len(batch) * max(other.minutes for other in batch) >= most:
                yield from self._judge(batch)
                batch = []
        yield from self._judge(batch)

    def _judge(self, batch: Sequence[Series]) -> list[Judgement]:
        if not batch:
            return []
        start = time.process_time()
        if isinstance(self._detector, SelfCalibrated):
            given = list(self._detector.judge(batch))
        else:
            given = [Judgement(scores=one, thresholds={}, others={}) for one in self._detector.scores(batch)]
        self._spent_s += time.process_time() - start
        minutes = sum(one.minutes for one in batch)
        self._minutes += minutes
        self._told(minutes)
        return given

    @property
    def us_per_step(self) -> float:
        return 1e6 * self._spent_s / max(1, self._minutes)


def _untouched(judged: Judgement, wearer: Wearer, reference: Reference, *, brings: bool) -> Untouched:
    lines: dict[tuple[Rule, float], Sided] = {}
    for rule in RULES:
        for rate in RATES:
            if rule != "own":
                lines[rule, rate] = thresholds(rule, reference, judged.scores, wearer.days, rate=rate)
            elif brings:
                lines[rule, rate] = judged.thresholds.get(rate, lines["shr", rate])
    opened = {
        (rule, rate): (
            _on_test_days(alarms(judged.scores.high, line.high), wearer.days),
            _on_test_days(alarms(judged.scores.low, line.low), wearer.days),
            _on_test_days(_others(judged, rule, rate), wearer.days),
        )
        for (rule, rate), line in lines.items()
    }
    return Untouched(scores=judged.scores, thresholds=lines, alarms=opened)


def _others(judged: Judgement, rule: Rule, rate: float) -> Ints:
    return judged.others.get(rate, _NONE) if rule == "own" else _NONE


def _on_test_days(opened: Ints, days: Days) -> Ints:
    """Alarms of days that count too little to be wearer-days are counted all the same: rates err to the high side."""
    return opened[opened >= days.test_from]


def _found(whose: tuple[int, Wearer], events: Sequence[Event], judged: Judgement, clean: Untouched) -> list[Found]:
    """Return what is found of events in a copy, by the thresholds of the untouched recording at the same minutes.

    A copy holds several events a day, which no wearer has: thresholds that adapt to its alerts would learn from them.
    """
    number, wearer = whose
    opened: dict[tuple[Rule, float, bool], Ints] = {}
    for key, line in clean.thresholds.items():
        opened[*key, True] = alarms(judged.scores.high, line.high)
        opened[*key, False] = alarms(judged.scores.low, line.low)
    found = []
    for event in events:
        rises = event.scenario.delta_bpm > 0
        score = judged.scores.high if rises else judged.scores.low
        found.append(
            Found(
                wearer=number,
                day=int(wearer.days.of_minute[event.start]),
                event=event,
                delays={key: delay_min(opened[(*key, rises)], event) for key in clean.thresholds},
                score=score[event.start - AROUND_MIN : event.end + AROUND_MIN].copy(),
            )
        )
    return found
