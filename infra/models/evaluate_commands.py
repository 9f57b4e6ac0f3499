"""`pulsera evaluate ...`: what a model is worth, on any recordings in the formats that are read."""

import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from schemas.errors import RecordingError

if TYPE_CHECKING:
    from inference.pulsenet.evaluation.campaign import Done, Plan

evaluate = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Measure what a model is worth.")

_NEEDED = frozenset({"detectors", "model", "paired", "quick", "rate", "seed", "wearers", "weights"})
"""What the page and the pictures read of a report."""
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@evaluate.callback()
def _group() -> None:
    """Holds a command a model."""


@evaluate.command("pulsenet")
def pulsenet(  # noqa: PLR0913 - each is an option of the command line
    *,
    fitbit: Annotated[Path | None, typer.Option(help="CSV of minutes: user, time, hr, steps; may be gzipped.")] = None,
    stress_predict: Annotated[
        Path | None, typer.Option(help="Folder of Stress-Predict: S01 to S20 help to set thresholds.")
    ] = None,
    json_file: Annotated[
        Path | None, typer.Option("--json", help="Report: written, or, without --fitbit, read.")
    ] = None,
    users: Annotated[str, typer.Option(help="Wearers of the file, separated by commas. Default: all.")] = "",
    only: Annotated[str, typer.Option(help="Detectors, separated by semicolons. Default: all.")] = "",
    seed: Annotated[int, typer.Option(help="Decides the places of events and the made people.", min=0)] = 1,
    processes: Annotated[int, typer.Option(help="Detectors evaluated at once.", min=1)] = 2,
    quick: Annotated[bool, typer.Option("--quick", help="A few events and people, to see that it runs.")] = False,
    weights: Annotated[Path | None, typer.Option(help="Folder of weights. Default: those that ship.")] = None,
    shadow: Annotated[
        str, typer.Option(help="Also a network of the earlier system: its .pt file, or the id of an installed one.")
    ] = "",
    add_to: Annotated[
        Path | None, typer.Option(help="A report of the same study made before: its other rows are kept.")
    ] = None,
    plots: Annotated[Path | None, typer.Option(help="Folder for pictures; --page shows them.")] = None,
    page: Annotated[Path | None, typer.Option(help="Write the report as a page; its log of runs is kept.")] = None,
) -> None:
    """Put events into real recordings and see which detector finds them, and how often each speaks without cause.

    Example: pulsera evaluate pulsenet --fitbit minutes.csv.gz --stress-predict DIR --json report.json
    """
    from inference.pulsenet.evaluation.campaign import FULL, QUICK, Plan
    from inference.pulsenet.weights.loading import FOLDER
    from infra.models.evaluate_inputs import check

    if fitbit is not None:
        check(fitbit=fitbit, stress_predict=stress_predict, written=(json_file, page))
        plan = Plan(
            fitbit=fitbit,
            stress_predict=stress_predict,
            users=_listed(users, ","),
            only=_listed(only, ";"),
            seed=seed,
            size=QUICK if quick else FULL,
            weights=FOLDER if weights is None else weights,
        )
        beside = _earlier(shadow)
        report = _evaluated(plan, processes, beside, before=None if add_to is None else _read(add_to))
        if json_file is not None:
            json_file.write_text(json.dumps(report, indent=1, allow_nan=False) + "\n")
        _say(report)
    else:
        report = _read(json_file)
    _show(report, page=page, plots=plots)


def _show(report: dict[str, Any], *, page: Path | None, plots: Path | None) -> None:
    from inference.pulsenet.evaluation.page import written
    from inference.pulsenet.evaluation.plots import draw

    if plots is not None:
        draw(report, plots)
    if page is not None:
        before = page.read_text() if page.exists() else ""
        pictures = "" if plots is None else Path(os.path.relpath(plots, page.parent)).as_posix()
        page.write_text(written(report, before=before, pictures=pictures))


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


def _evaluated(plan: "Plan", processes: int, beside: Path | None, *, before: dict[str, Any] | None) -> dict[str, Any]:
    from inference.pulsenet.evaluation import campaign
    from infra.models.own_rivals import own_rivals
    from infra.models.progress import Stages

    for name in _ONE_THREAD:
        os.environ[name] = "1"
    names, absent = campaign.tasks(plan, own_rivals(beside))
    typer.echo(f"seed {plan.seed}; {len(names)} rows, {processes} at once", err=True)
    with Stages() as stages:
        told = stages.begin("evaluating")
        done: list[Done] = []
        for one in _done(plan, names, processes, beside):
            done.append(one)
            told(len(done), len(names))
            if not sys.stderr.isatty():
                typer.echo(f"{len(done)}/{len(names)} {one.name}", err=True)
    report = campaign.report(plan, done, absent, before=before)
    if beside is not None:
        from infra.models.own_rivals import earlier_cases

        report["earlier"] = earlier_cases(beside, seed=plan.seed)
    return report | {"date": datetime.now(UTC).date().isoformat()}


def _done(plan: "Plan", names: list[str], processes: int, beside: Path | None) -> "Iterator[Done]":
    if processes == 1:
        yield from (make_row(name, plan, beside) for name in names)
        return
    from concurrent.futures import ProcessPoolExecutor, as_completed
    from multiprocessing import get_context

    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        for future in as_completed([pool.submit(make_row, name, plan, beside) for name in names]):
            yield future.result()


def make_row(name: str, plan: "Plan", beside: Path | None = None) -> "Done":
    """Make one row, in whatever process."""
    from inference.pulsenet.evaluation.campaign import run
    from infra.models.own_rivals import own_rivals

    return run(name, plan, own_rivals(beside))


def _say(report: dict[str, Any]) -> None:
    typer.echo(f"{'detector':<28} AUC-PR VUS-PR  +40/20  +25/30  delay  alarms/days")
    for name, row in report["detectors"].items():
        if "absent" in row:
            typer.echo(f"{name:<28} {row['absent']}")
            continue
        scenarios = [row["scenarios"].get(one, {}) for one in ("rest_+40bpm_20min", "rest_+25bpm_30min")]
        recalls = " ".join(f"{one['recall']['0.1']:7.2f}" if one else "      -" for one in scenarios)
        delay = scenarios[0].get("delay_min") if scenarios[0] else None
        rate = row["rules"][row["thresholds"]]["0.1"]
        told = f"{row['auc_pr']:.3f}  {row['vus_pr']:.3f} {recalls}  {'-' if delay is None else delay:>5}"
        typer.echo(f"{name:<28} {told}  {rate['alarms']}/{rate['wearer_days']}")
    for case, found in report.get("earlier", {}).items():
        typer.echo(f"earlier network, {case}: mean {found['mean']:.3f}, critical in {found['critical']:.0%}")
