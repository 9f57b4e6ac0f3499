"""Notes a run of the evaluation before anything is scored: when, by which code, of what weights and what data.

The log is that beside the shipped weights, whatever weights are evaluated. A log that somebody names gets the line too.
Where the package is installed so that nobody may write into it, a run is refused until a log is named.
"""

import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import typer

from inference.pulsenet.evaluation import runs
from inference.pulsenet.weights.loading import FOLDER, deciding
from schemas.errors import RecordingError

if TYPE_CHECKING:
    from inference.pulsenet.evaluation.campaign import Plan

SHIPPED_LOG: Final = FOLDER / runs.FILE
_ROOT: Final = Path(__file__).parents[2]
_CODE: Final = ("inference", "schemas", "infra/models", "stream_processors/operators", f":(exclude)*/{runs.FILE}")
_NEXT: Final = "name a log of your own: --runs FILE"


def note(plan: "Plan", rows: Sequence[str], own: Path | None = None) -> None:
    """Add a run to the log if it looks at anybody held out, in the file of minutes or in a recording with labels.

    Raises:
        RecordingError: No log can be written, so that nobody would learn of the run.
    """
    from inference.pulsenet.evaluation.campaign import developed_on, looked_at
    from inference.pulsenet.evaluation.detectors.variants import MAIN
    from inference.pulsenet.evaluation.origin import LABELLED

    wearers = looked_at(plan, rows)
    if not runs.held_out(wearers, developed_on(plan)):
        return
    entry = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": plan.commit,
        "model": MAIN.name if {MAIN.name, LABELLED} & set(rows) else "rivals and parts alone",
        "weights": deciding(plan.weights)[:12],
        "data": runs.digest(plan.fitbit),
        "seed": plan.seed,
        "wearers": wearers,
        "rows": len(rows),
        "quick": plan.quick,
    }
    before = runs.alike(known(own), entry)
    if before:
        typer.echo(
            f"{len(before)} run(s) have looked at these wearers with these weights before, the last at "
            f"{before[-1]['at']}: each further look makes the figures less of a test",
            err=True,
        )
    _append(entry, own)


def known(own: Path | None = None) -> list[dict[str, Any]]:
    """Return the runs of the shipped log, and those that stand in somebody's own log alone."""
    return runs.joined(runs.read(SHIPPED_LOG), runs.read(own) if own is not None else [])


def _append(entry: dict[str, Any], own: Path | None) -> None:
    if own is not None:
        if own.exists() and not own.is_file():
            raise RecordingError(f"{own} keeps no log of runs; {_NEXT}.")
        _written(own, entry)
        if own.resolve() == SHIPPED_LOG.resolve():
            return
    try:
        runs.append(SHIPPED_LOG, entry)
    except OSError as error:
        why = f"the log of runs {SHIPPED_LOG} cannot be written ({error.strerror})"
        if own is None:
            raise RecordingError(f"Wearers held out are not looked at unseen, and {why}; {_NEXT}.") from error
        typer.echo(f"this run is noted in {own} alone: {why}", err=True)


def _written(log: Path, entry: dict[str, Any]) -> None:
    try:
        runs.append(log, entry)
    except OSError as error:
        raise RecordingError(f"The log of runs {log} cannot be written ({error.strerror}); {_NEXT}.") from error


def commit(root: Path = _ROOT) -> str | None:
    """Return the commit that runs, with a plus where its code was changed or added to; None outside a checkout."""
    try:
        head = _git(root, "rev-parse", "--short=7", "HEAD")
        changed = _git(root, "status", "--porcelain", "--untracked-files=all", "--", *_CODE)
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{head}+" if changed else head


def _git(root: Path, *asked: str) -> str:
    done = subprocess.run(  # noqa: S603 - fixed words
        ["git", "-C", str(root), *asked],  # noqa: S607 - the one on the path
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
