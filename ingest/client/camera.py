"""Sends a video through the device socket at the pace at which it was filmed, as if it were filmed now."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from inference.rppg.samples import Samples
from inference.slots import Bools, Floats
from ingest.client.chunks import Chunk, pictures, trace


class Sink(Protocol):
    """Where a video is sent to; `DeviceClient` is one."""

    async def stream(self, chunk: Chunk) -> None:
        """Take a chunk, waiting while there is no room."""
        ...

    async def drained(self) -> None:
        """Wait until everything is acknowledged."""
        ...


@dataclass(frozen=True, slots=True)
class Part:
    """A piece of a video: seconds of its first and last frame, and what makes a chunk of it from a start in Unix ms."""

    first_s: float
    last_s: float
    chunk: Callable[[float], Chunk]


def pictured(pieces: Iterable[tuple[list[float], list[bytes]]]) -> Iterator[Part]:
    """Yield parts of times in seconds and JPEG pictures."""
    for times_s, frames in pieces:

        def chunk(start_ms: float, times_s: list[float] = times_s, frames: list[bytes] = frames) -> Chunk:
            return pictures(*_times(start_ms, np.array(times_s)), frames)

        yield Part(times_s[0], times_s[-1], chunk)


def traced(pieces: Iterable[Samples]) -> Iterator[Part]:
    """Yield parts of colours."""
    for samples in pieces:

        def chunk(start_ms: float, samples: Samples = samples) -> Chunk:
            time_ms, times_ms = _times(start_ms, samples.time_s)
            return trace({"time": time_ms, "times": times_ms, **_columns(samples)})

        yield Part(float(samples.time_s[0]), float(samples.time_s[-1]), chunk)


async def stream(
    parts: AsyncIterator[Part], sink: Sink, *, wall_ms: Callable[[], float], monotonic_s: Callable[[], float]
) -> float:
    """Send all parts, each when its last frame would have been filmed; return the video's seconds, all acknowledged.

    Raises:
        DeviceStoppedError: The gateway will not take this device any more.
    """
    began_s, start_ms, last_s = monotonic_s(), wall_ms(), 0.0
    async for part in parts:
        await asyncio.sleep(max(0.0, part.last_s - (monotonic_s() - began_s)))
        await sink.stream(part.chunk(start_ms))
        last_s = part.last_s
    await sink.drained()
    return last_s


def _times(start_ms: float, times_s: Floats) -> tuple[int, list[float]]:
    """Return a whole `time` and the frames' offsets from it, in microsecond steps."""
    at_ms = start_ms + times_s * 1000
    time_ms = int(at_ms[0])
    return time_ms, [round(float(value), 3) for value in at_ms - time_ms]


def _columns(samples: Samples) -> Mapping[str, Any]:
    """Return the columns of a trace as the protocol has them: null for what is not known."""
    return {
        "rgb": _known(samples.rgb),
        "background": _known(samples.background),
        "saturated": _known(samples.saturated),
        "motion": _known(samples.motion),
    }


def _known(column: Floats) -> list[Any]:
    finite: Bools = np.isfinite(column)
    whole = finite if column.ndim == 1 else np.logical_and.reduce(finite, axis=1)
    return [value if known else None for value, known in zip(column.tolist(), whole.tolist(), strict=True)]
