"""Traces of cameras, made: the colours of faces whose pulse is known, as records of `video.v1`."""

from collections.abc import Iterator, Sequence
from typing import Final
from uuid import uuid5

import numpy as np

from inference.rppg.video.state import FaceState
from inference.slots import Floats
from infra.bench.made_frames import SPACE
from schemas.topics import VIDEO
from schemas.video import VideoRecord, encode
from schemas.vitals import stream_id
from stream_processors.ports import Measurement, Record

FRAMES: Final = 15
FPS: Final = 30.0
CHUNK_MS: Final = 500
RATE_BPM: Final = 72.0
_BEGIN_MS: Final = 1_795_248_000_000
_SKIN: Final = np.array([150.0, 110.0, 90.0])
_PULSE: Final = np.array([0.3, 0.9, 0.5])
_NOISE: Final = 0.05


def colours(number: int, chunk: int) -> list[tuple[float, float, float]]:
    """Return half a second of mean skin colours of the stream with this number, at `RATE_BPM`."""
    noise = np.random.default_rng([number, chunk]).normal(0, _NOISE, (FRAMES, 3))
    times_s = (chunk * FRAMES + np.arange(FRAMES)) / FPS
    beat = np.sin(2 * np.pi * RATE_BPM / 60 * times_s)
    made = _SKIN + beat[:, None] * _PULSE + noise
    return [(red, green, blue) for red, green, blue in made.tolist()]


def traces(*, streams: int, seconds: int) -> Iterator[Record]:
    """Yield the records of a partition of `video.v1`: each stream's half second, then the next."""
    for chunk in range(seconds * 1000 // CHUNK_MS):
        at_ms = _BEGIN_MS + chunk * CHUNK_MS
        for number in range(streams):
            identity = uuid5(SPACE, str(number)).bytes
            record = VideoRecord(
                kind="trace",
                wearer=identity,
                stream_id=stream_id(number + 1, "rppg"),
                device_number=number + 1,
                boot=identity,
                seq=chunk + 1,
                time_ms=at_ms,
                received_ms=at_ms + CHUNK_MS,
                clock_offset_ms=0,
                origin=2,
                offsets_ms=[frame * 1000 / FPS for frame in range(FRAMES)],
                rgb=list(colours(number, chunk)),
            )
            yield Record(
                topic=VIDEO.name,
                partition=0,
                offset=chunk * streams + number,
                append_ms=at_ms + CHUNK_MS,
                key=None,
                value=encode(record),
            )


class Unseen:
    """A `FrameMeter` for traces, which hold no pictures."""

    def begin(self, frames: Sequence[bytes], times_s: Floats, after: FaceState | Measurement) -> Measurement:
        """Raises RuntimeError: a trace has nothing to measure."""
        raise RuntimeError(f"{len(frames)} pictures at {times_s} after {after} in a trace.")
