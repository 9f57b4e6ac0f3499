"""A program to run, and how it is started, watched and stopped."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from schemas.errors import SetupError

_LAUNCHER = Path(__file__).with_name("launch.py")
_POLL_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The operating system's user that a program runs as."""

    name: str
    uid: int
    gid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is needed to start a program and to stop it in its own manner.

    `stop_signal` asks it to finish, `death_signal` is what Linux sends it when its parent dies. A part of Pulsera's own
    names the `arguments` of `pulsera` too, for who has its code already.
    """

    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    account: Account | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    death_signal: signal.Signals = signal.SIGKILL
    arguments: tuple[str, ...] = ()


class Child(Protocol):
    """A running program, as far as its supervisor needs it; `subprocess.Popen` is one."""

    pid: int

    def poll(self) -> int | None:
        """Return the exit code, negative for a signal; None while it runs."""
        ...

    def wait(self) -> int:
        """Wait for the end and return the exit code."""
        ...

    def send_signal(self, number: int, /) -> None:
        """Send a signal, where it runs."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...


def spawn(program: Program, *, log: Path) -> subprocess.Popen[bytes]:
    """Starts a program in a session of its own, its output appended to `log`, and bound to die with this process.

    Call it from the main thread: Linux binds the child to the thread that started it.
    """
    log.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with log.open("ab") as output:
        return subprocess.Popen(
            bound(program),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **program.env},
            start_new_session=True,
        )


def bound(program: Program) -> list[str]:
    """The command that becomes the program, as its user, bound to die with this process."""
    account = program.account
    user = "-" if account is None else f"{account.uid}:{account.gid}"
    command = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), str(int(program.death_signal)), user]
    return [*command, *program.command]


def last_words(log: Path) -> str:
    """The last line that a program wrote, at most 300 characters."""
    lines = log.read_text(errors="replace").strip().splitlines() if log.exists() else []
    return lines[-1][:300] if lines else "it wrote nothing"


def stop(child: subprocess.Popen[bytes], program: Program, *, within_s: float) -> None:
    """Asks a child to finish, and kills it when it has not within `within_s` seconds."""
    if child.poll() is None:
        child.send_signal(program.stop_signal)
    try:
        child.wait(within_s)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


@contextlib.contextmanager
def running(
    program: Program,
    *,
    log: Path,
    ready: Callable[[], bool],
    within_s: float = 60.0,
    stop_within_s: float = 15.0,
) -> Iterator[subprocess.Popen[bytes]]:
    """Runs a program for the length of a `with` block, entered once `ready` holds.

    Raises SetupError when the program ends first, or is not ready within `within_s` seconds.
    """
    child = spawn(program, log=log)
    try:
        deadline = time.monotonic() + within_s
        while not ready():
            if child.poll() is not None or time.monotonic() > deadline:
                state = "was not ready in time" if child.poll() is None else f"ended with code {child.returncode}"
                raise SetupError(
                    f"{Path(program.command[0]).name} {state}: {last_words(log)}.", next_step=f"Read {log}."
                )
            time.sleep(_POLL_S)
        yield child
    finally:
        stop(child, program, within_s=stop_within_s)
