"""Parts that are forked from one process which has loaded their code: they are what a started program is."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from infra.embedded.loader import Forked, Loader, loader
from infra.embedded.process import Program
from infra.embedded.supervisor import exit_code

pytestmark = [
    pytest.mark.connected,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every part loads its own code"),
]

_WITHIN_S = 60.0
_UP = """
import asyncio, os, pathlib, sys
from infra.embedded.loader import loader
from infra.embedded.process import Program
async def main():
    gate = sys.argv[1] + "/gate"
    env = {"PULSERA_START_GATE": gate, "PULSERA_KAFKA_BOOTSTRAP": "x:1", "PULSERA_DATABASE_URL": "postgresql://x"}
    async with loader({}, log=pathlib.Path(sys.argv[1], "loader.log")) as loading:
        program = Program(command=("false",), env=env, arguments=("worker", "care"))
        child = await loading.launch(program, pathlib.Path(sys.argv[1], "care.log"))
        await loading.close()
        print(child.pid, flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


def _until(holds: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + _WITHIN_S
    while not holds():
        assert time.monotonic() < deadline_s
        time.sleep(0.02)


def _open_as(pid: int, number: int) -> Path:
    return Path(f"/proc/{pid}/fd/{number}").readlink()


def _worker(folder: Path, *arguments: str) -> Program:
    """A part that waits at a gate which stays closed."""
    env = {
        "PULSERA_START_GATE": str(folder / "gate"),
        "PULSERA_KAFKA_BOOTSTRAP": "127.0.0.1:1",
        "PULSERA_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/x",
    }
    return Program(command=("false",), env=env, arguments=arguments)


@pytest.fixture
def ended() -> subprocess.Popen[bytes]:
    """A process that ended before anybody asked it for anything."""
    process = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.wait()
    return process


async def test_a_forked_part_is_a_child_with_its_own_session_log_and_name(tmp_path: Path) -> None:
    """It shows its command in `ps`, has a session of its own, one thread, and outlives the process that forked it."""
    async with loader({}, log=tmp_path / "loader.log") as loading:
        child = await loading.launch(_worker(tmp_path, "worker", "storage"), tmp_path / "storage.log")
        assert isinstance(child, Forked)
        await loading.close()
        process = psutil.Process(child.pid)
        words = [sys.executable, "-m", "infra.cli", "worker", "storage"]
        await asyncio.to_thread(_until, lambda: [word for word in process.cmdline() if word] == words)
        assert process.ppid() == os.getpid()
        assert os.getsid(child.pid) == child.pid
        assert _open_as(child.pid, 2) == tmp_path / "storage.log"
        assert _open_as(child.pid, 0) == Path(os.devnull)
        assert process.num_threads() == 1
        assert child.poll() is None
    child.send_signal(signal.SIGTERM)
    assert await exit_code(child) == -signal.SIGTERM
    child.kill()  # its number may be another's by now
    assert child.poll() == -signal.SIGTERM


async def test_what_a_forked_part_says_of_a_fault_is_in_its_log(tmp_path: Path) -> None:
    """A command that cannot run ends with its sentence and its code, as one that was started by itself."""
    async with loader({}, log=tmp_path / "loader.log") as loading:
        (tmp_path / "gate").touch()
        child = await loading.launch(_worker(tmp_path, "worker", "nobody"), tmp_path / "nobody.log")
        assert await exit_code(child) == 1
    assert "There is no family 'nobody'" in (tmp_path / "nobody.log").read_text()


async def test_without_a_loader_a_program_is_started_by_itself(tmp_path: Path) -> None:
    """Once it was closed, and for what is no part of ours, a program is run by its own command."""
    async with loader({}, log=tmp_path / "loader.log") as loading:
        java = await loading.launch(Program(command=("true",)), tmp_path / "java.log")
        assert await exit_code(java) == 0
        await loading.close()
        again = await loading.launch(_worker(tmp_path, "worker", "storage"), tmp_path / "storage.log")
        assert await exit_code(again) == 1  # its command is `false`


async def test_a_loader_that_has_ended_is_done_without(tmp_path: Path, ended: subprocess.Popen[bytes]) -> None:
    """Where the code cannot be loaded, the part is started by its own command, which will say why."""
    child = await Loader(ended).launch(_worker(tmp_path, "worker", "storage"), tmp_path / "storage.log")
    assert isinstance(child, subprocess.Popen)
    assert await exit_code(child) == 1


def test_a_forked_part_dies_with_its_supervisor(tmp_path: Path) -> None:
    """A supervisor that is killed leaves nothing, although another process forked its parts."""
    with subprocess.Popen([sys.executable, "-c", _UP, str(tmp_path)], stdout=subprocess.PIPE, text=True) as supervisor:
        assert supervisor.stdout is not None
        part = psutil.Process(int(supervisor.stdout.readline()))
        _until((tmp_path / "care.log").exists)
        supervisor.kill()
    _until(lambda: not part.is_running() or part.status() == psutil.STATUS_ZOMBIE)
