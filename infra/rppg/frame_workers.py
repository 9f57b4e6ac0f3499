"""A few processes that decode pictures for the loop of a worker; one that dies or hangs is replaced by another."""

import asyncio
import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Final

import structlog

from inference.rppg.samples import Samples
from inference.rppg.video.state import FaceState
from inference.slots import Floats
from infra.rppg import frame_process
from schemas.errors import DecoderAwayError

_LOG: Final = structlog.get_logger(__name__)
LIMIT_S: Final = 5.0
"""A chunk holds half a second and takes some tens of milliseconds."""
START_S: Final = 60.0
MEMORY_MIB: Final = 512
CHUNKS_A_PROCESS: Final = 20_000
"""Then a process is replaced, about every three hours of one stream: whatever a library leaks ends with it."""
_END_S: Final = 2.0

Measured = tuple[Samples, FaceState]


class FrameWorkers:
    """Owns the processes; each starts with the first chunk that it is given, and at most one chunk is with each."""

    def __init__(
        self,
        *,
        processes: int = 0,
        limit_s: float = LIMIT_S,
        memory_mib: int = MEMORY_MIB,
        chunks: int = CHUNKS_A_PROCESS,
    ) -> None:
        """Set the bounds: 0 processes means one a core; the times of starting do not count against `limit_s`."""
        count = processes or os.cpu_count() or 1
        self._idle: asyncio.LifoQueue[_Process] = asyncio.LifoQueue()
        self._all = [_Process(limit_s=limit_s, memory_mib=memory_mib, chunks=chunks) for _ in range(count)]
        for one in self._all:
            self._idle.put_nowait(one)
        self._threads = ThreadPoolExecutor(count, thread_name_prefix="frames")

    async def measure(self, frames: Sequence[bytes], times_s: Sequence[float] | Floats, state: FaceState) -> Measured:
        """Return the rows of a chunk and the state after it; waits while every process has a chunk.

        Raises:
            UnreadableVideoError: No picture could be decoded.
            DecoderAwayError: The process that tried ended or took too long, or none could be started; the same call is
                given to a new one.
            ContractError: The chunk has too many pictures, or not a time for each.
        """
        times = [float(time_s) for time_s in times_s]
        data = frame_process.asked(list(frames), times, state)
        process = await self._idle.get()
        work = asyncio.get_running_loop().run_in_executor(self._threads, process.exchange, data)

        def ended(done: asyncio.Future[bytes]) -> None:
            self._idle.put_nowait(process)
            if not done.cancelled():
                done.exception()  # whoever asked may be gone

        # Also when whoever asked is cancelled, the process stays taken until its answer is out of the pipe.
        work.add_done_callback(ended)
        return frame_process.answered(await asyncio.shield(work), times)

    async def close(self) -> None:
        """End the processes; what they were measuring is not answered."""
        for one in self._all:
            one.kill()
        await asyncio.to_thread(self._threads.shutdown)
        for one in self._all:
            await asyncio.to_thread(one.end)

    @property
    def pids(self) -> list[int]:
        """Return the ids of the processes that run."""
        return [one.pid for one in self._all if one.pid is not None]


class _Process:
    """One process and the pipe to it; `exchange` runs in a thread, one at a time."""

    def __init__(self, *, limit_s: float, memory_mib: int, chunks: int) -> None:
        self._limit_s = limit_s
        self._memory_mib = memory_mib
        self._chunks = chunks
        self._left = 0
        self._running: tuple[BaseProcess, Connection] | None = None
        self._ended = False

    @property
    def pid(self) -> int | None:
        return self._running[0].pid if self._running is not None else None

    def exchange(self, data: bytes) -> bytes:
        """Return the answer to a chunk."""
        try:
            process, pipe = self._started()
        except (EOFError, OSError) as error:
            raise self._lost("not_started", "No process that decodes pictures could be started.") from error
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        # Also the sending blocks where the process does not read, so that only its end ends the wait.
        watch = threading.Timer(self._limit_s, give_up)
        watch.start()
        try:
            pipe.send_bytes(data)
            answer = pipe.recv_bytes()
        except (EOFError, OSError) as error:
            if late.is_set():
                raise self._lost("too_slow", f"Decoding took longer than {self._limit_s:g} s.") from error
            raise self._lost("process_ended", "The process that decoded these pictures ended.") from error
        finally:
            watch.cancel()
            watch.join()
        self._left -= 1
        if self._left <= 0:
            self._replace("recycled")
        return answer

    def _lost(self, why: str, sentence: str) -> DecoderAwayError:
        self._replace(why)
        return DecoderAwayError(why, sentence)

    def kill(self) -> None:
        """End the process now and for good; an exchange in progress raises."""
        self._ended = True
        if self._running is not None:
            self._running[0].kill()

    def end(self) -> None:
        """Wait for a process that was killed; nothing may be in exchange any more."""
        self._replace("closed")

    def _started(self) -> tuple[BaseProcess, Connection]:
        if self._running is not None:
            return self._running
        if self._ended:
            raise EOFError
        ours, theirs = get_context("spawn").Pipe()
        process = get_context("spawn").Process(
            target=frame_process.serve, args=(theirs, self._memory_mib, os.getpid()), name="frames", daemon=True
        )
        try:
            process.start()
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self._running = (process, ours)
        self._left = self._chunks
        if self._ended:
            process.kill()
        if not ours.poll(START_S) or ours.recv_bytes() != frame_process.READY:
            raise EOFError
        return self._running

    def _replace(self, why: str) -> None:
        """End the process; the next chunk starts another."""
        if self._running is None:
            return
        process, pipe = self._running
        self._running = None
        if not self._ended:
            _LOG.info("frame_process_replaced", why=why) if why == "recycled" else _LOG.warning(
                "frame_process_replaced", why=why
            )
        pipe.close()
        process.kill()
        process.join(_END_S)
        if not process.is_alive():
            process.close()
