"""Rows of an evaluation for processes of their own: one that fails while others are being made."""

import time
from pathlib import Path
from threading import Event

from inference.pulsenet.evaluation.campaign import Done, Plan
from schemas.errors import RecordingError

FAILS = "threshold at rest"
LONGEST_S = 60.0


def fail_or_wait(name: str, plan: Plan, beside: Path | None = None) -> Done:
    """Fail once another row is under way; any other begins, takes a minute, and is made: a file tells of each."""
    del beside
    folder = plan.fitbit.parent
    if name == FAILS:
        deadline_s = time.monotonic() + LONGEST_S
        while not list(folder.glob("*.begun")) and time.monotonic() < deadline_s:
            time.sleep(0.01)
        raise RecordingError("this row cannot be made")
    (folder / f"{name}.begun").touch()
    Event().wait(LONGEST_S)
    (folder / f"{name}.made").touch()
    return Done(name=name, row={})
