"""Starts parts of Pulsera from one process that has loaded their code, so that they do not load it side by side.

Seven processes that each load the same libraries are most of what a start costs. What ends later is started again by
itself, in the usual manner: once everything is ready, the process that loaded the code ends.
"""

import asyncio
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from infra.embedded.process import Child, Program, bound, spawn

_PR_SET_CHILD_SUBREAPER: Final = 36
_ANSWER_WITHIN_S: Final = 30.0


class Forked:
    """A child that another process forked and left to this one; `subprocess.Popen` as far as a supervisor needs it."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._code: int | None = None

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while the child runs."""
        if self._code is None:
            self._take(os.WNOHANG)
        return self._code

    def wait(self) -> int:
        """Wait for the end and return the exit code."""
        if self._code is None:
            self._take(0)
        assert self._code is not None  # noqa: S101 - waited for
        return self._code

    def send_signal(self, number: int) -> None:
        """Send a signal to the child if it runs: its number belongs to nobody else before its end was taken."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End the child at once."""
        self.send_signal(signal.SIGKILL)

    def _take(self, options: int) -> None:
        pid, status = os.waitpid(self.pid, options)
        if pid:
            self._code = os.waitstatus_to_exitcode(status)


class Loader:
    """Launches programs: those of Pulsera by asking the process that has their code, while there is one."""

    def __init__(self, process: subprocess.Popen[bytes] | None) -> None:
        self._process = process
        self._one_at_a_time = asyncio.Lock()

    async def launch(self, program: Program, log: Path) -> Child:
        """Start a program, its output appended to `log`; it dies with this process."""
        if not program.arguments:
            return spawn(program, log=log)
        async with self._one_at_a_time:
            if self._process is not None:
                try:
                    return await _fork(self._process, program, log)
                except (OSError, ValueError):  # where its code cannot be loaded, the part will say why
                    await self._let_go()
            return spawn(program, log=log)

    async def close(self) -> None:
        """End the process that has the code; what it started goes on."""
        async with self._one_at_a_time:
            await self._let_go()

    async def _let_go(self) -> None:
        if self._process is None:
            return
        process = self._process
        process.kill()
        await asyncio.to_thread(process.wait)
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()
        _adopt_orphans(asked=False)
        self._process = None


@asynccontextmanager
async def loader(env: Mapping[str, str], *, log: Path, say: Callable[[str], None]) -> AsyncIterator[Loader]:
    """Give a launcher of programs; on Linux with a process that loads their code meanwhile, ended with the block.

    Where that process cannot be started, `say` gets a line, and every program is started by itself.
    """
    made = Loader(None)
    if sys.platform == "linux" and _adopt_orphans(asked=True):
        try:
            made = Loader(_start(env, log))
        except OSError as error:
            _adopt_orphans(asked=False)
            say(f"Each part loads its code by itself: the loader cannot be started ({error.strerror})")
    try:
        yield made
    finally:
        await made.close()


def _start(env: Mapping[str, str], log: Path) -> subprocess.Popen[bytes]:
    program = Program(command=(sys.executable, "-m", "infra.embedded.loader_process", str(os.getpid())))
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log.open("ab") as errors:
        return subprocess.Popen(
            bound(program),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env={**os.environ, **env},
            start_new_session=True,
        )


async def _fork(process: subprocess.Popen[bytes], program: Program, log: Path) -> Forked:
    """Return the part that the process forks; cancelled, end both: nobody would know of the part."""
    asking = asyncio.create_task(asyncio.to_thread(_ask, process, program, log))
    try:
        return Forked(await asyncio.shield(asking))
    except asyncio.CancelledError:
        process.kill()
        await asyncio.wait({asking})
        if asking.exception() is None:
            part = Forked(asking.result())
            part.kill()
            await asyncio.to_thread(part.wait)
        raise


def _ask(process: subprocess.Popen[bytes], program: Program, log: Path) -> int:
    """Return the pid of the process that becomes the program; raises OSError or ValueError where there is none."""
    assert process.stdin is not None and process.stdout is not None  # noqa: S101, PT018 - asked for at its start
    asked = {"arguments": program.arguments, "env": dict(program.env), "log": str(log)}
    os.write(process.stdin.fileno(), json.dumps(asked).encode() + b"\n")  # past its buffer: that would be written later
    answers = select.poll()
    answers.register(process.stdout, select.POLLIN)
    answer = os.read(process.stdout.fileno(), 32) if answers.poll(_ANSWER_WITHIN_S * 1000) else b""
    if not answer.strip().isdigit():
        process.kill()  # then the answers end, though not before a part that was forked by then gave its own
        answer = (answer + process.stdout.read()).rpartition(b"\n")[0].rpartition(b"\n")[2]
    return int(answer)


def _adopt_orphans(*, asked: bool) -> bool:
    """While this holds, a process whose parent ends becomes a child of this one, which may then wait for its end.

    Return whether the system does so.
    """
    refused: int = ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, int(asked))
    return not refused
