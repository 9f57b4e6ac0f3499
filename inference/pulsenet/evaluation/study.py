"""Runs one detector over the untouched recordings and their copies with events."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final

from inference.pulsenet.evaluation.alarms import alarms, delay_min
from inference.pulsenet.evaluation.days import Days, days_of
from inference.pulsenet.evaluation.injection import Copy, Event, Scenario, copies, plans
from inference.pulsenet.evaluation.metrics import BUFFERS_MIN
from inference.pulsenet.evaluation.protocol import Detector, Judgement, SelfCalibrated, Sided
from inference.pulsenet.evaluation.rates import RATES, Reference, Rule, thresholds
from inference.pulsenet.series import Series
from inference.slots import Floats, Ints

AROUND_MIN: Final = max(BUFFERS_MIN) // 2
"""Minutes kept on each side of an event's scores."""
BATCH_MIN: Final = 3_000_000
"""Wearer-minutes given to a detector at once."""

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
    """Recordings, the events put into them, and the people thresholds come from; the same for every detector."""

    wearers: tuple[Wearer, ...]
    population: tuple[Series, ...]
    seed: int

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
        alarms: Minutes at which alarms opened on test days, high then low, by rule and promised rate.
    """

    scores: Sided
    thresholds: dict[tuple[Rule, float], Sided]
    alarms: dict[tuple[Rule, float], tuple[Ints, Ints]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one detector made of a study.

    Attributes:
        name: The detector.
        main: The rule whose thresholds the detector is judged by.
        untouched: By wearer.
        found: By event.
        us_per_step: Microseconds of scoring a wearer-minute.
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
    )


def examine(detector: Detector, study: Study, *, told: Told = lambda _: None) -> Outcome:
    """Score everything, set the thresholds, and see which events are found."""
    clock = _Clock(detector, told)
    reference = Reference.of(
        [one.scores for one in clock.judged(study.population, brings=False)],
        [days_of(one) for one in study.population],
    )
    brings = isinstance(detector, SelfCalibrated)
    first = clock.judged([one.series for one in study.wearers], brings=brings)
    untouched = tuple(
        _untouched(judged, wearer, reference, brings=brings)
        for judged, wearer in zip(first, study.wearers, strict=True)
    )
    found: list[Found] = []
    for number, (wearer, clean) in enumerate(zip(study.wearers, untouched, strict=True)):
        most = max(1, BATCH_MIN // max(1, wearer.series.minutes))
        for batch in _batches(copies(wearer.series, wearer.planned), most):
            for copy, judged in zip(batch, clock.judged([one.series for one in batch], brings=brings), strict=True):
                found += _found(number, wearer, copy, judged, clean)
    return Outcome(
        name=detector.name,
        main="own" if brings else "shr",
        untouched=untouched,
        found=tuple(found),
        us_per_step=clock.us_per_step,
    )


class _Clock:
    """Asks the detector, and takes the time it needs."""

    def __init__(self, detector: Detector, told: Told) -> None:
        self._detector = detector
        self._told = told
        self._spent_s = 0.0
        self._minutes = 0

    def judged(self, series: Sequence[Series], *, brings: bool) -> list[Judgement]:
        if not series:
            return []
        start = time.perf_counter()
        if brings and isinstance(self._detector, SelfCalibrated):
            given = list(self._detector.judge(series))
        else:
            given = [Judgement(scores=one, thresholds={}) for one in self._detector.scores(series)]
        self._spent_s += time.perf_counter() - start
        minutes = sum(one.minutes for one in series)
        self._minutes += minutes
        self._told(minutes)
        return given

    @property
    def us_per_step(self) -> float:
        return 1e6 * self._spent_s / max(1, self._minutes)


def _batches(made: Iterator[Copy], most: int) -> Iterable[list[Copy]]:
    while batch := list(islice(made, most)):
        yield batch


def _untouched(judged: Judgement, wearer: Wearer, reference: Reference, *, brings: bool) -> Untouched:
    lines: dict[tuple[Rule, float], Sided] = {}
    for rule in RULES:
        for rate in RATES:
            if rule != "own":
                lines[rule, rate] = thresholds(rule, reference, judged.scores, wearer.days, rate=rate)
            elif brings:
                lines[rule, rate] = judged.thresholds.get(rate, lines["shr", rate])
    opened = {
        key: (
            _on_test_days(judged.scores.high, line.high, wearer.days),
            _on_test_days(judged.scores.low, line.low, wearer.days),
        )
        for key, line in lines.items()
    }
    return Untouched(scores=judged.scores, thresholds=lines, alarms=opened)


def _on_test_days(score: Floats, threshold: Floats, days: Days) -> Ints:
    """Alarms of days that count too little to be wearer-days are counted all the same: rates err to the high side."""
    opened = alarms(score, threshold)
    return opened[opened >= days.test_from]


def _found(number: int, wearer: Wearer, copy: Copy, judged: Judgement, clean: Untouched) -> list[Found]:
    opened: dict[tuple[Rule, float, bool], Ints] = {}
    for (rule, rate), line in clean.thresholds.items():
        used = judged.thresholds.get(rate, line) if rule == "own" else line
        opened[rule, rate, True] = alarms(judged.scores.high, used.high)
        opened[rule, rate, False] = alarms(judged.scores.low, used.low)
    found = []
    for event in copy.events:
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
