"""Parts that are forked from one process which has loaded their code: they are what a started program is."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil
import pytest

from infra.embedded.loader import Forked, Loader, _ask, loader
from infra.embedded.process import Program
from infra.embedded.supervisor import exit_code

pytestmark = [
    pytest.mark.connected,
    pytest.mark.skipif(sys.platform != "linux", reason="elsewhere every part loads its own code"),
]

_WITHIN_S = 60.0
_PR_GET_CHILD_SUBREAPER = 37
_HELD = """
import os, pathlib, sys, time
from infra.embedded import loader_process
folder, supervisor, where = pathlib.Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
def hold():
    (folder / "forked").touch()
    while not (folder / "gate").exists():
        time.sleep(0.01)
def held(*arguments, **named):
    if where == "part":
        (folder / "part").write_text(str(os.getpid()))
    hold()
    return inner(*arguments, **named)
if where == "part":
    inner, loader_process._answer = loader_process._answer, held
elif where == "loader":
    inner, os.waitpid = os.waitpid, held
elif where == "orphan":
    loader_process._TAKEN_OVER_WITHIN_S = 120.0
sys.path.insert(0, str(folder))
loader_process.SHARED = ("prints",) if where == "prints" else ()
if loader_process.serve(supervisor):
    time.sleep(600)
"""
_UP = """
import asyncio, os, pathlib, sys
from infra.embedded.loader import loader
from infra.embedded.process import Program
async def main():
    gate = sys.argv[1] + "/gate"
    env = {"PULSERA_START_GATE": gate, "PULSERA_KAFKA_BOOTSTRAP": "x:1", "PULSERA_DATABASE_URL": "postgresql://x"}
    async with loader({}, log=pathlib.Path(sys.argv[1], "loader.log"), say=print) as loading:
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


def _held(folder: Path, where: str, *, supervisor: int) -> subprocess.Popen[bytes]:
    """The process that forks, with nothing to load, held somewhere on the way from a fork to its answer."""
    with (folder / "loader.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-c", _HELD, str(folder), str(supervisor), where],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )


def _hold(monkeypatch: pytest.MonkeyPatch, where: str) -> list[subprocess.Popen[bytes]]:
    """Has the loader start such a process, which is in the list then."""
    started: list[subprocess.Popen[bytes]] = []

    def start(_: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
        started.append(_held(log.parent, where, supervisor=os.getpid()))
        return started[0]

    monkeypatch.setattr("infra.embedded.loader._start", start)
    return started


@pytest.fixture
def ended() -> subprocess.Popen[bytes]:
    """A process that ended before anybody asked it for anything."""
    process = subprocess.Popen([sys.executable, "-c", ""], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    process.wait()
    return process


async def test_a_forked_part_is_a_child_with_its_own_session_log_and_name(tmp_path: Path) -> None:
    """It shows its command in `ps`, has a session of its own, one thread, and outlives the process that forked it."""
    async with loader({}, log=tmp_path / "loader.log", say=print) as loading:
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
    async with loader({}, log=tmp_path / "loader.log", say=print) as loading:
        (tmp_path / "gate").touch()
        child = await loading.launch(_worker(tmp_path, "worker", "nobody"), tmp_path / "nobody.log")
        assert await exit_code(child) == 1
    assert "There is no family 'nobody'" in (tmp_path / "nobody.log").read_text()


async def test_without_a_loader_a_program_is_started_by_itself(tmp_path: Path) -> None:
    """Once it was closed, and for what is no part of ours, a program is run by its own command."""
    async with loader({}, log=tmp_path / "loader.log", say=print) as loading:
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


@pytest.fixture
def silent() -> subprocess.Popen[bytes]:
    """A process that never answers."""
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


async def test_what_is_no_part_of_ours_waits_for_no_loader(tmp_path: Path, silent: subprocess.Popen[bytes]) -> None:
    """While a part is asked for from a process that does not answer, Java is started."""
    loading = Loader(silent)
    asked = asyncio.create_task(loading.launch(_worker(tmp_path, "worker", "care"), tmp_path / "care.log"))
    await asyncio.sleep(0)
    try:
        async with asyncio.timeout(20):
            java = await loading.launch(Program(command=("true",)), tmp_path / "java.log")
        assert await exit_code(java) == 0
        assert not asked.done()
    finally:
        silent.kill()
        assert await exit_code(await asked) == 1  # its own command, `false`


async def test_a_cancelled_launch_leaves_no_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part that was forked, and whose launch was cancelled before its answer, is ended."""
    _hold(monkeypatch, "part")
    async with loader({}, log=tmp_path / "loader.log", say=print) as loading:
        asked = asyncio.create_task(loading.launch(_worker(tmp_path, "worker", "care"), tmp_path / "care.log"))
        await asyncio.to_thread(_until, (tmp_path / "forked").exists)
        part = psutil.Process(int((tmp_path / "part").read_text()))
        asked.cancel()
        (tmp_path / "gate").touch()
        await asyncio.wait({asked})
        assert asked.cancelled()
        assert not part.is_running()


async def test_a_loader_that_is_killed_after_a_fork_leaves_one_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The part that was forked is the one that is known; it is not started a second time."""
    started = _hold(monkeypatch, "loader")
    async with loader({}, log=tmp_path / "loader.log", say=print) as loading:
        asked = asyncio.create_task(loading.launch(_worker(tmp_path, "worker", "care"), tmp_path / "care.log"))
        await asyncio.to_thread(_until, (tmp_path / "forked").exists)
        started[0].kill()
        child = await asked
        assert isinstance(child, Forked)
        assert child.poll() is None
        child.kill()
        assert child.wait() == -signal.SIGKILL


async def test_what_a_library_prints_is_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A module that prints when it is loaded is heard in the log of the loader, and parts are forked all the same."""
    (tmp_path / "prints.py").write_text("print('hello')")
    _hold(monkeypatch, "prints")
    async with loader({}, log=tmp_path / "loader.log", say=print) as loading:
        child = await loading.launch(_worker(tmp_path, "worker", "care"), tmp_path / "care.log")
        assert isinstance(child, Forked)
        child.kill()
        assert child.wait() == -signal.SIGKILL
    assert (tmp_path / "loader.log").read_text() == "hello\n"


def test_a_pid_behind_words_is_found(tmp_path: Path) -> None:
    """Of answers that begin with something else the pid at their end is taken: that part runs."""
    command = ["sh", "-c", "read asked; printf 'hello\\n41\\n'"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as talking:
        assert _ask(talking, _worker(tmp_path, "worker", "care"), tmp_path / "care.log") == 41


async def test_a_loader_that_cannot_be_started_is_done_without(tmp_path: Path) -> None:
    """Where its log cannot be written, a line says so, parts run by their own commands, and orphans go elsewhere."""
    (tmp_path / "file").touch()
    said: list[str] = []
    async with loader({}, log=tmp_path / "file" / "loader.log", say=said.append) as loading:
        adopts = ctypes.c_int(-1)
        ctypes.CDLL(None).prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(adopts))
        assert adopts.value == 0
        child = await loading.launch(_worker(tmp_path, "worker", "storage"), tmp_path / "storage.log")
        assert isinstance(child, subprocess.Popen)
        assert await exit_code(child) == 1
    assert len(said) == 1
    assert "Each part loads its code by itself" in said[0]


def test_a_part_without_a_supervisor_ends(tmp_path: Path) -> None:
    """A part whose supervisor was killed before it took the part over waits for it no longer."""
    loading = _held(tmp_path, "orphan", supervisor=2**22 + 1)
    loading.communicate(
        b'{"arguments": ["worker"], "env": {}, "log": "%s"}\n' % bytes(tmp_path / "part.log"), _WITHIN_S
    )
    logs = [tmp_path / "loader.log", tmp_path / "part.log"]
    _until(lambda: any("The supervisor ended" in log.read_text() for log in logs if log.exists()))
