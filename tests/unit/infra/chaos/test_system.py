"""Whom a fault strikes, without a system: what is in its run file."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infra.chaos import system as chaos_system
from infra.chaos.plan import Fault
from infra.chaos.system import System, replaced, strike
from schemas.errors import SetupError


def running(folder: Path, **pids: int) -> System:
    """Return a system whose run file names these processes."""
    (folder / "run.json").write_text(json.dumps({"pids": pids}))
    return System({}, folder)


def test_a_kill_meets_the_process_that_is_named(tmp_path: Path) -> None:
    """The process is gone afterwards, and the fault says whom it met."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as victim:
        struck = asyncio.run(strike(running(tmp_path, api=victim.pid, care=os.getpid()), Fault("kill", ("api",))))
        assert victim.wait(10) == -signal.SIGKILL
        assert struck == {"api": victim.pid}


def test_nobody_there_is_no_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that does not run is waited for, then the run ends: a fault that met nobody must not count."""
    monkeypatch.setattr(chaos_system, "STRUCK_WITHIN_S", 0.0)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait(10)
    with pytest.raises(SetupError, match="api"):
        asyncio.run(strike(running(tmp_path, api=gone.pid), Fault("kill", ("api",))))


def test_who_is_missing_is_not_replaced() -> None:
    """A process that ended has a successor only when another one is named in its place."""
    fault = Fault("kill", ("api",))
    assert not replaced({"api": 1}, {"care": 2}, fault)
    assert not replaced({"api": 1}, {"api": 1}, fault)
    assert replaced({"api": 1}, {"api": 3}, fault)
