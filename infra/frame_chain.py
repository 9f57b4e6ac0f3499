"""Measures the pictures of streams, chunk after chunk: each goes on where the face was after the one before it."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import structlog

from inference.rppg.samples import UNREADABLE, Samples, unreadable
from inference.rppg.video.state import FaceState
from inference.slots import Floats
from schemas.errors import DecoderAwayError, UnreadableVideoError
from stream_processors.hosts.retry import Backoff, Patience
from stream_processors.ports import Measurement, Meter

_LOG: Final = structlog.get_logger(__name__)

TRIES: Final = 3
"""So many processes may fail with a chunk before it is the chunk that is to blame."""

Measured = tuple[Samples, FaceState]


class Workers(Protocol):
    """The processes that decode pictures."""

    async def measure(self, frames: Sequence[bytes], times_s: Floats, state: FaceState) -> Measured:
        """Return the rows of a chunk and the state after it.

        Raises:
            UnreadableVideoError: There is nothing to be had from these pictures.
            DecoderAwayError: The process that tried is gone; another may do it.
        """
        ...

    async def close(self) -> None:
        """End the processes."""
        ...


class FrameChain:
    """A `FrameMeter`; owns its processes and the tasks that wait for them."""

    def __init__(self, workers: Workers, *, meter: Meter, backoff: Backoff | None = None) -> None:
        self._workers = workers
        self._meter = meter
        self._patience = Patience(meter, backoff or Backoff())
        self._tasks: set[asyncio.Task[Measured]] = set()

    def begin(self, frames: Sequence[bytes], times_s: Floats, after: FaceState | Measurement) -> "Measuring":
        """Begin to measure JPEG pictures, following a face from where it was or will be known to be."""
        task = asyncio.create_task(self._measured(frames, times_s, after), name="measure frames")
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return Measuring(task)

    def status(self) -> Mapping[str, Any]:
        """Return what the health answer says: that pictures wait, and why."""
        return {"waiting": dict(self._patience.waiting)}

    async def close(self) -> None:
        """Drop what is being measured and end the processes."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await self._workers.close()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _measured(self, frames: Sequence[bytes], times_s: Floats, after: FaceState | Measurement) -> Measured:
        """Measure; pictures of which nothing can be had are told as such by their rows, and are counted."""
        state = after if isinstance(after, FaceState) else (await after.done())[1]
        failed = 0

        async def measure() -> Measured:
            nonlocal failed
            try:
                return await self._workers.measure(frames, times_s, state)
            except DecoderAwayError as error:
                failed += error.had_pictures
                if failed < TRIES:
                    raise
                raise UnreadableVideoError(error.reason, str(error)) from error

        try:
            measured = await self._patience.insist("decoder", measure)
        except UnreadableVideoError as error:
            # That a sender's bytes are no picture is its fault; that three processes failed with them may be ours.
            say = _LOG.error if failed else _LOG.info
            say("pictures_unreadable", reason=error.reason, frames=len(frames))
            self._meter.count("unreadable_frames_total", len(frames), reason=error.reason)
            return unreadable(times_s), state
        damaged = int((measured[0].faces == UNREADABLE).sum())
        if damaged:
            self._meter.count("unreadable_frames_total", damaged, reason="undecodable")
        self._meter.count("measured_frames_total", len(frames) - damaged)
        return measured

    def _ended(self, task: asyncio.Task[Measured]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever waits is told; nobody may be waiting any more


class Measuring:
    """What is being measured."""

    def __init__(self, task: asyncio.Task[Measured]) -> None:
        self._task = task

    async def done(self) -> Measured:
        """Return the samples and how the tracker stands after them."""
        return await asyncio.shield(self._task)
