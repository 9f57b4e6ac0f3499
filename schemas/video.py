"""The record of `video.v1`: one message of a device's camera, as pictures or as the mean colours that it measured.

msgpack, fields by name; fields are only ever added, with a default. Pictures and colours never leave this topic: what
is told of a record anywhere else, such as in a dead letter, is where it lies.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Final, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct

from schemas.errors import UNREADABLE, ContractError
from schemas.vitals import ORIGINS

MAX_MESSAGE_BYTES: Final = 2 * 1_048_576
"""A message of a device with pictures holds at most so many bytes, header included."""
MAX_FRAMES: Final = 64
MAX_FRAMES_PER_S: Final = 60
MAX_SPAN_MS: Final = 60_000
"""The last frame of a message lies at most so long after its `time`."""
ROUNDING_MS: Final = 2.0
"""Frame times in whole milliseconds may bring two frames this much closer than they were."""

Id = Annotated[bytes, Meta(min_length=16, max_length=16)]
Channel = Annotated[float, Meta(ge=0, le=255)]
Color = tuple[Channel, Channel, Channel]
"""Mean red, green and blue of some pixels, 0 to 255."""
Share = Annotated[float, Meta(ge=0, le=1)]
Speed = Annotated[float, Meta(ge=0, le=1_000)]
OffsetMs = Annotated[float, Meta(ge=0, le=MAX_SPAN_MS)]
Picture = Annotated[bytes, Meta(min_length=1)]
_Whole = Annotated[int, Meta(ge=0)]


class VideoRecord(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """At most 64 frames of one camera, in the order in which they were taken.

    Attributes:
        kind: Whether `frames` (JPEG pictures) or `rgb` (mean skin colours) is there.
        wearer: The 16 bytes of the wearer's id; `boot` those of the device's start.
        stream_id: Device number x 256 + the code of the source rppg.
        seq: Number of the message within the boot.
        time_ms: What the frames' offsets count from, on the device's clock, ms since 1970.
        received_ms: When the gateway received the message.
        clock_offset_ms: Server clock minus device clock, at hello.
        origin: Index into `schemas.vitals.ORIGINS`.
        cell: H3 index of resolution 8, None where unknown.
        offsets_ms: When each frame was taken, after `time_ms`; strictly rising.
        rgb: For each frame the mean colour of skin, None where there was none.
        background: For each frame the mean colour of what is no face.
        saturated: For each frame the share of pixels that are too bright or too dark to tell.
        motion: For each frame how fast the face moves, in its own widths a second.
    """

    kind: Literal["jpeg", "trace"]
    wearer: Id
    stream_id: _Whole
    device_number: _Whole
    boot: Id
    seq: _Whole
    time_ms: int
    received_ms: int
    clock_offset_ms: int
    origin: _Whole
    offsets_ms: Annotated[list[OffsetMs], Meta(min_length=1, max_length=MAX_FRAMES)]
    injected: bool = False
    cell: int | None = None
    utc_offset_min: int | None = None
    firmware: str | None = None
    frames: list[Picture] | None = None
    rgb: list[Color | None] | None = None
    background: list[Color | None] | None = None
    saturated: list[Share | None] | None = None
    motion: list[Speed | None] | None = None


_ENCODER: Final = msgspec.msgpack.Encoder()
_DECODER: Final = msgspec.msgpack.Decoder(VideoRecord)


def encode(record: VideoRecord) -> bytes:
    """Return the record as it lies on the topic."""
    return _ENCODER.encode(record)


def decode(data: bytes) -> VideoRecord:
    """Return the record in `data`.

    Raises:
        ContractError: The bytes are none, or hold what no gateway lets through; the sentence holds nothing of them.
    """
    try:
        record = _DECODER.decode(data)
    except UNREADABLE as error:
        raise ContractError(f"Not a record of video: {type(error).__name__}.") from error
    fault = _fault(record)
    if fault is not None:
        raise ContractError(f"A record of video {fault}.")
    return record


def times_fault(offsets_ms: list[float]) -> tuple[str, int, str] | None:
    """Return what is wrong with the times of one message's frames as a code, the frame and a sentence; None if nothing.

    Beside the bounds that their types give.
    """
    for index, (before, after) in enumerate(pairwise(offsets_ms)):
        if not after > before:
            return "not_rising", index + 1, "each frame is later than the one before"
    least_ms = (len(offsets_ms) - 1) * 1000 / MAX_FRAMES_PER_S - ROUNDING_MS
    if offsets_ms and offsets_ms[-1] - offsets_ms[0] < least_ms:
        return "too_fast", len(offsets_ms) - 1, f"at most {MAX_FRAMES_PER_S} frames a second"
    return None


def is_finite(column: Sequence[Color | float | None] | None) -> bool:
    """Return whether no number of a column is NaN or infinite."""
    if column is None:
        return True
    known = [value for value in column if value is not None]
    return bool(np.isfinite(np.array(known, dtype=np.float64)).all())


def _fault(record: VideoRecord) -> str | None:
    count = len(record.offsets_ms)
    columns = (record.frames, record.rgb, record.background, record.saturated, record.motion)
    content = record.frames if record.kind == "jpeg" else record.rgb
    numbers = (record.offsets_ms, record.rgb, record.background, record.saturated, record.motion)
    if content is None:
        return "lacks what its kind promises"
    if any(column is not None and len(column) != count for column in columns):
        return "has another number of frames than of times"
    if not all(is_finite(column) for column in numbers):
        return "holds a number that is not finite"
    if (wrong := times_fault(record.offsets_ms)) is not None:
        return f"has frame times that are {wrong[0]}"
    if record.origin >= len(ORIGINS):
        return "names an origin that is not in the table of origins"
    return None
