"""The whole evaluation: which recordings, which detectors, and the report that is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from inference.physiology.minutes import simulate_minutes
from inference.pulsenet.evaluation import faults, summary
from inference.pulsenet.evaluation.detectors.table import RIVALS, Rival
from inference.pulsenet.evaluation.detectors.variants import MAIN, VARIANTS, Variant
from inference.pulsenet.evaluation.grid import DAY_MIN
from inference.pulsenet.evaluation.injection import GRID, HEADLINE, Scenario
from inference.pulsenet.evaluation.study import Outcome, Study, examine, prepare
from inference.pulsenet.series import Series
from inference.pulsenet.weights.loading import FOLDER
from inference.recordings import fitbit_minutes, stress_predict
from schemas.errors import RecordingError

CALIBRATION_SEED: Final = 101
LEARNING_SEED: Final = 102
FAULT_SEED: Final = 103
"""Added to the run's seed: the people that set thresholds, that detectors learn from, and that get faults differ."""
SHIPPABLE: Final = tuple(f"S{number:02d}" for number in range(1, 21))
"""The people of Stress-Predict whose recordings calibrate; S21 to S25 stay unseen."""
FAULTS: Final = "faults"
"""The task that puts every fault into made people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large an evaluation is.

    Attributes:
        people: Made people that set the thresholds; `days` of each.
        learners: Made people that detectors may learn from.
        slow_people: Of `people`, how many for a slow detector.
        faulty: Made people that get the faults.
        events: Most events of a scenario and wearer; of a headline one, and of one for a slow detector.
        longest_days: Of a wearer's recording, what comes later is not looked at.
    """

    people: int = 40
    days: int = 22
    learners: int = 12
    slow_people: int = 6
    faulty: int = 16
    events: int = 15
    headline_events: int = 150
    slow_events: int = 30
    longest_days: int = 400


FULL: Final = Size()
QUICK: Final = Size(people=3, days=9, learners=2, slow_people=2, faulty=1, events=2, headline_events=4, slow_events=2,
                    longest_days=10)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked for.

    Attributes:
        fitbit: File of minutes.
        stress_predict: Folder, None for a calibration on made people alone.
        users: Wearers of the file; empty for all.
        only: Rows; empty for all.
        seed: Decides places of events and made people.
        weights: Folder of the model's weights.
    """

    fitbit: Path
    stress_predict: Path | None = None
    users: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    seed: int = 1
    size: Size = FULL
    weights: Path = FOLDER


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What one task found; `outcome` is None for the faults."""

    name: str
    row: Mapping[str, Any]
    outcome: Outcome | None = None


def tasks(plan: Plan, more: Sequence[Rival] = ()) -> tuple[list[str], dict[str, str]]:
    """The rows to make, the longest first, and why the others are missing."""
    rivals = (*more, *RIVALS)
    names = [FAULTS, *(one.name for one in VARIANTS)]
    names += [one.name for one in sorted(rivals, key=lambda one: not one.slow)]
    unknown = sorted(set(plan.only) - set(names))
    if unknown:
        raise RecordingError(f"There is no detector {unknown[0]!r}; there are {', '.join(names)}.")
    absent = {one.name: f"{one.needs} is not installed" for one in rivals if not one.there}
    wanted = [name for name in names if not plan.only or name in plan.only]
    return [name for name in wanted if name not in absent], {n: why for n, why in absent.items() if n in wanted}


def run(name: str, plan: Plan, more: Sequence[Rival] = ()) -> Done:
    """Make one row."""
    materials = _materials(plan)
    if name == FAULTS:
        made = simulate_minutes(plan.size.faulty, plan.size.days, seed=plan.seed + FAULT_SEED)
        kinds = {variant.name: faults.row(variant.detector(plan.weights), made, seed=plan.seed) for variant in _WHOLE}
        return Done(name=name, row=kinds)
    variant = next((one for one in VARIANTS if one.name == name), None)
    if variant is not None:
        study, scenarios = (materials.full, GRID) if variant.whole else (materials.headline, HEADLINE)
        outcome = examine(variant.detector(plan.weights), study)
    else:
        rival = next(one for one in (*more, *RIVALS) if one.name == name)
        study, scenarios = (materials.slow, HEADLINE) if rival.slow else (materials.full, GRID)
        outcome = examine(rival.make(materials.learners, plan.seed), study)
    return Done(name=name, row=summary.row(outcome, study, scenarios), outcome=outcome)


def report(plan: Plan, done: Sequence[Done], absent: Mapping[str, str]) -> dict[str, Any]:
    """The JSON that the command writes."""
    materials = _materials(plan)
    rows = {one.name: dict(one.row) for one in done if one.name != FAULTS}
    main = rows.get(MAIN.name)
    told: dict[str, Any] = {
        "detectors": rows | {name: {"data": "semi", "absent": why} for name, why in absent.items()},
        "rate": _rate(main),
        "decoys": {},
        "us_per_step": main["us_per_step"] if main else None,
        "model": MAIN.name,
        "seed": plan.seed,
        "quick": plan.size == QUICK,
        "wearers": {
            one.series.name: {"data": one.series.data, "test_days": int(one.days.test.sum())}
            for one in materials.full.wearers
        },
        "paired": _paired({one.name: one.outcome for one in done if one.outcome is not None}, materials),
    }
    for one in done:
        if one.name == FAULTS:
            by_name = one.row[MAIN.name]
            told["decoys"] = {name: row["alerts"] for name, row in by_name.items() if not row["must_alarm"]}
            told["faults"] = one.row
    return told


def _rate(main: Mapping[str, Any] | None) -> dict[str, Any]:
    if main is None:
        return {"data": "real", "promised": summary.JUDGED_RATE, "alarms": None, "wearer_days": None}
    pooled = main["rules"][main["thresholds"]][f"{summary.JUDGED_RATE:g}"]
    return {key: pooled[key] for key in ("data", "promised", "alarms", "wearer_days", "realised", "ratio_ci95")}


def _paired(outcomes: Mapping[str, Outcome], materials: "_Materials") -> dict[str, Any]:
    ours = outcomes.get(MAIN.name)
    if ours is None:
        return {}
    against = {name: one for name, one in outcomes.items() if name not in _ABLATIONS and name != MAIN.name}
    slow = {one.name for one in RIVALS if one.slow}
    return {
        scenario.name: {
            name: summary.paired(ours, theirs, materials.full, scenario)
            for name, theirs in against.items()
            if name not in slow
        }
        for scenario in HEADLINE
        if any(one.event.scenario == scenario for one in ours.found)
    }


_WHOLE: Final[tuple[Variant, ...]] = tuple(one for one in VARIANTS if one.whole)
_ABLATIONS: Final = frozenset(one.name for one in VARIANTS if not one.whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Materials:
    full: Study
    headline: Study
    slow: Study
    learners: tuple[Series, ...]


@lru_cache(maxsize=1)
def _materials(plan: Plan) -> _Materials:
    size = plan.size
    wearers = _wearers(plan)
    recorded = _recorded(plan)
    people = simulate_minutes(size.people, size.days, seed=plan.seed + CALIBRATION_SEED)
    learners = simulate_minutes(size.learners, size.days, seed=plan.seed + LEARNING_SEED)

    def study(scenarios: Sequence[Scenario], crowd: Sequence[Series], events: int, headline: int) -> Study:
        return prepare(wearers, crowd, scenarios, seed=plan.seed, events=events, headline_events=headline)

    full = study(GRID, [*people, *recorded], size.events, size.headline_events)
    planned = {event.scenario for one in full.wearers for events in one.planned for event in events}
    if not planned.issuperset(HEADLINE):
        raise RecordingError(
            f"No wearer of {plan.fitbit} has more than seven worn days with quiet minutes by day after them: "
            "there is nothing to judge by."
        )
    return _Materials(
        full=full,
        headline=study(HEADLINE, [], size.events, size.headline_events),
        slow=study(HEADLINE, people[: size.slow_people], size.events, size.slow_events),
        learners=(*learners, *recorded),
    )


def _wearers(plan: Plan) -> list[Series]:
    found = fitbit_minutes.read(plan.fitbit)
    missing = sorted(set(plan.users) - {one.name for one in found})
    if missing:
        raise RecordingError(f"{plan.fitbit} has no wearer {missing[0]}; it has {', '.join(o.name for o in found)}.")
    most = plan.size.longest_days * DAY_MIN
    return [_first(one, most) for one in found if not plan.users or one.name in plan.users]


def _first(series: Series, minutes: int) -> Series:
    return replace(
        series,
        values=series.values[:minutes],
        steps=series.steps[:minutes],
        motion=series.motion[:minutes],
        worn=series.worn[:minutes],
    )


def _recorded(plan: Plan) -> list[Series]:
    if plan.stress_predict is None:
        return []
    return [one for one in stress_predict.read(plan.stress_predict) if one.name in SHIPPABLE]
