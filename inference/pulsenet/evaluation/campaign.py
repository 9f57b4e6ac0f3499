"""The whole evaluation: which recordings, which detectors, and the report that is written."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from inference.physiology.minutes import simulate_minutes
from inference.pulsenet.evaluation import faults, summary
from inference.pulsenet.evaluation.detectors.table import RIVALS, Rival
from inference.pulsenet.evaluation.detectors.variants import MAIN, VARIANTS, Variant
from inference.pulsenet.evaluation.example import example
from inference.pulsenet.evaluation.grid import DAY_MIN
from inference.pulsenet.evaluation.injection import GRID, HEADLINE, Scenario
from inference.pulsenet.evaluation.study import Study, examine, prepare
from inference.pulsenet.series import Series
from inference.pulsenet.weights.loading import FOLDER, MANIFEST, digest, load
from inference.recordings import fitbit_minutes, stress_predict
from schemas.errors import RecordingError

CALIBRATION_SEED: Final = 101
LEARNING_SEED: Final = 102
FAULT_SEED: Final = 103
"""Added to the run's seed: the people that set thresholds, that detectors learn from, and that get faults differ."""
SHIPPABLE: Final = tuple(f"S{number:02d}" for number in range(1, 21))
"""The people of Stress-Predict whose recordings calibrate; S21 to S25 stay unseen."""
PROTOCOL: Final = 2
"""Raised with every change of what is an event, an alarm or a hit: rows of two protocols do not stand in one table."""
FAULTS: Final = "faults"
"""The task that puts every fault into made people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large an evaluation is.

    Attributes:
        people: Made people that set the thresholds; `days` of each.
        learners: Made people that detectors may learn from.
        faulty: Made people that get the faults.
        events: Most events of a scenario and wearer; `headline_events` of a headline one.
        longest_days: Of a wearer's recording, what comes later is not looked at.
    """

    people: int = 40
    days: int = 22
    learners: int = 12
    faulty: int = 16
    events: int = 15
    headline_events: int = 150
    longest_days: int = 400


FULL: Final = Size()
QUICK: Final = Size(people=3, days=9, learners=2, faulty=1, events=2, headline_events=4, longest_days=10)


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
    """What one task found."""

    name: str
    row: Mapping[str, Any]


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
        kinds = {one.name: faults.examine(one.detector(plan.weights), made, seed=plan.seed) for one in _WHOLE}
        return Done(
            name=name,
            row={
                "faults": {model: one.faults for model, one in kinds.items()},
                "untouched": {model: one.untouched for model, one in kinds.items()},
            },
        )
    variant = next((one for one in VARIANTS if one.name == name), None)
    if variant is not None:
        study, scenarios = (materials.full, GRID) if variant.whole else (materials.headline, HEADLINE)
        outcome, reads = examine(variant.detector(plan.weights), study), variant.reads
    else:
        rival = next(one for one in (*more, *RIVALS) if one.name == name)
        study, scenarios = materials.full, GRID
        outcome, reads = examine(rival.make(materials.learners, plan.seed), study), rival.reads
    return Done(name=name, row={"reads": reads, **summary.row(outcome, study, scenarios)})


def report(
    plan: Plan, done: Sequence[Done], absent: Mapping[str, str], *, before: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The JSON that the command writes: the rows made now, and those of a report made before.

    Raises:
        RecordingError: That report is of other recordings, places, people or weights.
    """
    materials = _materials(plan)
    told: dict[str, Any] = {
        "detectors": {},
        "rate": {},
        "decoys": {},
        "us_per_step": None,
        "model": MAIN.name,
        "weights": digest(plan.weights / MANIFEST)[:7],
        "protocol": PROTOCOL,
        "seed": plan.seed,
        "quick": plan.size == QUICK,
        "given": _given(materials),
        "wearers": {
            one.series.name: {"data": one.series.data, "test_days": int(one.days.test.sum())}
            for one in materials.full.wearers
        },
    }
    rows = {**_rows_of(before, told), **{name: {"data": "semi", "absent": why} for name, why in absent.items()}}
    rows |= {one.name: dict(one.row) for one in done if one.name != FAULTS}
    main = rows.get(MAIN.name)
    told |= {
        "detectors": _ordered(rows),
        "rate": _rate(main, summary.JUDGED_RATE),
        "rate_tier_2": _rate(main, summary.SHOWN_RATE),
        "us_per_step": main["us_per_step"] if main else None,
        "paired": _paired(rows, materials.full),
    }
    told |= _of_faults(next((one.row for one in done if one.name == FAULTS), before or {}))
    if any(one.name == MAIN.name for one in done):
        told["example"] = example(load(folder=plan.weights), seed=plan.seed).told()
    elif before is not None and "example" in before and before["model"] == MAIN.name:
        told["example"] = before["example"]
    return told


def _of_faults(row: Mapping[str, Any]) -> dict[str, Any]:
    """What the task of the faults found, or a report made before tells of it."""
    if "faults" not in row:
        return {}
    decoys = {name: one["alerts"] for name, one in row["faults"][MAIN.name].items() if not one["must_alarm"]}
    return {"decoys": decoys, **{key: row[key] for key in ("faults", "untouched") if key in row}}


def _rows_of(before: Mapping[str, Any] | None, told: Mapping[str, Any]) -> dict[str, Any]:
    """Rows made before, which must be of the same study, and, where they are of the model, of the same weights.

    Where the other predictor shipped then, the rows of its parts get its name: they are not parts of what ships now.
    """
    if before is None:
        return {}
    of_model = "faults" in before or any(one.name in before["detectors"] for one in VARIANTS)
    for key in ("protocol", "seed", "quick", "wearers", "given", *(("weights",) if of_model else ())):
        if before.get(key) != told[key]:
            raise RecordingError(
                f"The report to add to differs in {key!r}: its rows cannot stand beside these. Make all rows anew, "
                "without --add-to."
            )
    rows = dict(before["detectors"])
    if before["model"] == told["model"]:
        return rows
    parts = {one.name for one in VARIANTS} - {one.name for one in _WHOLE}
    return {f"{before['model']}, {name}" if name in parts else name: row for name, row in rows.items()}


def _ordered(rows: Mapping[str, Any]) -> dict[str, Any]:
    order = [*(one.name for one in VARIANTS), *(one.name for one in RIVALS)]
    known = [name for name in order if name in rows]
    return {name: rows[name] for name in (*known, *(name for name in rows if name not in order))}


def _given(materials: "_Materials") -> str:
    """A digest of everything that detectors were given, so that rows of two runs can be told to be of one study."""
    sums = hashlib.sha256()
    for one in (*(wearer.series for wearer in materials.full.wearers), *materials.full.population, *materials.learners):
        for column in (one.values, one.steps, one.motion, one.worn):
            sums.update(column.tobytes())
    return sums.hexdigest()[:12]


def _rate(main: Mapping[str, Any] | None, promised: float) -> dict[str, Any]:
    if main is None:
        return {"data": "real", "promised": promised, "alarms": None, "wearer_days": None}
    pooled = main["rules"][main["thresholds"]][f"{promised:g}"]
    return {key: pooled[key] for key in ("data", "promised", "alarms", "wearer_days", "realised", "ratio_ci95")}


def _paired(rows: Mapping[str, Any], study: Study) -> dict[str, Any]:
    ours = rows.get(MAIN.name)
    if ours is None:
        return {}
    against = {name: row for name, row in rows.items() if "scenarios" in row and name != MAIN.name}
    return {
        scenario.name: {name: summary.paired(ours, row, study, scenario) for name, row in against.items()}
        for scenario in HEADLINE
        if scenario.name in ours["scenarios"]
    }


_WHOLE: Final[tuple[Variant, ...]] = tuple(one for one in VARIANTS if one.whole)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Materials:
    full: Study
    headline: Study
    learners: tuple[Series, ...]


@lru_cache(maxsize=1)
def _materials(plan: Plan) -> _Materials:
    size = plan.size
    wearers = _wearers(plan)
    recorded = _recorded(plan)
    people = simulate_minutes(size.people, size.days, seed=plan.seed + CALIBRATION_SEED)
    learners = simulate_minutes(size.learners, size.days, seed=plan.seed + LEARNING_SEED)

    def study(scenarios: Sequence[Scenario]) -> Study:
        return prepare(
            wearers, [*people, *recorded], scenarios,
            seed=plan.seed, events=size.events, headline_events=size.headline_events,
        )  # fmt: skip

    full = study(GRID)
    planned = {event.scenario for one in full.wearers for events in one.planned for event in events}
    if not planned.issuperset(HEADLINE):
        raise RecordingError(
            f"No wearer of {plan.fitbit} has more than seven worn days with quiet minutes by day after them: "
            "there is nothing to judge by."
        )
    return _Materials(
        full=full,
        headline=study(HEADLINE),
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
