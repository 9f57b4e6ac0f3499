"""The video family: order, colours, pulse, readings, and what to tell the person, in this order over `video.v1`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from inference.rppg.estimates import Estimate
from inference.rppg.samples import Samples
from inference.rppg.video.state import FaceState
from schemas import instructions
from schemas.episodes import Subject
from schemas.errors import ContractError
from schemas.topics import INSTRUCTIONS, READINGS, VIDEO
from schemas.video import VideoRecord, decode
from stream_processors.operators.clock import LogClock
from stream_processors.operators.pulse_order import Fate, Place, Standing, place
from stream_processors.operators.pulse_readings import instruction, is_history, readings_frame
from stream_processors.operators.pulse_stream import Key, PulseStream, colours, origin_ms, times_s
from stream_processors.ports import Emission, FrameMeter, Measurement, Meter, Record, Step

FORMAT: Final = "video-state 1"
EXPIRES_MS: Final = 30_000
"""Observed time after which a stream of which nothing comes is forgotten."""


class VideoFamily:
    """Opens the state of partitions of `video.v1`."""

    name = "video"
    topic = VIDEO.name
    version = FORMAT

    def __init__(self, frame_meter: FrameMeter, meter: Meter) -> None:
        """`frame_meter` measures pictures, `meter` counts what became of records."""
        self._frame_meter = frame_meter
        self._meter = meter

    def open(self, partition: int, blob: bytes | None) -> "VideoState":
        """Return the state of a partition: fresh, or from a snapshot of the same version.

        Raises:
            ContractError: The snapshot cannot be read.
        """
        state = VideoState(partition, self._frame_meter, self._meter)
        if blob is not None:
            state.load(blob)
        return state

    @staticmethod
    def rows(record: Record) -> int:  # noqa: ARG004 - the same for every record
        """Return 0: the frames of a record belong together."""
        return 0

    @staticmethod
    def pick(record: Record, rows: npt.NDArray[np.int64]) -> Record:  # noqa: ARG004 - it is never cut
        """Return the record as it is."""
        return record


class _Saved(msgspec.Struct, frozen=True, array_like=True):
    now_ms: int
    observed_ms: int
    streams: list[tuple[bytes, int, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Begun:
    """A record that was read, what it is to its stream as that stood `before`, and what is measured of its pictures."""

    read: VideoRecord
    before: Standing | None
    place: Place
    measurement: Measurement | None
    measured: tuple[Samples, FaceState] | None = None


class VideoState:
    """The streams of one partition; `step` is the readable list of what happens to a record."""

    def __init__(self, partition: int, frame_meter: FrameMeter, meter: Meter) -> None:
        self._partition = partition
        self._frame_meter = frame_meter
        self._meter = meter
        self._clock = LogClock()
        self._streams: dict[Key, PulseStream] = {}
        self._begun: dict[int, _Begun] = {}

    def expect(self, records: Sequence[Record]) -> None:
        """Begin to measure pictures, each stream's one after the other, the streams beside one another."""
        ahead: dict[Key, tuple[Standing, FaceState | Measurement]] = {}
        for record in records:
            begun = self._begun.get(record.offset)
            if begun is None:
                try:
                    read = decode(record.value)
                except ContractError:
                    continue  # its step says so
                before, face = ahead.get(key := _key(read)) or self._known(key)
                self._begun[record.offset] = begun = self._begin(read, before, face)
            face_after = begun.measurement or ahead.get(_key(begun.read), self._known(_key(begun.read)))[1]
            ahead[_key(begun.read)] = (begun.place.standing, face_after)

    async def ready(self, record: Record) -> None:
        """Return when the pictures of the next record are measured."""
        self.expect([record])
        begun = self._begun.get(record.offset)
        if begun is None:
            return
        before, face = self._known(_key(begun.read))
        if begun.before != before:  # the stream was forgotten, or a record before it could not be used
            begun = self._begin(begun.read, before, face)
        if begun.measurement is not None:
            begun = replace(begun, measured=await begun.measurement.done())
        self._begun[record.offset] = begun

    def step(self, record: Record) -> Step:
        """Handle one record that `ready` was asked for.

        Raises:
            ContractError: It is unreadable; raised before any change of state.
        """
        begun = self._begun.pop(record.offset, None)
        if begun is None:
            raise ContractError(_unread(record))
        self._clock.move(record.append_ms)
        self._meter.count("video_messages_total", fate=begun.place.fate)
        read = begun.read
        emissions: list[Emission] = []
        if begun.place.fate in {Fate.USED, Fate.GAP}:
            stream = self._stream(read, begun.place)
            estimates = stream.take(self._samples(begun, stream))
            emissions = self._emissions(read, stream, estimates) if estimates else []
        self._expire()
        return Step(emissions=emissions, received_ms=np.array([read.received_ms], dtype=np.int64))

    def snapshot(self) -> bytes:
        """Return the state as bytes; equal states give equal bytes."""
        streams = [(*key, stream.dump()) for key, stream in sorted(self._streams.items())]
        return msgspec.msgpack.encode(_Saved(self._clock.now_ms, self._clock.observed_ms, streams))

    def load(self, blob: bytes) -> None:
        """Take over a snapshot.

        Raises:
            ContractError: The bytes are none.
        """
        try:
            saved = msgspec.msgpack.decode(blob, type=_Saved)
        except msgspec.MsgspecError as error:
            raise ContractError(f"The saved state cannot be read: {type(error).__name__}.") from error
        self._clock = LogClock(now_ms=saved.now_ms, observed_ms=saved.observed_ms)
        self._streams = {Key(wearer, number): PulseStream.load(data) for wearer, number, data in saved.streams}

    def _known(self, key: Key) -> tuple[Standing | None, FaceState]:
        stream = self._streams.get(key)
        return (None, FaceState()) if stream is None else (stream.standing, stream.face)

    def _begin(self, read: VideoRecord, before: Standing | None, face: FaceState | Measurement) -> _Begun:
        placed = place(before, read)
        measurement = None
        if read.frames is not None and placed.fate in {Fate.USED, Fate.GAP}:
            frames = read.frames[placed.first :]
            # What the tracker's times count from must be the same from record to record: here it is 1970.
            at_s = times_s(read, placed.first, 0)
            measurement = self._frame_meter.begin(frames, at_s, FaceState() if placed.anew else face)
        return _Begun(read=read, before=before, place=placed, measurement=measurement)

    def _stream(self, read: VideoRecord, placed: Place) -> PulseStream:
        """Return the stream of a record, as it stands with it."""
        stream = self._streams.get(_key(read))
        if stream is None or placed.anew:
            stream = self._streams[_key(read)] = PulseStream(placed.standing, origin_ms=origin_ms(read))
        stream.standing = placed.standing
        stream.heard_ms = self._clock.observed_ms
        return stream

    @staticmethod
    def _samples(begun: _Begun, stream: PulseStream) -> Samples:
        if begun.measured is None:
            return colours(begun.read, begun.place.first, stream.origin_ms)
        samples, stream.face = begun.measured
        return replace(samples, time_s=times_s(begun.read, begun.place.first, stream.origin_ms))

    def _emissions(self, read: VideoRecord, stream: PulseStream, estimates: list[Estimate]) -> list[Emission]:
        emissions = []
        frame = readings_frame(read, estimates, stream.origin_ms)
        if frame is not None:
            emissions.append(Emission(topic=READINGS.name, partition=self._partition, key=None, value=frame))
        if not is_history(read, stream.origin_ms, estimates[-1]):
            told = instruction(read, estimates, stream.advice(), stream.origin_ms)
            key = Subject(wearer=told.wearer).key.encode()
            value = instructions.encode(told)
            emissions.append(Emission(topic=INSTRUCTIONS.name, partition=self._partition, key=key, value=value))
        return emissions

    def _expire(self) -> None:
        """Forget streams of which nothing has come for long, while others went on."""
        before_ms = self._clock.observed_ms - EXPIRES_MS
        silent = [key for key, stream in self._streams.items() if stream.heard_ms < before_ms]
        for key in silent:
            del self._streams[key]
        if silent:
            self._meter.count("video_streams_expired_total", len(silent))


def _key(read: VideoRecord) -> Key:
    return Key(read.wearer, read.stream_id)


def _unread(record: Record) -> str:
    try:
        decode(record.value)
    except ContractError as error:
        return str(error)
    raise RuntimeError("A record of video was stepped before its pictures were measured.")
