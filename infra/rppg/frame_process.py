"""The process that decodes pictures of a stream: one chunk in, its columns out, over a pipe, until the pipe closes."""

import ctypes
import os
import resource
import signal
import sys
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import numpy as np

from inference.rppg.samples import Samples
from inference.rppg.video.state import FaceState
from schemas.errors import ContractError, UnreadableVideoError

if TYPE_CHECKING:
    from inference.rppg.video.measure import FrameMeasurer

READY: Final = b"ready"
_WIDTH: Final = 9
"""Floats a row: red, green, blue, those of the background, saturated, motion, faces."""
_MIB: Final = 2**20
_PR_SET_PDEATHSIG: Final = 1


class Ask(msgspec.Struct, frozen=True, array_like=True):
    """A chunk to measure."""

    frames: list[bytes]
    times_s: list[float]
    state: FaceState


class Answer(msgspec.Struct, frozen=True, array_like=True):
    """What came of it: rows and state, or a reason and its sentence."""

    rows: bytes = b""
    state: FaceState | None = None
    reason: str = ""
    detail: str = ""


def asked(frames: list[bytes], times_s: list[float], state: FaceState) -> bytes:
    """Return the bytes that ask a process to measure."""
    return msgspec.msgpack.encode(Ask(frames, times_s, state))


def answered(data: bytes, times_s: list[float]) -> tuple[Samples, FaceState]:
    """Return what a process answered.

    Raises:
        UnreadableVideoError: None of the pictures could be decoded, or one needs more memory than a process has.
        ContractError: The chunk is not as it must be.
    """
    answer = msgspec.msgpack.decode(data, type=Answer)
    if answer.state is None:
        if answer.reason:
            raise UnreadableVideoError(answer.reason, answer.detail)
        raise ContractError(answer.detail)
    rows = np.frombuffer(answer.rows, dtype=np.float64).reshape(-1, _WIDTH)
    samples = Samples(
        time_s=np.array(times_s, dtype=np.float64),
        rgb=rows[:, :3],
        background=rows[:, 3:6],
        saturated=rows[:, 6],
        motion=rows[:, 7],
        faces=rows[:, 8].astype(np.int64),
    )
    return samples, answer.state


def serve(pipe: Connection, memory_mib: int, parent: int) -> None:
    """Measure what comes through the pipe until its other end closes; entry point of the process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the worker, which then ends this process
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL))
    if os.getppid() != parent:
        sys.exit("The worker ended before this process had begun.")
    from inference.rppg.video.measure import FrameMeasurer

    measurer = FrameMeasurer()
    _limit_memory(memory_mib)
    try:
        pipe.send_bytes(READY)
        while True:
            pipe.send_bytes(msgspec.msgpack.encode(_answer(measurer, pipe.recv_bytes())))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        pipe.close()


def _answer(measurer: "FrameMeasurer", data: bytes) -> Answer:
    ask = msgspec.msgpack.decode(data, type=Ask)
    try:
        samples, state = measurer.measure(ask.frames, ask.times_s, ask.state)
    except UnreadableVideoError as error:
        return Answer(reason=error.reason, detail=error.detail)
    except ContractError as error:
        return Answer(detail=str(error))
    except MemoryError:
        return Answer(reason="too_large", detail="The pictures need more memory than their process may have.")
    columns = (samples.rgb, samples.background, samples.saturated, samples.motion, samples.faces)
    return Answer(rows=np.column_stack(columns).tobytes(), state=state)


def _limit_memory(mib: int) -> None:
    """Let this process have so much address space beside what its libraries took."""
    if sys.platform != "linux":
        return
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + mib * _MIB
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
