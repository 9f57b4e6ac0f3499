"""`pulsera up` is the whole system: ready in one line, restarted, gone without a trace of a process."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from infra.embedded.data_dir import read_run_file

pytestmark = [pytest.mark.connected, pytest.mark.timeout(240)]

_PARTS = {"kafka", "postgres", "gateway", "storage", "vitals", "care", "video", "zones", "api"}


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A folder for one system, in one that the database's own user can walk through."""
    with tempfile.TemporaryDirectory(prefix="pulsera-up-") as folder:
        Path(folder).chmod(0o711)
        yield Path(folder) / "data"


def _start(data_dir: Path) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """A running system and its ready line."""
    command = ["up", "--data-dir", str(data_dir), "--api-port", "0", "--gateway-port", "0", "--json"]
    with data_dir.with_name("said").open("a") as said:
        system = subprocess.Popen(
            [sys.executable, "-m", "infra.cli", *command], stdout=subprocess.PIPE, stderr=said, text=True
        )
    assert system.stdout is not None
    line = system.stdout.readline()
    assert line, data_dir.with_name("said").read_text()
    return system, json.loads(line)


def test_up_starts_stops_and_leaves_nothing(data_dir: Path) -> None:
    """The ready line names every part; all answer; SIGTERM ends all in order; the token outlives a restart."""
    system, ready = _start(data_dir)
    with system:
        assert set(ready["pids"]) == _PARTS
        assert httpx.get(ready["api"] + "/health", timeout=10).status_code == 200
        assert read_run_file(data_dir)["pids"] == ready["pids"]
        system.send_signal(signal.SIGTERM)
        assert system.wait(60) == 0
    assert not any(psutil.pid_exists(pid) for pid in ready["pids"].values())
    again, second = _start(data_dir)
    with again:
        assert second["admin_token"] == ready["admin_token"]
        assert second["database_url"] == ready["database_url"]
        again.send_signal(signal.SIGINT)
        assert again.wait(60) == 0


def test_a_killed_up_leaves_nothing_and_the_next_one_takes_over(data_dir: Path) -> None:
    """After SIGKILL of `up` no process of it lives on, and the same folder starts again with all it held."""
    system, ready = _start(data_dir)
    with system:
        admin = {"Authorization": f"Bearer {ready['admin_token']}"}
        kept = httpx.post(ready["api"] + "/wearers", json={"name": "Kept"}, headers=admin, timeout=10).json()
        parts = psutil.Process(system.pid).children(recursive=True)
        assert {part.pid for part in parts} >= set(ready["pids"].values())
        os.kill(system.pid, signal.SIGKILL)
        _, alive = psutil.wait_procs(parts, timeout=15)
        assert alive == []
    again, second = _start(data_dir)
    with again:
        found = httpx.get(f"{second['api']}/wearers/{kept['wearer_id']}", headers=admin, timeout=10)
        assert found.status_code == 200
        parts = psutil.Process(again.pid).children(recursive=True)
        again.send_signal(signal.SIGTERM)
        assert again.wait(60) == 0
    _, alive = psutil.wait_procs(parts, timeout=15)
    assert alive == []
