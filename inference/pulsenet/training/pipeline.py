"""`pulsera train pulsenet`: from people to weights, calibration, evaluation on made people, model card and manifest."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import Any, Final

import numpy as np

from inference.pulsenet.calibration import Population
from inference.pulsenet.evaluation.beside import assessed
from inference.pulsenet.series import Series
from inference.pulsenet.training import ridge
from inference.pulsenet.training.calibrate import Kept, calibrate, keep
from inference.pulsenet.training.card import Report, card, with_cost, with_evaluation
from inference.pulsenet.training.cost import THRESHOLDS_SINCE, Meter
from inference.pulsenet.training.data import Learners, made_people, resting, told_of
from inference.pulsenet.training.plan import Plan
from inference.pulsenet.training.rows import Rows, Tellable, collect
from inference.pulsenet.training.scoring import losses_of
from inference.pulsenet.weights import loading
from inference.pulsenet.weights.loading import (
    CARD,
    DEVELOPED_ON,
    EVALUATION,
    FILES,
    MANIFEST,
    NAMES,
    Kind,
    calibration_file,
    digest,
    weights_files,
)
from inference.slots import Floats
from schemas.errors import SetupError

Stage = Callable[[str], Tellable]
"""Begins a stage of the work and returns who is told how far it is."""

_ASKED: Final = ("people", "days", "updates", "seed")
_KINDS: Final[tuple[Kind, ...]] = ("ridge", "network")


def train(plan: Plan, out: Path, *, today: date, stage: Stage) -> None:
    """Write weights, calibrations, card and manifest into a folder; the same plan writes the same weights.

    Raises:
        RecordingError: A folder of recordings is none.
        SetupError: What training needs is not installed.
    """
    _require_torch()
    meter = Meter()
    learners = Learners.of(plan.stress_predict)
    with _made_aside(out) as folder:
        best, last = _weights(plan, learners, folder, stage)
        asked = {name: getattr(plan, name) for name in _ASKED}
        trained = {"trained": today.isoformat(), **asked, "best_update": best, "last_update": last}
        _manifest(folder, {"trained": trained, "developed_on": DEVELOPED_ON})
        _thresholds(plan, learners, folder, today, stage)
        _note_cost(folder, meter.told())


def recalibrate(plan: Plan, out: Path, *, today: date, stage: Stage) -> None:
    """Set the thresholds of the weights in a folder anew, after a change of the engine, and write the card again.

    What was learned from is as the manifest says; of `plan` the folders of recordings and the lengths are used.

    Raises:
        ContractError: The folder holds no weights.
        RecordingError: A folder of recordings is none.
    """
    trained = loading.manifest(out)["trained"]
    plan = replace(plan, **{name: trained[name] for name in _ASKED})
    with _made_aside(out) as folder:
        for name in (*loading.FILES.values(), *map(loading.calibration_file, _KINDS), MANIFEST):
            shutil.copy(out / name, folder)
        _thresholds(plan, Learners.of(plan.stress_predict), folder, today, stage)


def plan_of(out: Path) -> Plan:
    """Return the plan by which the weights in a folder were made.

    Raises:
        ContractError: The folder holds no weights, or others than its manifest tells of.
    """
    trained = loading.manifest(out)["trained"]
    return Plan(**{name: trained[name] for name in _ASKED})


def reassess(plan: Plan, out: Path, *, stage: Stage) -> None:
    """Evaluate the weights and thresholds in a folder anew on made people, and put it beside them and into the card.

    Raises:
        ContractError: The folder holds no weights, or others than its manifest tells of.
    """
    with _made_aside(out) as folder:
        for name in (*weights_files(), CARD, MANIFEST):
            shutil.copy(out / name, folder)
        told = with_evaluation((out / CARD).read_text(), _found(plan, folder, stage))
        (folder / CARD).write_text(told)
        _manifest(folder, {"developed_on": DEVELOPED_ON})


def _found(plan: Plan, out: Path, stage: Stage) -> dict[str, Any]:
    """Write beside the weights what they find in people that neither they nor their thresholds have seen."""
    told = stage("what they find in others")
    found = assessed(out, people=plan.assessed, days=plan.assessed_days, seed=plan.seed + 5, told=told)
    (out / EVALUATION).write_text(json.dumps(found, indent=1, allow_nan=False) + "\n")
    return found


@contextmanager
def _made_aside(out: Path) -> Iterator[Path]:
    """Give a folder to work in; its files go to `out` at the end: what stops half-way spoils nothing."""
    out.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as name:
        folder = Path(name)
        yield folder
        for path in sorted(folder.iterdir(), key=lambda path: path.name == MANIFEST):
            path.replace(out / path.name)


def _thresholds(plan: Plan, learners: Learners, out: Path, today: date, stage: Stage) -> None:
    trained = loading.manifest(out)["trained"]
    kept = {kind: _calibrated(plan, kind, out, stage) for kind in _KINDS}
    _manifest(out)
    found = _found(plan, out, stage)
    report = Report(
        plan=plan,
        learners=learners.told(),
        resting=None if plan.welltory is None else resting(plan.welltory),
        updates=(trained["best_update"], trained["last_update"]),
        made=_tested(out, _made(plan, 2, stage("made people, to test"))),
        real=_tested(out, _real(learners.test)),
        kept=kept,
        wearer_days=loading.population("network", folder=out).wearer_days,
        trained=date.fromisoformat(trained["trained"]),
        calibrated=today,
        found=found,
    )
    (out / CARD).write_text(card(report, out))
    _manifest(out)
    cost = loading.manifest(out).get("cost")
    if cost is not None:
        _note_cost(out, {**cost, THRESHOLDS_SINCE: today.isoformat()})


def _note_cost(out: Path, cost: dict[str, Any]) -> None:
    """Tell in card and manifest what all of it took; nothing that decides depends on it."""
    (out / CARD).write_text(with_cost((out / CARD).read_text(), cost))
    _manifest(out, {"cost": cost})


def _require_torch() -> None:
    try:
        import onnx  # noqa: F401 - looked for before an hour's work, not after it
        import torch  # noqa: F401
    except ImportError as error:
        raise SetupError(
            f"Training needs {error.name}, which is not installed.",
            next_step="In this checkout: .venv/bin/pip install -e '.[train]'",
        ) from error


def _weights(plan: Plan, learners: Learners, out: Path, stage: Stage) -> tuple[int, int]:
    """Write both models; return after how many updates the network was best, and how many there were."""
    from inference.pulsenet.training.export import export
    from inference.pulsenet.training.learning import Lesson, learn

    people = made_people(plan.people, plan.days, seed=plan.seed)
    made = collect(people, told=stage("made people, to learn from"))
    real = _real(learners.learned)
    linear = ridge.fit(made, real, seed=plan.seed, told=stage("linear model"))
    kept: dict[str, Any] = linear
    np.savez(out / FILES["ridge"], **kept)
    lesson = Lesson(
        made=made,
        made_check=_made(plan, 1, stage("made people, to know when to stop")),
        real=real,
        real_check=_real(learners.check),
        updates=plan.updates,
        seed=plan.seed,
    )
    learned = learn(lesson, linear, told=stage("network"))
    export(learned.network, out / FILES["network"])
    return learned.updates, learned.last


def _made(plan: Plan, number: int, told: Tellable) -> Rows:
    return collect(made_people(plan.others_checked, plan.days, seed=plan.seed + number), told=told)


def _real(recordings: Sequence[Series]) -> Rows | None:
    return collect(recordings) if recordings else None


def _calibrated(plan: Plan, kind: Kind, out: Path, stage: Stage) -> Kept:
    """Write the thresholds of a model, and return how they do on other people."""
    predictor = loading.predictor(kind, folder=out)
    people = made_people(plan.calibrated, plan.calibrated_days, seed=plan.seed + 3)
    maxima = calibrate(predictor, people, told=stage(f"{kind}: thresholds"))
    source = f"{told_of(people)}, made, none of them learned from, seed {plan.seed + 3}; {NAMES[kind]}"
    first = Population.of(maxima, flag=1.0, source=source)
    others = made_people(plan.kept, plan.kept_days, seed=plan.seed + 4)
    kept = keep(predictor, first, others, told=stage(f"{kind}: thresholds on others"))
    replace(first, flag=kept.flag).write(out / calibration_file(kind))
    return kept


def _tested(out: Path, rows: Rows | None) -> dict[Kind, Floats]:
    if rows is None:
        return {}
    return {kind: losses_of(loading.predictor(kind, folder=out), rows) for kind in _KINDS}


def _manifest(out: Path, news: Mapping[str, Any] = MappingProxyType({})) -> None:
    """Tell how the weights were made, what of that is new, and the digest of every file that is there."""
    names = [*weights_files(), CARD, EVALUATION]
    files = {name: digest(out / name) for name in names if (out / name).exists()}
    before = loading.manifest(out) if (out / MANIFEST).exists() else {}
    told = {**before, **news, "names": NAMES, "files": files}
    (out / MANIFEST).write_text(json.dumps(told, indent=1) + "\n")
