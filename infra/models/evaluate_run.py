"""Makes the rows of an evaluation: all that is given is read first, then the run is noted, then it is worked on."""

import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing import active_children, get_context
from pathlib import Path
from typing import Any, Final

import typer

from inference.pulsenet.evaluation import campaign
from inference.pulsenet.evaluation.campaign import Done, Plan
from inference.pulsenet.evaluation.origin import EARLIER, Carried, left_out, origin
from infra.models.own_rivals import earlier_cases, own_rivals
from infra.models.progress import Stages
from infra.models.runs import note

_ONE_THREAD: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be evaluated.

    Attributes:
        plan: The study.
        beside: File of a network of the earlier system, which gets a row too.
        log: Somebody's own log of runs.
        before: Reports made before, whose rows are kept.
    """

    plan: Plan
    beside: Path | None
    log: Path | None
    before: Sequence[dict[str, Any]]


def evaluated(asked: Asked, processes: int) -> dict[str, Any]:
    """Return the report.

    Raises:
        RecordingError: Something that was given cannot be read, or cannot stand beside this; before any work is done.
    """
    for name in _ONE_THREAD:
        os.environ[name] = "1"
    plan, beside = asked.plan, asked.beside
    names, absent = campaign.tasks(plan, own_rivals(beside))
    campaign.check_labelled(plan, names)
    cases = None if beside is None else earlier_cases(beside, seed=plan.seed)
    carried = campaign.beside(plan, asked.before)
    _say_left_out(carried, names)
    note(plan, names, asked.log)
    typer.echo(f"seed {plan.seed}; {len(names)} rows, {processes} at once", err=True)
    report = campaign.report(plan, list(_told(plan, names, processes, beside)), absent, before=carried)
    if cases is not None:
        report[EARLIER] = cases
        report["made"][EARLIER] = origin(EARLIER, plan.weights, plan.commit)
    return report | {"date": datetime.now(UTC).date().isoformat()}


def _say_left_out(carried: Sequence[Carried], names: Sequence[str]) -> None:
    left = left_out(carried, names)
    if left:
        typer.echo(f"left out, since other weights made them: {', '.join(left)}", err=True)


def _told(plan: Plan, names: Sequence[str], processes: int, beside: Path | None) -> Iterator[Done]:
    with Stages() as stages:
        told = stages.begin("evaluating")
        for count, one in enumerate(_done(plan, names, processes, beside), 1):
            told(count, len(names))
            if not sys.stderr.isatty():
                typer.echo(f"{count}/{len(names)} {one.name}", err=True)
            yield one


def _done(plan: Plan, names: Sequence[str], processes: int, beside: Path | None) -> Iterator[Done]:
    if processes == 1:
        yield from (make_row(name, plan, beside) for name in names)
        return
    others = set(active_children())
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        try:
            for future in as_completed([pool.submit(make_row, name, plan, beside) for name in names]):
                yield future.result()
        except BaseException:  # an interrupt too: leaving the pool waits for the rows that are being made
            for child in set(active_children()) - others:
                child.terminate()
            raise


def make_row(name: str, plan: Plan, beside: Path | None = None) -> Done:
    """Make one row, in whatever process."""
    return campaign.run(name, plan, own_rivals(beside))
