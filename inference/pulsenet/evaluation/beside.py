"""What is told of weights beside them: figures on made people alone, which may go wherever the weights go."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from inference.physiology.minutes import simulate_minutes
from inference.pulsenet.evaluation import faults, summary
from inference.pulsenet.evaluation.detectors.engine import Engine
from inference.pulsenet.evaluation.injection import HEADLINE, Scenario
from inference.pulsenet.evaluation.study import examine, prepare
from inference.pulsenet.series import Series
from inference.pulsenet.weights.loading import FILES, NAMES, Kind, digest, load, weights_files

SCENARIOS: Final = (*HEADLINE, Scenario("rest", -20, 30))
EVENTS: Final = 10
"""Most of a scenario and made person."""
_TOLD: Final = ("events", "recall", "ci95", "delay_min")
_RATE: Final = ("promised", "alarms", "wearer_days", "realised", "ratio_ci95")


def assessed(folder: Path, *, people: int, days: float, seed: int, told: Callable[[int, int], None]) -> dict[str, Any]:
    """Return what both models of a folder find in made people, and how often they speak without cause.

    Nothing of it depends on the machine's speed: the same weights give the same figures.
    """
    made = simulate_minutes(people, days, seed=seed)
    kinds = list(FILES)
    models = {}
    for number, kind in enumerate(kinds):
        told(number, len(kinds))
        models[NAMES[kind]] = _of_kind(kind, folder, made, seed=seed)
    return {
        "data": "simulated",
        "people": people,
        "days": days,
        "seed": seed,
        "files": {name: digest(folder / name) for name in weights_files()},
        "models": models,
    }


def _of_kind(kind: Kind, folder: Path, made: list[Series], *, seed: int) -> dict[str, Any]:
    engine = Engine(lambda: load(kind, folder=folder), name=NAMES[kind])
    return {**_shifts(engine, made, seed=seed), "faults": faults.row(engine, made, seed=seed)}


def _shifts(engine: Engine, made: list[Series], *, seed: int) -> dict[str, Any]:
    """Of changes of the heart rate alone; nothing where recordings end before anybody's eighth day."""
    study = prepare(made, [], SCENARIOS, seed=seed, events=EVENTS, headline_events=EVENTS)
    outcome = examine(engine, study)
    if not outcome.found or not summary.test_days(study):
        return {"scenarios": {}, "rate": None}
    row = summary.row(outcome, study, SCENARIOS)
    rate = row["rules"]["own"][f"{summary.JUDGED_RATE:g}"]
    return {
        "auc_pr": row["auc_pr"],
        "vus_pr": row["vus_pr"],
        "no_estimate": row["no_estimate"],
        "scenarios": {name: {key: one[key] for key in _TOLD} for name, one in row["scenarios"].items()},
        "rate": {key: rate[key] for key in _RATE},
    }
