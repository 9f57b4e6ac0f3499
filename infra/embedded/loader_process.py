"""Loads once the code that the parts of Pulsera share, and becomes each of them by forking.

Run by `infra.embedded.loader`, never imported elsewhere. A line on standard input names a part, one on standard output
answers with the pid of its process; the end of the input ends this one. It has no thread of its own, and nothing is
opened before a fork: a library that has threads (OpenBLAS, jemalloc) ends or forgets them in the child by itself.
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
    gc.disable()
    for module in SHARED:
        importlib.import_module(module)
    gc.freeze()  # the collectors of the children would write to every page, and so copy it
    for line in sys.stdin:
        asked = json.loads(line)
        if _is_child():
            gc.enable()
            _settle(asked, supervisor)
            return list(asked["arguments"])
    return []


def _is_child() -> bool:
    """Forks twice: the process between ends at once, so that the supervisor becomes the parent of the part."""
    reading, writing = os.pipe()
    between = os.fork()
    if between == 0:
        part = os.fork()
        if part:
            os.write(writing, str(part).encode())
            os._exit(0)
        os.close(reading)
        os.close(writing)
        return True
    os.close(writing)
    os.waitpid(between, 0)
    sys.stdout.write(os.read(reading, 32).decode() + "\n")
    sys.stdout.flush()
    os.close(reading)
    return False


def _settle(asked: dict[str, Any], supervisor: int) -> None:
    """Makes of the forked process what `spawn` makes of a new one: own session, own log, dies with the supervisor."""
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDONLY)
    log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for ours, standard in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(ours, standard)
    os.close(nothing)
    os.close(log)
    deadline_s = time.monotonic() + _TAKEN_OVER_WITHIN_S
    while os.getppid() != supervisor and time.monotonic() < deadline_s:
        time.sleep(_LOOK_EVERY_S)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, _SIGKILL)
    if os.getppid() != supervisor:
        sys.exit("The supervisor ended before its child had started.")
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
