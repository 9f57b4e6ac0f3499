"""Which readings are admitted, and how much a device may send."""

import math
import struct
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from ingest.rows import NUMBERS, PACK, WORN_UNKNOWN, Rows
from schemas.device_protocol import ABSENT, Rejected
from schemas.frame import MAX_READINGS_PER_MESSAGE, OFFSET_UNKNOWN
from schemas.video import MAX_FRAMES, MAX_FRAMES_PER_S, MAX_MESSAGE_BYTES
from schemas.vitals import NAMES, SOURCES

_NO_VITAL: Final = struct.pack(f"<{len(NAMES)}f", *[ABSENT] * len(NAMES))
"""How a row without a vital ends."""
_FIELDS: Final = msgspec.structs.astuple
_NUMBERS_FROM: Final = -len(NUMBERS)
_SECONDS_MOST: Final = 100_000_000_000
"""A Unix time in seconds stays below this for 3,000 years, one in milliseconds passed it in 1973."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_MS: Final = 86_400_000


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What one device may send; told to it in `welcome`.

    Attributes:
        ahead_ms: How far a reading's corrected time may lie ahead of the gateway's clock.
        retention_ms: Older readings are refused: their partition may be dropped at any moment.
        video_bytes: A message with pictures may be larger than any other.
        frames_per_s: Frames of a camera, sustained; one that is larger than 64 KiB counts for each 64 KiB of it.
        burst_s: Seconds of the sustained rate that may come at once.
        patience_s: A device that is throttled without a pause for so long is closed.
    """

    readings_per_message: int = MAX_READINGS_PER_MESSAGE
    message_bytes: int = 262_144
    messages_per_s: int = 1_000
    readings_per_s: int = 20_000
    video_bytes: int = MAX_MESSAGE_BYTES
    frames_per_s: int = 2 * MAX_FRAMES_PER_S
    burst_s: float = 2.0
    patience_s: float = 30.0
    hello_s: float = 10.0
    ahead_ms: int = 300_000
    retention_ms: int = 365 * _DAY_MS

    def told(self) -> dict[str, int]:
        """Return what `welcome` says of these limits."""
        return {
            "readings_per_message": self.readings_per_message,
            "message_bytes": self.message_bytes,
            "messages_per_s": self.messages_per_s,
            "readings_per_s": self.readings_per_s,
            "video_bytes": self.video_bytes,
            "frames_per_message": MAX_FRAMES,
            "frames_per_s": self.frames_per_s,
            "retention_s": self.retention_ms // 1000,
        }


def time_ms(time: datetime | float) -> int | None:
    """Return a wire time as milliseconds since 1970 UTC, cut, never rounded; None if it is not finite."""
    if isinstance(time, datetime):
        since = time - _EPOCH
        return since.days * _DAY_MS + since.seconds * 1000 + since.microseconds // 1000
    return math.floor(time) if math.isfinite(time) else None


def utc_offset_min(time: datetime | float) -> int | None:
    """Return the offset that a text time was written with, None for a number."""
    if not isinstance(time, datetime):
        return None
    if time.tzinfo is UTC:
        return 0
    offset = time.utcoffset()
    return None if offset is None else int(offset.total_seconds()) // 60


def admit(
    readings: Iterable[tuple[int, Any]], seq: int, received_us: int, limits: Limits, correction_ms: int
) -> tuple[Rows, list[Rejected]]:
    """Return the rows of well-formed readings whose time is believable, and what was refused.

    `readings` are pairs of index and `schemas.device_protocol.Reading`; `correction_ms` is what is added to the
    device's clock.
    """
    now_ms = received_us // 1000
    oldest = now_ms - limits.retention_ms
    newest = now_ms + limits.ahead_ms - correction_ms
    packed: list[bytes] = []
    beats: dict[int, list[float]] | None = None
    rejected: list[Rejected] = []
    for index, reading in readings:
        fields = _FIELDS(reading)
        time, source, worn, injected, ibi = fields[:_NUMBERS_FROM]
        at, offset = (time, OFFSET_UNKNOWN) if type(time) is int else (time_ms(time), _offset(time))
        if at is None or not oldest <= at <= newest:
            rejected.append(untimely(index, time, limits=limits, now_ms=now_ms))
            continue
        state = WORN_UNKNOWN if worn is None else worn
        numbers = fields[_NUMBERS_FROM:]
        try:
            row = PACK(seq, received_us, at, offset, SOURCES[source], state, injected, *numbers)
        except struct.error:  # null is as good as absent, and rarer
            numbers = tuple(ABSENT if number is None else number for number in numbers)
            row = PACK(seq, received_us, at, offset, SOURCES[source], state, injected, *numbers)
        if not ibi and row.endswith(_NO_VITAL):
            rejected.append(Rejected(index, "reading", "no_vital", "no vital sign in this reading"))
            continue
        if ibi:
            beats = beats or {}
            beats[len(packed)] = ibi
        packed.append(row)
    return Rows(packed[0] if len(packed) == 1 else b"".join(packed), len(packed), beats), rejected


def _offset(time: datetime | float) -> int:
    offset = utc_offset_min(time)
    return OFFSET_UNKNOWN if offset is None else offset


def untimely(index: int, time: datetime | float, *, limits: Limits, now_ms: int) -> Rejected:
    """Return why a time is not believed; one that is neither too old nor unreadable lies too far ahead."""
    at = time_ms(time)
    if at is None:
        return Rejected(index, "time", "not_finite", "RFC 3339 text with an offset, or Unix milliseconds")
    if at >= now_ms - limits.retention_ms:
        detail = f"more than {limits.ahead_ms // 60_000} min ahead of the server's clock"
        return Rejected(index, "time", "future_time", detail)
    detail = f"older than the {limits.retention_ms // _DAY_MS} days that are kept"
    if 0 < at < _SECONDS_MOST and not isinstance(time, datetime):
        detail += "; a number is Unix milliseconds, not seconds"
    return Rejected(index, "time", "older_than_retention", detail)


class Rate:
    """Three token buckets of one device, messages, readings and frames; they may go into debt by one message.

    The same object serves all connections of a device, so that a reconnect buys nothing.
    """

    __slots__ = (
        "_at_s",
        "_frames",
        "_frames_most",
        "_limits",
        "_messages",
        "_messages_most",
        "_messages_per_s",
        "_readings",
        "_readings_most",
        "_readings_per_s",
        "_resumes_s",
        "_since_s",
    )

    def __init__(self, limits: Limits, *, now_s: float) -> None:
        self._limits = limits
        self._messages = self._messages_most = limits.messages_per_s * limits.burst_s
        self._messages_per_s = limits.messages_per_s
        self._readings = self._readings_most = limits.readings_per_s * limits.burst_s
        self._readings_per_s = limits.readings_per_s
        self._frames = self._frames_most = limits.frames_per_s * limits.burst_s
        self._at_s = now_s
        self._since_s: float | None = None
        self._resumes_s = now_s

    def spend(self, readings: int, *, now_s: float, frames: int = 0) -> float:
        """Pay for one message with this many readings or frames; return how many seconds the device must pause."""
        gone = now_s - self._at_s
        self._at_s = now_s
        left, most = self._messages + gone * self._messages_per_s, self._messages_most
        self._messages = left = (most if left > most else left) - 1  # noqa: FURB136 - a call costs more than the rest
        owes = left < 0
        left, most = self._readings + gone * self._readings_per_s, self._readings_most
        self._readings = left = (most if left > most else left) - readings  # noqa: FURB136 - as above
        owes |= left < 0
        if frames or self._frames < self._frames_most:  # that of a device without a camera is always full
            left = self._frames + gone * self._limits.frames_per_s
            self._frames = min(left, self._frames_most) - frames
            owes |= self._frames < 0
        return self._throttled(now_s) if owes else 0.0

    def _throttled(self, now_s: float) -> float:
        """Take note that the device is in debt; return how many seconds it must pause."""
        limits = self._limits
        debts = (
            -self._messages / limits.messages_per_s,
            -self._readings / limits.readings_per_s,
            -self._frames / limits.frames_per_s,
        )
        pause_s = max(*debts, 0.05)
        if self._since_s is None or now_s - self._resumes_s > 1.0:
            self._since_s = now_s
        self._resumes_s = now_s + pause_s
        return pause_s

    def hopeless(self, *, now_s: float) -> bool:
        """Return whether the device has been throttled again and again, with no second of rest, for too long."""
        return (
            self._since_s is not None
            and now_s - self._resumes_s <= 1.0
            and now_s - self._since_s >= self._limits.patience_s
        )
