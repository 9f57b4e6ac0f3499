"""Three rounds of `pulsera chaos`: a kill, a stop and a restart under load break no promise."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

pytestmark = [pytest.mark.chaos, pytest.mark.connected, pytest.mark.timeout(300)]

COMMAND = [sys.executable, "-m", "infra.cli", "chaos", "--rate", "800", "--connections", "80", "--rounds", "1"]


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of a run whose temporary files lie in a folder, without asyncio's slow checks."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONASYNCIODEBUG"}
    return kept | {"TMPDIR": str(folder)}


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that the database's own user can walk into."""
    made = tmp_path_factory.mktemp("chaos")
    for step in (made, *made.parents):
        if step.owner() == made.owner() and step != Path("/"):
            step.chmod(step.stat().st_mode | 0o011)
    return made


def test_three_rounds_break_no_promise(folder: Path) -> None:
    """Kafka, the gateway and vitals are struck, one each way: nothing is lost, doubled or changed, no alert missed."""
    result = folder / "chaos.json"
    command = [*COMMAND, "--kill", "kafka,gateway,vitals", "--seed", "20261121", "--json", str(result)]
    done = subprocess.run(command, env=environment(folder), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    facts: dict[str, Any] = json.loads(result.read_text())
    assert facts["breaches"] == []
    assert sorted(one["fault"] for one in facts["rounds"]) == ["kill", "restart", "stop"]
    assert (facts["faults"], facts["kills"]) == (3, 1)
    assert facts["alerts_expected"] == 9
    assert facts["acked"] > 10_000
    assert facts["stored"] == facts["sent"] == facts["acked"]
    trouble = facts["clients"]
    assert all(trouble.get(name, 0) > 0 for name in ("disconnected", "repeated", "split", "reordered", "late_burst"))
    assert list(folder.glob("pulsera-chaos-*")) == []


def test_a_run_that_is_ended_leaves_nothing_behind(folder: Path) -> None:
    """SIGTERM ends a run within seconds, with every process that it started and the folder that it made."""
    process = subprocess.Popen(
        [*COMMAND, "--kill", "api"],
        env=environment(folder),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while "messages/s" not in (line := process.stderr.readline()):
        assert line, "the run ended before it had begun"
    started = psutil.Process(process.pid).children(recursive=True)
    assert len(started) > 5
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 128 + signal.SIGTERM
    process.stderr.close()
    deadline = time.monotonic() + 10
    while any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in started):
        assert time.monotonic() < deadline, started
        time.sleep(0.05)
    assert list(folder.glob("pulsera-chaos-*")) == []
