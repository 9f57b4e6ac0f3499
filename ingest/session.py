"""The device session as a state machine without a socket: messages and a clock in, effects out."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeGuard
from uuid import UUID

from ingest import greeting, salvage, video, whereabouts
from ingest.acks import Acks
from ingest.admission import Limits, Rate, admit
from ingest.effects import Admit, AdmitVideo, Close, Effect, Pause, Provenance, Send
from ingest.encoding import JSON, MSGPACK, UNREADABLE, Encoding
from ingest.ports import Clock, Device
from ingest.sequence import SEQ_MOST
from ingest.sequence import Sequence as MessageSequence
from schemas.device_protocol import (
    CLOSE_BAD_MESSAGE,
    CLOSE_NO_HELLO,
    CLOSE_RATE,
    CLOSE_TOO_BIG,
    NOT_BUILT_YET,
    Ack,
    Error,
    Hello,
    Location,
    Nack,
    Readings,
    Rejected,
    Throttle,
    Trace,
    VideoHeader,
    Welcome,
)
from schemas.video import encode as encode_video

_HEADER_BYTES: Final = 4
_VIDEO_FIRST: Final = b"\0"
"""First byte of a video message: its header is shorter than 2^24. A msgpack map never begins with it."""

ROW_BYTES: Final = 128
"""About what one row takes in a frame; a short message may take more there than on the wire."""


class DeviceSession:
    """One connection of one device. It never blocks, never raises for what a device sends, and knows no socket.

    Effects are to be carried out in order. After a `Close` everything that comes is ignored.
    """

    def __init__(
        self,
        device: Device,
        *,
        session_id: UUID,
        limits: Limits,
        rate: Rate,
        clock: Clock,
        resume: tuple[UUID, int] | None,
        encoding: Encoding = JSON,
    ) -> None:
        """Open a session; `resume` is the boot and the last ack of this device's previous connection, if known."""
        self._encoding = encoding
        self._device = device
        self._session_id = session_id
        self._limits = limits
        self._rate = rate
        self._clock = clock
        self._resume = resume
        self._sequence = MessageSequence()
        self._acks = Acks(self._sequence, clock)
        self._provenance: Provenance | None = None
        self._closed = False
        self._opened_s = clock.monotonic_s()
        self.boot: UUID | None = None

    @property
    def acked(self) -> int:
        """The highest seq that this session has acknowledged, 0 if none."""
        return self._sequence.acked

    @property
    def greeted(self) -> bool:
        """Has the device said hello?"""
        return self._provenance is not None

    def hello_overdue(self) -> list[Effect]:
        """Return a close if the device has not said hello in time."""
        if self.greeted or self._closed or self._clock.monotonic_s() - self._opened_s < self._limits.hello_s:
            return []
        return self._close(CLOSE_NO_HELLO, f"no hello in {self._limits.hello_s:g} s")

    def receive(self, data: str | bytes) -> list[Effect]:
        """Handle one message: text, or binary as bytes."""
        return self.binary(data) if isinstance(data, bytes) else self.text(data.encode("utf-8", "surrogatepass"))

    def text(self, data: bytes) -> list[Effect]:
        """Handle one text message, as it is encoded on the wire."""
        if self._encoding is MSGPACK and not self._closed:
            return self._paid(self._close(CLOSE_BAD_MESSAGE, "msgpack was agreed on: text is not taken"), readings=0)
        return self._message(data)

    def binary(self, data: bytes) -> list[Effect]:
        """Handle one binary message."""
        if self._encoding is MSGPACK and data[:1] != _VIDEO_FIRST:
            return self._message(data)
        if self._closed or len(data) > self._limits.video_bytes:
            return self._unfit(self._limits.video_bytes)
        return self._binary(data)

    def _unfit(self, most: int) -> list[Effect]:
        """Answer a message that came after a close, or is larger than it may be."""
        return [] if self._closed else self._close(CLOSE_TOO_BIG, f"a message holds at most {most} bytes")

    def _message(self, data: bytes) -> list[Effect]:
        size = len(data)
        if self._closed or size > self._limits.message_bytes:
            return self._unfit(self._limits.message_bytes)
        try:
            message = self._encoding.decode(data)
        except UNREADABLE:
            return self._take_apart(data, size)
        if not isinstance(message, Readings):
            return self._rarer(message)
        readings = message.readings
        count = len(readings)
        if count > self._limits.readings_per_message:
            return self._paid(self._too_many(message.seq), readings=0)
        return self._paid(self._readings(message.seq, enumerate(readings), (), size), readings=count)

    def _rarer(self, message: Hello | Location | Trace) -> list[Effect]:
        if isinstance(message, Trace):
            return self._traced(message, [])
        told = self._hello(message) if isinstance(message, Hello) else self._located(message)
        return self._paid(told, readings=0)

    def settled(self, seqs: Iterable[int]) -> list[Effect]:
        """Take note that what was admitted from these messages is durable; return at most one ack."""
        return [] if self._closed else self._acked(self._acks.settled(seqs))

    def overdue_in_s(self) -> float | None:
        """Return in how many seconds `overdue` returns an ack that was withheld, None where there is none."""
        return None if self._closed else self._acks.overdue_in_s()

    def overdue(self) -> list[Effect]:
        """Return the ack that was withheld, once the last one is long enough ago."""
        return [] if self._closed else self._acked(self._acks.overdue())

    @staticmethod
    def _acked(seq: int | None) -> list[Effect]:
        return [] if seq is None else [Send(Ack(seq))]

    def beside(self) -> list[Effect]:
        """Pay for a frame that is no whole message, such as a ping or a part: it costs the gateway as much."""
        return [] if self._closed else self._paid([], readings=0)

    def _paid(self, effects: list[Effect], *, readings: int, frames: int = 0) -> list[Effect]:
        now_s = self._clock.monotonic_s()
        pause_s = self._rate.spend(readings, now_s=now_s, frames=frames)
        if pause_s == 0.0 or self._closed:
            return effects
        if self._rate.hopeless(now_s=now_s):
            return [*effects, *self._close(CLOSE_RATE, "throttled without a pause for too long")]
        return [*effects, Send(Throttle(max(1, round(pause_s * 1000)))), Pause(pause_s)]

    def _hello(self, hello: Hello) -> list[Effect]:
        if self.greeted:
            return [Send(Error("already_greeted", "hello is said once a connection"))]
        now_us = self._clock.wall_us()
        waited_ms = round((self._clock.monotonic_s() - self._opened_s) * 1000)
        provenance = greeting.provenance_of(hello, self._device, now_ms=now_us // 1000, waited_ms=waited_ms)
        if not isinstance(provenance, Provenance):
            return self._bad_hello(provenance)
        self.boot = hello.boot
        self._provenance = provenance
        known = self._resume[1] if self._resume is not None and self._resume[0] == hello.boot else 0
        welcome = Welcome(
            session=self._session_id,
            wearer=self._device.wearer,
            acked=known,
            limits=self._limits.told(),
            server_time=now_us // 1000,
        )
        return [Send(welcome)]

    def _placed(self, seq: int) -> Provenance | list[Effect]:
        """Give a message its place in the sequence; return whose session it is of, or why the message has no place."""
        if self._provenance is None:
            return self._close(CLOSE_BAD_MESSAGE, "hello comes first")
        if seq > SEQ_MOST:
            return self._close(CLOSE_BAD_MESSAGE, f"seq is at most {SEQ_MOST}")
        if not self._sequence.accept(seq):
            return self._gap(seq)
        if self._provenance.cell:
            self._provenance = whereabouts.current(self._provenance, now_s=self._clock.monotonic_s())
        return self._provenance

    def _readings(
        self, seq: int, readings: Iterable[tuple[int, Any]], rejected: Sequence[Rejected], size: int
    ) -> list[Effect]:
        provenance = self._placed(seq)
        if not isinstance(provenance, Provenance):
            return provenance
        received_us = self._clock.wall_us()
        rows, refused = admit(readings, seq, received_us, self._limits, provenance.correction_ms)
        told: list[Effect] = []
        if rejected or refused:
            told = [Send(Nack(seq, sorted([*rejected, *refused], key=lambda entry: entry.index)))]
        count = rows.count
        if not count:
            return [*told, *self._handled(seq)]
        self._sequence.hold(seq)
        return [*told, Admit(provenance, seq, received_us, rows, max(size, ROW_BYTES * count))]

    def _take_apart(self, data: bytes, size: int) -> list[Effect]:
        """Handle what is not exactly a message of the contract."""
        message = self._encoding.parse(data)
        if message is None:
            return self._paid(self._close(CLOSE_BAD_MESSAGE, f"not a {self._encoding.what}"), readings=0)
        kind = message.get("type")
        if kind == "trace":
            return self._salvaged_trace(message)
        if kind == "location":
            return self._paid(self._salvaged_location(message), readings=0)
        if kind == "readings":
            raw = message.get("readings")
            count = min(len(raw), self._limits.readings_per_message) if isinstance(raw, list) else 0
            return self._paid(self._salvaged_readings(message.get("seq"), raw, size), readings=count)
        if kind == "hello":
            return self._paid(self._bad_hello(greeting.fault(message)), readings=0)
        return self._paid(self._refuse_type(kind, message), readings=0)

    def _salvaged_readings(self, seq: object, raw: object, size: int) -> list[Effect]:
        if not _is_seq(seq):
            return self._close(CLOSE_BAD_MESSAGE, "readings need a whole number as seq")
        if not isinstance(raw, list):
            return self._refused_whole(seq, Rejected(0, "readings", "wrong_type", "readings is a list"))
        if len(raw) > self._limits.readings_per_message:
            return self._too_many(seq)
        kept, rejected = salvage.readings(raw)
        return self._readings(seq, kept, rejected, size)

    def _too_many(self, seq: int) -> list[Effect]:
        most = self._limits.readings_per_message
        return self._refused_whole(
            seq, Rejected(most, "readings", "too_many_readings", f"a message holds at most {most} readings")
        )

    def _refused_whole(self, seq: int, *rejected: Rejected) -> list[Effect]:
        placed = self._placed(seq)
        if not isinstance(placed, Provenance):
            return placed
        return [Send(Nack(seq, list(rejected))), *self._handled(seq)]

    def _bad_hello(self, detail: str) -> list[Effect]:
        return [Send(Error("bad_hello", detail)), *self._close(CLOSE_BAD_MESSAGE, "bad hello")]

    def _refuse_type(self, kind: object, message: dict[str, Any]) -> list[Effect]:
        """Refuse a message by its type's name; with a seq it takes part in the sequence."""
        if kind in NOT_BUILT_YET:
            code, detail = "not_supported", f"{kind} is not taken by this gateway"
        elif isinstance(kind, str):
            code, detail = "unknown_type", f"there is no message type {salvage.printable(kind)}"
        else:
            code, detail = "unknown_type", "a message needs a type"
        if "seq" not in message:
            return [Send(Error(code, detail))]
        seq = message["seq"]
        if not _is_seq(seq):
            return self._close(CLOSE_BAD_MESSAGE, "seq must be a whole number")
        placed = self._placed(seq)
        if not isinstance(placed, Provenance):
            return placed
        return [Send(Error(code, detail, seq)), *self._handled(seq)]

    def _salvaged_trace(self, message: dict[str, Any]) -> list[Effect]:
        seq = message.get("seq")
        if not _is_seq(seq):
            return self._paid(self._close(CLOSE_BAD_MESSAGE, "a trace needs a whole number as seq"), readings=0)
        trace, rejected = video.convert("trace", message)
        if not isinstance(trace, Trace):
            return self._paid(self._refused_whole(seq, *rejected), readings=0)
        return self._traced(trace, rejected)

    def _traced(self, trace: Trace, rejected: list[Rejected]) -> list[Effect]:
        def record(provenance: Provenance, received_us: int) -> video.Taken:
            return video.trace_record(trace, provenance, received_us=received_us, limits=self._limits)

        return self._paid(self._seen("trace", trace.seq, record, rejected), readings=0, frames=len(trace.times))

    def _pictured(self, message: dict[str, Any], seq: int, pictures: memoryview) -> list[Effect]:
        header, rejected = video.convert("video", message)
        if not isinstance(header, VideoHeader):
            return self._paid(self._refused_whole(seq, *rejected), readings=0, frames=video.cost(1, len(pictures)))

        def record(provenance: Provenance, received_us: int) -> video.Taken:
            return video.video_record(header, pictures, provenance, received_us=received_us, limits=self._limits)

        frames = video.cost(len(header.times), len(pictures))
        return self._paid(self._seen("video", seq, record, rejected), readings=0, frames=frames)

    def _located(self, location: Location) -> list[Effect]:
        provenance = self._placed(location.seq)
        if not isinstance(provenance, Provenance):
            return provenance
        self._provenance, rejected = whereabouts.taken(
            location,
            provenance,
            now_s=self._clock.monotonic_s(),
            now_ms=self._clock.wall_us() // 1000,
            limits=self._limits,
        )
        told: list[Effect] = [Send(Nack(location.seq, rejected))] if rejected else []
        return [*told, *self._handled(location.seq)]

    def _salvaged_location(self, message: dict[str, Any]) -> list[Effect]:
        seq = message.get("seq")
        if not _is_seq(seq):
            return self._close(CLOSE_BAD_MESSAGE, "a location needs a whole number as seq")
        location = whereabouts.convert(message)
        return self._located(location) if isinstance(location, Location) else self._refused_whole(seq, *location)

    def _seen(
        self, kind: str, seq: int, record_of: Callable[[Provenance, int], video.Taken], rejected: list[Rejected]
    ) -> list[Effect]:
        """Admit what a camera saw as one record, in its place in the sequence."""
        provenance = self._placed(seq)
        if not isinstance(provenance, Provenance):
            return provenance
        received_us = self._clock.wall_us()
        record, refused = record_of(provenance, received_us)
        effects: list[Effect] = [Send(Nack(seq, [*rejected, *refused]))] if rejected or refused else []
        if record is None:
            return [*effects, *self._handled(seq)]
        self._sequence.hold(seq)
        return [*effects, AdmitVideo(kind, provenance.partition, seq, received_us, encode_video(record))]

    def _binary(self, data: bytes) -> list[Effect]:
        length = int.from_bytes(data[:_HEADER_BYTES], "big")
        header = data[_HEADER_BYTES : _HEADER_BYTES + length]
        message = salvage.parse(header) if len(header) == length and length > 0 else None
        if message is None or not _is_seq(message.get("seq")):
            why = "binary: 4 bytes header length, then a JSON header with a seq; other messages are sent as agreed on"
            return self._paid(self._close(CLOSE_BAD_MESSAGE, why), readings=0)
        kind, seq = message.get("type"), message["seq"]
        if kind == "video":
            return self._pictured(message, seq, memoryview(data)[_HEADER_BYTES + length :])
        if kind in ("hello", "readings", "trace", "location"):
            how = "as text, not binary" if self._encoding is JSON else "without a header"
            return self._paid(self._close(CLOSE_BAD_MESSAGE, f"{kind} is sent {how}"), readings=0)
        return self._paid(self._refuse_type(kind, message), readings=0)

    def _handled(self, seq: int) -> list[Effect]:
        return self._acked(self._acks.handled(seq))

    def _gap(self, seq: int) -> list[Effect]:
        expected = self._sequence.expected
        told = Send(Error("gap", f"expected seq {expected}, got {seq}", seq))
        return [told, *self._close(CLOSE_BAD_MESSAGE, f"gap: expected seq {expected}")]

    def _close(self, code: int, reason: str) -> list[Effect]:
        self._closed = True
        return [Close(code, reason)]


def _is_seq(seq: object) -> TypeGuard[int]:
    return isinstance(seq, int) and not isinstance(seq, bool) and 0 <= seq <= SEQ_MOST
