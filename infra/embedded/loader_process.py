"""Loads once the code that the parts of Pulsera share, and becomes each of them by forking.

Run by `infra.embedded.loader`, never imported elsewhere. A line on standard input names a part; the part answers with
its pid, in a line on what was the standard output at the start. The end of the input ends this process. It has no
thread of its own, and nothing is opened before a fork: a library that has threads (OpenBLAS, jemalloc) ends or forgets
them in the child by itself.
"""

import ctypes
import gc
import importlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any, Final

SHARED: Final = (
    "infra.settings",
    "infra.wiring",
    "infra.worker_process",
    "infra.kafka.appender",
    "infra.timescale.devices",
    "stream_processors.hosts.aiokafka_host",
)
"""What several parts need. What one of them needs alone, it loads itself: nobody should hold the code of others."""
_PR_SET_PDEATHSIG: Final = 1
_SIGKILL: Final = 9
_TAKEN_OVER_WITHIN_S: Final = 10.0
_LOOK_EVERY_S: Final = 0.001
_ARGUMENTS_BEGIN, _ARGUMENTS_END = 45, 46
"""Fields of /proc/PID/stat, counted from the one behind the name: where the memory with the command line lies."""


def serve(supervisor: int) -> list[str]:
    """Forks a process for each line asked for; returns the arguments of `pulsera` in each, nothing in this one."""
    answers = os.dup(1)
    os.dup2(2, 1)  # what a library prints is no answer
    gc.disable()
    for module in SHARED:
        importlib.import_module(module)
    sys.stdout.flush()
    gc.freeze()  # the collectors of the children would write to every page, and so copy it
    for line in sys.stdin:
        asked = json.loads(line)
        if between := _fork():
            _answer(answers, supervisor=supervisor, between=between)
            gc.enable()
            _settle(asked)
            return list(asked["arguments"])
    return []


def _fork() -> int:
    """Forks twice: the process between ends at once, so that the supervisor becomes the parent of the part.

    Returns the pid of the process between in the part, and 0 in this one.
    """
    between = os.fork()
    if between:
        _, status = os.waitpid(between, 0)
        if status:
            sys.exit("A part could not be forked.")
        return 0
    between = os.getpid()
    if os.fork():
        os._exit(0)
    return between


def _answer(answers: int, *, supervisor: int, between: int) -> None:
    """Tells the supervisor the pid of this part once it is its child and dies with it; ends where nobody listens.

    The part says it itself: no other process can end between the fork and the answer, and leave a part unknown.
    """
    os.setsid()
    deadline_s = time.monotonic() + _TAKEN_OVER_WITHIN_S
    while os.getppid() == between and time.monotonic() < deadline_s:
        time.sleep(_LOOK_EVERY_S)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    if os.getppid() != supervisor:
        sys.exit("The supervisor ended before its child had started.")
    try:
        os.write(answers, f"{os.getpid()}\n".encode())
    except BrokenPipeError:
        sys.exit("The supervisor no longer waits for this child.")
    os.close(answers)


def _settle(asked: dict[str, Any]) -> None:
    """Makes of the forked process what `spawn` makes of a new one: own log, environment and command line."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for ours, standard in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(ours, standard)
    os.close(nothing)
    os.close(log)
    os.environ.update(asked["env"])
    _show_arguments([sys.executable, "-m", "infra.cli", *asked["arguments"]])


def _show_arguments(words: list[str]) -> None:
    """Puts another command line where `ps` reads it, as far as there is room; where the place is not told, nothing."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    begin, end = int(fields[_ARGUMENTS_BEGIN]), int(fields[_ARGUMENTS_END])
    room = end - begin
    if room > 0:
        ctypes.memmove(begin, "\0".join(words).encode()[: room - 1].ljust(room, b"\0"), room)


if __name__ == "__main__":
    _arguments = serve(int(sys.argv[1]))
    if _arguments:
        from infra import cli

        sys.argv[1:] = _arguments
        cli.main()
