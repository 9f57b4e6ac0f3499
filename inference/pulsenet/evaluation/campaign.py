"""The whole evaluation: which recordings, which detectors, and the report that is written."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from inference.physiology.minutes import simulate_minutes
from inference.pulsenet.earlier import blind
from inference.pulsenet.evaluation import faults, summary
from inference.pulsenet.evaluation.detectors.table import RIVALS, Rival
from inference.pulsenet.evaluation.detectors.variants import MAIN, VARIANTS, Variant
from inference.pulsenet.evaluation.example import example
from inference.pulsenet.evaluation.grid import DAY_MIN
from inference.pulsenet.evaluation.injection import GRID, HEADLINE, Scenario
from inference.pulsenet.evaluation.labelled import icu, onsets, stress
from inference.pulsenet.evaluation.origin import BLIND, EXAMPLE, FAULTS, LABELLED, PROTOCOL, Carried, carried, origin
from inference.pulsenet.evaluation.study import Study, examine, prepare
from inference.pulsenet.series import Series
from inference.pulsenet.weights.loading import FOLDER, NAMES, deciding, load, manifest, population
from inference.recordings import fitbit_minutes, stress_predict, welltory
from schemas.errors import RecordingError

CALIBRATION_SEED: Final = 101
LEARNING_SEED: Final = 102
FAULT_SEED: Final = 103
"""Added to the run's seed: the people that set thresholds, that detectors learn from, and that get faults differ."""
SHIPPABLE: Final = tuple(f"S{number:02d}" for number in range(1, 21))
"""The people of Stress-Predict whose recordings calibrate; S21 to S25 stay unseen."""
NOT_GIVEN: Final = {"data": "real", "no_estimate": "no estimate, because the recordings were not given"}
_NO_ROWS: Final = (FAULTS, LABELLED, BLIND)
"""Tasks that make no row of a detector, but a part of the report of their own."""


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
        welltory: Folder, None to leave onsets of symptoms aside; `wfdb` the header of a false alarm's record.
        commit: Of the code that runs, None where nobody knows it.
    """

    fitbit: Path
    stress_predict: Path | None = None
    users: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    seed: int = 1
    size: Size = FULL
    weights: Path = FOLDER
    welltory: Path | None = None
    wfdb: Path | None = None
    commit: str | None = None

    @property
    def quick(self) -> bool:
        """Whether it is too small to tell anything."""
        return self.size == QUICK


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What one task found."""

    name: str
    row: Mapping[str, Any]


def tasks(plan: Plan, more: Sequence[Rival] = ()) -> tuple[list[str], dict[str, str]]:
    """The rows to make, the longest first, and why the others are missing."""
    rivals = (*more, *RIVALS)
    names = [*_NO_ROWS, *(one.name for one in VARIANTS)]
    names += [one.name for one in sorted(rivals, key=lambda one: not one.slow)]
    unknown = sorted(set(plan.only) - set(names))
    if unknown:
        raise RecordingError(f"There is no detector {unknown[0]!r}; there are {', '.join(names)}.")
    absent = {one.name: f"{one.needs} is not installed" for one in rivals if not one.there}
    wanted = [name for name in names if not plan.only or name in plan.only]
    return [name for name in wanted if name not in absent], {n: why for n, why in absent.items() if n in wanted}


def run(name: str, plan: Plan, more: Sequence[Rival] = ()) -> Done:
    """Make one row, or what a task without one tells."""
    if name == BLIND:
        return Done(name=name, row={BLIND: blind.told(seed=plan.seed)})
    if name == LABELLED:
        return Done(name=name, row={LABELLED: _labelled(plan)})
    if name == FAULTS:
        return Done(name=name, row=_faulty(plan))
    materials = _materials(plan)
    variant = next((one for one in VARIANTS if one.name == name), None)
    if variant is not None:
        study, scenarios = (materials.full, GRID) if variant.whole else (materials.headline, HEADLINE)
        outcome, reads = examine(variant.detector(plan.weights), study), variant.reads
    else:
        rival = next(one for one in (*more, *RIVALS) if one.name == name)
        study, scenarios = materials.full, GRID
        outcome, reads = examine(rival.make(materials.learners, plan.seed), study), rival.reads
    made = origin(name, plan.weights, plan.commit)
    return Done(name=name, row={"reads": reads, "made": made, **summary.row(outcome, study, scenarios)})


def _faulty(plan: Plan) -> dict[str, Any]:
    made = simulate_minutes(plan.size.faulty, plan.size.days, seed=plan.seed + FAULT_SEED)
    kinds = {one.name: faults.examine(one.detector(plan.weights), made, seed=plan.seed) for one in _WHOLE}
    return {
        "faults": {model: one.faults for model, one in kinds.items()},
        "untouched": {model: one.untouched for model, one in kinds.items()},
    }


def _labelled(plan: Plan) -> dict[str, Any]:
    engine = MAIN.detector(plan.weights)
    told: dict[str, Any] = {}
    for name, given, ask in (
        ("stress", plan.stress_predict, lambda folder: stress.told(engine, folder, learned=SHIPPABLE)),
        ("onsets", plan.welltory, onsets.told),
        ("false_alarm", plan.wfdb, lambda header: icu.told(engine, header)),
    ):
        told[name] = NOT_GIVEN if given is None else ask(given)
    return told


def check_labelled(plan: Plan, names: Sequence[str]) -> None:
    """Read what the task of the labels will, where it is one of `names`: hours before it is its turn.

    Raises:
        RecordingError: A recording is missing, or of another kind.
    """
    if LABELLED not in names:
        return
    if plan.stress_predict is not None:
        stress_predict.people(plan.stress_predict)
    if plan.welltory is not None:
        welltory.read(plan.welltory)
    if plan.wfdb is not None:
        icu.beats(plan.wfdb)


def looked_at(plan: Plan, names: Sequence[str]) -> list[str]:
    """The names of whom tasks look at: rows at the wearers of the file, the labels at whoever has some.

    Raises:
        RecordingError: The file has none, or not those that were asked for, or a recording with labels is missing.
    """
    rows = not set(names) <= set(_NO_ROWS)
    wearers = [one.series.name for one in _materials(plan).full.wearers] if rows else []
    return [*wearers, *(_with_labels(plan) if LABELLED in names else [])]


def _with_labels(plan: Plan) -> list[str]:
    found = []
    if plan.stress_predict is not None:
        found += stress.looked_at(plan.stress_predict, learned=SHIPPABLE)
    if plan.welltory is not None:
        found += onsets.looked_at(plan.welltory)
    return found if plan.wfdb is None else [*found, plan.wfdb.stem]


def beside(plan: Plan, before: Sequence[Mapping[str, Any]]) -> list[Carried]:
    """What reports made before give to a plan's, in their order; to be asked before an hour's work.

    Raises:
        RecordingError: Such a report is of other recordings, places, people or of another protocol.
    """
    head = _head(plan)
    return [carried(one, head, plan.weights) for one in before]


def report(
    plan: Plan, done: Sequence[Done], absent: Mapping[str, str], *, before: Sequence[Carried] = ()
) -> dict[str, Any]:
    """The JSON that the command writes: the rows made now, and those of reports made before, the last one's first."""
    study = _materials(plan).full
    rows = {name: summary.with_unseen(row, study) for one in before for name, row in one.rows.items()}
    rows |= {name: {"data": "semi", "absent": why} for name, why in absent.items() if name not in rows}
    rows |= {one.name: dict(one.row) for one in done if one.name not in _NO_ROWS}
    main = rows.get(MAIN.name)
    told = _head(plan) | {
        "detectors": _ordered(rows),
        "rate": _rate(main, summary.JUDGED_RATE),
        "rate_tier_2": _rate(main, summary.SHOWN_RATE),
        "us_per_step": main["us_per_step"] if main else None,
        "paired": _paired(rows, study),
    }
    parts = {key: value for one in before for key, value in one.parts.items()}
    made = {name: of for one in before for name, of in one.made.items()}
    for one in done:
        if one.name in _NO_ROWS:
            parts |= one.row
            made[one.name] = origin(one.name, plan.weights, plan.commit)
        if one.name == MAIN.name:
            parts[EXAMPLE] = example(load(folder=plan.weights), seed=plan.seed).told()
            made[EXAMPLE] = origin(EXAMPLE, plan.weights, plan.commit)
    return told | parts | {"decoys": _decoys(parts), "made": made}


def _head(plan: Plan) -> dict[str, Any]:
    """What a report tells of the study, whatever its rows."""
    materials = _materials(plan)
    return {
        "detectors": {},
        "rate": {},
        "decoys": {},
        "us_per_step": None,
        "model": MAIN.name,
        "weights": deciding(plan.weights)[:12],
        "developed_on": list(developed_on(plan)),
        "thresholds_from": _thresholds_from(plan, materials),
        "trained": {key: manifest(plan.weights).get(key) for key in ("trained", "cost")},
        "protocol": PROTOCOL,
        "seed": plan.seed,
        "quick": plan.quick,
        "given": _given(materials),
        "wearers": {
            one.series.name: {"data": one.series.data, "test_days": int(one.days.test.sum())}
            for one in materials.full.wearers
        },
    }


def _decoys(parts: Mapping[str, Any]) -> dict[str, int]:
    """Alerts of the model during what must not alarm."""
    told = parts.get(FAULTS, {}).get(MAIN.name, {})
    return {name: one["alerts"] for name, one in told.items() if not one["must_alarm"]}


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


def developed_on(plan: Plan) -> tuple[str, ...]:
    """The wearers on whom the model was developed, as its weights tell."""
    return tuple(manifest(plan.weights).get("developed_on", ()))


def _thresholds_from(plan: Plan, materials: "_Materials") -> dict[str, str]:
    """Whose days set the thresholds: of the detectors that bring none, and of each model that does."""
    made = [one for one in materials.full.population if one.data == "simulated"]
    recorded = [one.name for one in materials.full.population if one.data != "simulated"]
    people = f"{len(made)} made people of {plan.size.days} days each, seed {plan.seed + CALIBRATION_SEED}"
    if recorded:
        people += f", and {len(recorded)} of Stress-Predict, {recorded[0]} to {recorded[-1]}"
    return {"rivals": people, **{NAMES[kind]: population(kind, folder=plan.weights).source for kind in NAMES}}


def _rate(main: Mapping[str, Any] | None, promised: float) -> dict[str, Any]:
    if main is None:
        return {"data": "real", "promised": promised, "alarms": None, "wearer_days": None}
    pooled = main["rules"][main["thresholds"]][f"{promised:g}"]
    kept = ("data", "promised", "alarms", "wearer_days", "realised", "ratio_ci95", "no_estimate", "unseen")
    return {key: pooled[key] for key in kept if key in pooled}


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
            developed_on=developed_on(plan),
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
