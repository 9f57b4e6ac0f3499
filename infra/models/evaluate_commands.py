"""`pulsera evaluate ...`: what a model is worth, on any recordings in the formats that are read."""

import json
import os
from pathlib import Path
from typing import Any, Final

import typer

from infra.models import evaluate_options as asked_for
from infra.written_files import check_written
from schemas.errors import RecordingError

evaluate = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Measure what a model is worth.")

_NEEDED: Final = frozenset({"detectors", "model", "paired", "quick", "rate", "seed", "wearers", "weights"})
"""What the page and the pictures read of a report."""


@evaluate.callback()
def _group() -> None:
    """Holds a command a model."""


@evaluate.command("pulsenet")
def pulsenet(  # noqa: PLR0913 - each is an option of the command line
    *,
    fitbit: asked_for.Fitbit = None,
    stress_predict: asked_for.StressPredict = None,
    json_file: asked_for.Report = None,
    welltory: asked_for.Welltory = None,
    false_alarm: asked_for.FalseAlarm = None,
    users: asked_for.Users = "",
    only: asked_for.Only = "",
    seed: asked_for.Seed = 1,
    processes: asked_for.Processes = 2,
    quick: asked_for.Quick = False,
    weights: asked_for.Weights = None,
    shadow: asked_for.Shadow = "",
    add_to: asked_for.AddTo = None,
    runs: asked_for.Runs = None,
    plots: asked_for.Plots = None,
    page: asked_for.Page = None,
) -> None:
    """Put events into real recordings and see which detector finds them, and how often each speaks without cause.

    Example: pulsera evaluate pulsenet --fitbit minutes.csv.gz --stress-predict DIR --json report.json
    """
    from inference.pulsenet.evaluation.campaign import FULL, QUICK, Plan
    from inference.pulsenet.weights.loading import FOLDER
    from infra.models.evaluate_inputs import check
    from infra.models.evaluate_run import Asked, evaluated
    from infra.models.runs import commit

    if fitbit is None:
        report = _read(json_file)
    else:
        check(fitbit=fitbit, stress_predict=stress_predict)
        check_written(json_file, page, runs)
        plan = Plan(
            fitbit=fitbit, stress_predict=stress_predict, users=_listed(users, ","), only=_listed(only, ";"),
            seed=seed, size=QUICK if quick else FULL, weights=weights or FOLDER, welltory=welltory, wfdb=false_alarm,
            commit=commit(),
        )  # fmt: skip
        before = [_read(path) for path in add_to or ()]
        report = evaluated(Asked(plan, _earlier(shadow), runs, before), processes)
        if json_file is not None:
            json_file.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
        _say(report)
    _show(report, runs, page=page, plots=plots)


def _show(report: dict[str, Any], runs: Path | None, *, page: Path | None, plots: Path | None) -> None:
    from inference.pulsenet.evaluation.page import written
    from inference.pulsenet.evaluation.plots import draw
    from infra.models.runs import known

    if plots is not None:
        draw(report, plots)
    if page is not None:
        pictures = "" if plots is None else Path(os.path.relpath(plots, page.parent)).as_posix()
        page.write_text(written(report, runs=known(runs), pictures=pictures))


def _listed(text: str, between: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(between) if one.strip())


def _read(path: Path | None) -> dict[str, Any]:
    if path is None:
        raise RecordingError("Name the recordings with --fitbit FILE, or a report made before with --json FILE.")
    make = f"make one with --fitbit FILE --json {path if not path.is_dir() else path / 'report.json'}"
    try:
        told: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise RecordingError(f"There is no report {path}; {make}.") from error
    except (OSError, ValueError) as error:
        raise RecordingError(f"{path} holds no report; {make}.") from error
    if not isinstance(told, dict) or not told.keys() >= _NEEDED:
        raise RecordingError(f"{path} holds no report of this release; {make}.")
    return told


def _earlier(shadow: str) -> Path | None:
    """Return the file of a network of the earlier system, None where nobody asked for one."""
    if not shadow:
        return None
    if Path(shadow).is_file():
        return Path(shadow)
    from infra.models.installed import Models
    from infra.settings import load_settings

    return Models.of(load_settings()).find(shadow).network


def _known(scenario: dict[str, Any]) -> bool:
    return bool(scenario) and scenario["recall"]["0.1"] is not None


def _say(report: dict[str, Any]) -> None:
    from inference.pulsenet.evaluation.markdown import alarms

    typer.echo(f"{'detector':<28} AUC-PR VUS-PR  +40/20  +25/30  delay  alarms/days")
    for name, row in report["detectors"].items():
        if "absent" in row:
            typer.echo(f"{name:<28} {row['absent']}")
            continue
        scenarios = [row["scenarios"].get(one, {}) for one in ("rest_+40bpm_20min", "rest_+25bpm_30min")]
        recalls = " ".join(f"{one['recall']['0.1']:7.2f}" if _known(one) else "      -" for one in scenarios)
        delay = scenarios[0].get("delay_min") if scenarios[0] else None
        rate = row["rules"][row["thresholds"]]["0.1"]
        told = f"{row['auc_pr']:.3f}  {row['vus_pr']:.3f} {recalls}  {'-' if delay is None else delay:>5}"
        typer.echo(f"{name:<28} {told}  {alarms(rate)}")
    for case, found in report.get("earlier", {}).items():
        typer.echo(f"earlier network, {case}: mean {found['mean']:.3f}, critical in {found['critical']:.0%}")
