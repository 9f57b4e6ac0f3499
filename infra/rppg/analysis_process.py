"""The process that decodes one video that a stranger sent: it knows no secret, opens no connection and has bounds.

`python -m infra.rppg.analysis_process PARENT FILE_NUMBER REGION [OWN_MODEL]` reads the file that it inherited under
that number and writes lines of JSON: `{"progress": share}`, at the end `{"analysis": ..}` or `{"unreadable": ..}`. It
has no network use of its own; what it may use of memory, processor and disk is limited before a byte is decoded, and it
dies with the process that started it.
"""

import contextlib
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec

MEMORY_BYTES: Final = 2 * 1024**3
"""Of addresses; a video of 4096 x 2160 takes about a quarter of it."""
CPU_S: Final = 240
"""Several threads may decode for 180 s of the clock on the wall."""
NICER: Final = 5

_PR_SET_PDEATHSIG: Final = 1
_MOST_FILES: Final = 64


def main(arguments: list[str]) -> None:
    """Write what the file tells."""
    parent, number, region = int(arguments[0]), int(arguments[1]), arguments[2]
    confine(parent)
    # Whatever a library prints must not stand among the lines.
    told = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)

    def tell(message: dict[str, Any]) -> None:
        told.write(msgspec.json.encode(message) + b"\n")

    own = Path(arguments[3]) if len(arguments) > 3 else None  # noqa: PLR2004 - the fourth
    tell(analysed(number, region, own, lambda share: tell({"progress": share})))


def confine(parent: int) -> None:
    """Give up what decoding does not need, and end where the parent has ended."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        sys.exit("Whoever started this has ended.")
    os.nice(NICER)
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, _MOST_FILES),
    ):
        hard = resource.getrlimit(what)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (bound, bound))


def analysed(number: int, region: str, own: Path | None, progress: Callable[[float | None], None]) -> dict[str, Any]:
    """Return the last message about an open file."""
    from infra.rppg.answer import answer_of
    from schemas.errors import UnreadableVideoError

    path = Path(f"/proc/self/fd/{number}")
    try:
        return {"analysis": answer_of(path, region=region, own=own, progress=progress)}
    except UnreadableVideoError as error:
        # Its name here tells its sender nothing.
        return {"unreadable": {"reason": error.reason, "detail": error.detail.replace(path.name, "The file", 1)}}
    except MemoryError:
        return {"unreadable": {"reason": "too_large", "detail": "The file takes more memory to decode than allowed."}}


if __name__ == "__main__":
    with contextlib.suppress(BrokenPipeError):
        main(sys.argv[1:])
