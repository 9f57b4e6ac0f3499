"""Records of `video.v1`, made for tests: a camera that films somebody with a steady pulse, and what a family tells."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import numpy as np

from inference.rppg.samples import NOBODY_LOOKED, Samples
from inference.rppg.video.state import FaceState
from inference.slots import Floats
from schemas import frame, instructions
from schemas.instructions import InstructionRecord
from schemas.topics import INSTRUCTIONS, READINGS, VIDEO
from schemas.video import VideoRecord, encode
from schemas.vitals import stream_id
from stream_processors.families.video import VideoState
from stream_processors.ports import Emission, Measurement, Record, Step
from tests.camera_messages import pulse_colours

NOW_MS = 1_795_248_000_000
"""2026-11-21T08:00:00Z, when the first frame of these cameras was taken."""
FRAMES = 15
CHUNK_MS = 500
FPS = 30.0


def wearer(number: int) -> UUID:
    """Return the id of a made wearer."""
    return UUID(int=number + (1 << 96))


@dataclass(kw_only=True)
class Camera:
    """Makes the records of one camera: half a second of colours each, as the gateway would append them."""

    number: int = 1
    rate_bpm: float = 72.0
    boot: int = 1
    facts: dict[str, Any] = field(default_factory=dict)

    def record(self, chunk: int, **fields: Any) -> VideoRecord:
        """Return the record of a half second; it has the seq chunk + 1."""
        time_ms = NOW_MS + chunk * CHUNK_MS
        rgb = pulse_colours(chunk * FRAMES, FRAMES, rate_bpm=self.rate_bpm, seed=self.number)
        made: dict[str, Any] = {
            "kind": "trace",
            "wearer": wearer(self.number).bytes,
            "stream_id": stream_id(self.number, "rppg"),
            "device_number": self.number,
            "boot": UUID(int=self.boot).bytes,
            "seq": chunk + 1,
            "time_ms": time_ms,
            "received_ms": time_ms + CHUNK_MS + 20,
            "clock_offset_ms": 0,
            "origin": 0,
            "offsets_ms": [frame * 1000 / FPS for frame in range(FRAMES)],
            "rgb": [tuple(colour) for colour in rgb.tolist()],
        }
        return VideoRecord(**{**made, **self.facts, **fields})


@dataclass
class Log:
    """A partition of `video.v1`: gives records their offsets and append times."""

    offset: int = 0
    append_ms: int = NOW_MS

    def append(self, made: VideoRecord | bytes, *, after_ms: int = 0) -> Record:
        """Return the next record of the log."""
        value = made if isinstance(made, bytes) else encode(made)
        self.append_ms += after_ms
        record = Record(
            topic=VIDEO.name, partition=3, offset=self.offset, append_ms=self.append_ms, key=None, value=value
        )
        self.offset += 1
        return record


class Told:
    """What is already known: a `Measurement`."""

    def __init__(self, samples: Samples, state: FaceState) -> None:
        self._answer = (samples, state)

    async def done(self) -> tuple[Samples, FaceState]:
        """Return it."""
        return self._answer


@dataclass
class GreyMeter:
    """A `FrameMeter` whose pictures are three numbers, and whose face has moved on by one with each chunk.

    Attributes:
        asked: For each chunk how many faces its state had counted, and how many frames it had.
    """

    asked: list[tuple[int, int]] = field(default_factory=list)

    def begin(self, frames: Sequence[bytes], times_s: Floats, after: FaceState | Measurement) -> Told:
        """Measure at once."""
        state = after if isinstance(after, FaceState) else after._answer[1]  # type: ignore[attr-defined]
        self.asked.append((state.faces, len(frames)))
        count = len(frames)
        rgb = np.array([np.frombuffer(one, dtype=np.float64) for one in frames]).reshape(count, 3)
        unknown = np.full(count, np.nan)
        samples = Samples(
            time_s=times_s,
            rgb=rgb,
            background=np.full((count, 3), np.nan),
            saturated=unknown,
            motion=unknown,
            faces=np.full(count, NOBODY_LOOKED, dtype=np.int64),
        )
        return Told(samples, FaceState(faces=state.faces + 1))


@dataclass
class Counts:
    """A `Meter` that remembers counters."""

    counted: dict[tuple[str, str], int] = field(default_factory=dict)

    def observe(self, name: str, seconds: Any) -> None:
        """Forget durations."""

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        """Add up by name and the first label."""
        key = (name, str(next(iter(labels.values()), "")))
        self.counted[key] = self.counted.get(key, 0) + amount

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Forget gauges."""


def as_pictures(record: VideoRecord) -> VideoRecord:
    """Return a trace as pictures for `GreyMeter`."""
    assert record.rgb is not None
    frames = [np.array(colour).tobytes() for colour in record.rgb if colour is not None]
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    return VideoRecord(**{**fields, "kind": "jpeg", "rgb": None, "frames": frames})


async def stepped(state: VideoState, records: Sequence[Record]) -> list[Step]:
    """Hand records to a state as the host does."""
    steps = []
    state.expect(records)
    for record in records:
        await state.ready(record)
        steps.append(state.step(record))
    return steps


def emitted(steps: Sequence[Step]) -> list[Emission]:
    """Return everything that was emitted, in order."""
    return [emission for step in steps for emission in step.emissions]


def readings(steps: Sequence[Step]) -> list[dict[str, Any]]:
    """Return the rows of all readings, in order."""
    frames = [frame.decode(one.value) for one in emitted(steps) if one.topic == READINGS.name]
    return [row for found in frames for row in found.batch.to_pylist()]


def told(steps: Sequence[Step]) -> list[InstructionRecord]:
    """Return all instructions, in order."""
    return [instructions.decode(one.value) for one in emitted(steps) if one.topic == INSTRUCTIONS.name]
