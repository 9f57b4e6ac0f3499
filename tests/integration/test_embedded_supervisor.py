"""The supervisor with small programs of its own: restarts, order, and nothing left behind."""

import asyncio
import errno
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from infra.embedded.data_dir import end_leftovers, owned, read_run_file, write_run_file
from infra.embedded.process import Program
from infra.embedded.supervisor import Part, Supervisor
from infra.embedded.up import run_up
from infra.settings import Settings
from schemas.errors import SetupError

pytestmark = pytest.mark.connected

_CHILD = """
import pathlib, signal, sys
folder, name = pathlib.Path(sys.argv[1]), sys.argv[2]
def finish(*_):
    with (folder / "stops").open("a") as stops:
        stops.write(name + "\\n")
    sys.exit(0)
signal.signal(signal.SIGTERM, finish)
(folder / (name + ".up")).touch()
while True:
    signal.pause()
"""

_SUPERVISOR = """
import asyncio, json, pathlib, sys
sys.path[:0] = sys.argv[2:]
from tests.integration.test_embedded_supervisor import small_part
from infra.embedded.supervisor import Supervisor
folder = pathlib.Path(sys.argv[1])
async def main():
    parts = [small_part(folder, name) for name in ("one", "two")]
    supervisor = Supervisor(parts, log_dir=folder, say=print, changed=lambda pids: None)
    await supervisor.run(lambda: print(json.dumps(supervisor.pids), flush=True))
asyncio.run(main())
"""


def small_part(folder: Path, name: str, *, stage: int = 0, needs: frozenset[str] = frozenset()) -> Part:
    """A part that says by a file that it is up, and by a line in another that it was asked to stop."""
    up = folder / f"{name}.up"

    def prepare() -> Program:
        up.unlink(missing_ok=True)
        return Program(command=(sys.executable, "-c", _CHILD, str(folder), name))

    return Part(name=name, prepare=prepare, ready=up.exists, needs=needs, stop_stage=stage)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what other processes do has no event here
            await asyncio.sleep(0.01)


async def test_a_killed_part_is_started_again_and_all_stop_in_order(tmp_path: Path) -> None:
    """After kill -9 a part has a new pid and is ready again; the stages stop in their order."""
    parts = [
        small_part(tmp_path, "store", stage=2),
        small_part(tmp_path, "work", stage=1, needs=frozenset({"store"})),
        small_part(tmp_path, "edge", stage=0, needs=frozenset({"store"})),
    ]
    said: list[str] = []
    supervisor = Supervisor(parts, log_dir=tmp_path, say=said.append, changed=lambda _: None)
    ready = asyncio.Event()
    running = asyncio.create_task(supervisor.run(ready.set))
    await asyncio.wait_for(ready.wait(), 10)
    before = supervisor.pids["work"]
    os.kill(before, signal.SIGKILL)
    await _until(lambda: supervisor.pids["work"] != before and (tmp_path / "work.up").exists())
    supervisor.ask_to_stop()
    await asyncio.wait_for(running, 10)
    assert (tmp_path / "stops").read_text().split() == ["edge", "work", "store"]
    assert any("work was killed by signal 9" in line for line in said)
    assert not any(psutil.pid_exists(pid) for pid in supervisor.pids.values())


async def test_a_part_that_never_starts_is_named_with_its_last_words(tmp_path: Path) -> None:
    """A program that ends at once, again and again, ends the whole with its own last line in the error."""
    program = Program(command=(sys.executable, "-c", "import sys; sys.exit('no such table')"))
    part = Part(name="api", prepare=lambda: program, ready=lambda: False)
    supervisor = Supervisor([part], log_dir=tmp_path, say=lambda _: None, changed=lambda _: None)
    with pytest.raises(SetupError, match="api does not start: no such table"):
        await supervisor.run(lambda: None)


async def test_a_second_request_to_stop_hastens_the_first(tmp_path: Path) -> None:
    """A part that ignores the polite request is killed as soon as it is asked again."""
    up = tmp_path / "stubborn.up"
    code = (
        f"import signal, pathlib; signal.signal(15, signal.SIG_IGN); pathlib.Path({str(up)!r}).touch(); signal.pause()"
    )
    part = Part(
        name="stubborn",
        prepare=lambda: Program(command=(sys.executable, "-c", code)),
        ready=up.exists,
        stop_within_s=60.0,
    )
    supervisor = Supervisor([part], log_dir=tmp_path, say=lambda _: None, changed=lambda _: None)
    running = asyncio.create_task(supervisor.run(supervisor.ask_to_stop))
    await _until(lambda: supervisor._stopping)
    supervisor.ask_to_stop()
    await asyncio.wait_for(running, 10)
    assert not psutil.pid_exists(supervisor.pids["stubborn"])


@pytest.fixture
def supervisor_process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A supervisor with two children in a process of its own."""
    root = str(Path(__file__).resolve().parents[2])
    process = subprocess.Popen(
        [sys.executable, "-c", _SUPERVISOR, str(tmp_path), root], stdout=subprocess.PIPE, text=True
    )
    with process:
        yield process
        process.kill()


def test_nothing_outlives_a_killed_supervisor(supervisor_process: subprocess.Popen[str]) -> None:
    """SIGKILL of the supervisor takes its children with it."""
    assert supervisor_process.stdout is not None
    pids = json.loads(supervisor_process.stdout.readline())
    children = [psutil.Process(pid) for pid in pids.values()]
    supervisor_process.kill()
    _, alive = psutil.wait_procs(children, timeout=5)
    assert len(children) == 2
    assert alive == []


def test_a_data_folder_has_one_owner(tmp_path: Path) -> None:
    """A second owner is refused in a sentence with the next step, and the folder is free again afterwards."""
    with owned(tmp_path):
        write_run_file(tmp_path, {})
        with (
            pytest.raises(SetupError, match=rf"already runs on .* \(process {os.getpid()}\).*--data-dir"),
            owned(tmp_path),
        ):
            pass
    with owned(tmp_path):
        pass


def test_the_run_file_is_private_and_leftovers_end(tmp_path: Path) -> None:
    """A part that an earlier run left is ended; its note can be read by its owner alone."""
    child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
    write_run_file(tmp_path, {"storage": child.pid, "gone": 2**22 + 1})
    assert (tmp_path / "run.json").stat().st_mode & 0o777 == 0o600
    assert read_run_file(tmp_path)["pids"]["storage"] == child.pid
    assert end_leftovers(tmp_path) == ["storage"]
    assert not psutil.pid_exists(child.pid)
    child.wait(10)


async def test_a_port_in_use_is_named_with_its_option(tmp_path: Path) -> None:
    """Nothing is started when a public port is taken; the error says which option changes it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = Settings(data_dir=tmp_path, api_port=0, gateway_port=port)
        with pytest.raises(SetupError, match=rf"Port {port} .* --gateway-port"):
            await run_up(settings, demo=False, json_line=True)
    assert not (tmp_path / "logs").exists()


def test_a_folder_of_something_else_is_not_filled(tmp_path: Path) -> None:
    """A folder that holds other files is refused with the next step, and nothing is written into it."""
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(SetupError, match="--data-dir"), owned(tmp_path):
        pass
    assert [one.name for one in tmp_path.iterdir()] == ["thesis.txt"]


async def test_a_part_that_finds_no_room_at_its_restart_is_tried_until_there_is(tmp_path: Path) -> None:
    """A full disk at the restart of a part that ran ends nothing; the operator reads why, and the part comes back."""
    part = small_part(tmp_path, "one")
    full, said = tmp_path / "full", list[str]()

    def prepare() -> Program:
        if full.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return part.prepare()

    watched = Part(name="one", prepare=prepare, ready=part.ready)
    supervisor = Supervisor([watched], log_dir=tmp_path, say=said.append, changed=lambda _: None)
    ready = asyncio.Event()
    running = asyncio.create_task(supervisor.run(ready.set))
    await asyncio.wait_for(ready.wait(), 10)
    first = supervisor.pids["one"]
    full.touch()
    os.kill(first, signal.SIGKILL)
    await _until(lambda: any("No space left" in line for line in said))
    full.unlink()
    await _until(lambda: supervisor.pids["one"] != first)
    supervisor.ask_to_stop()
    await running
