"""Which messages of a camera are admitted, and what becomes of them: one record of `video.v1` each.

A message whose times, pictures or colours break a rule is refused whole; what only helps to judge them (`background`,
`saturated`, `motion`) is left out and named, and the rest is kept.
"""

import re
from collections.abc import Callable, Mapping
from itertools import accumulate
from typing import Any, Final

import msgspec

from ingest.admission import Limits, time_ms, untimely, utc_offset_min
from ingest.effects import Provenance
from ingest.salvage import NOT_FINITE, UNFIT
from ingest.whereabouts import cell_at
from schemas.device_protocol import Rejected, Trace, VideoHeader
from schemas.video import MAX_FRAMES, MAX_SPAN_MS, VideoRecord, is_finite, times_fault
from schemas.vitals import stream_id

Message = Trace | VideoHeader
Taken = tuple[VideoRecord | None, list[Rejected]]

_JPEG_BEGINS: Final = b"\xff\xd8\xff"
_BESIDE: Final = ("background", "saturated", "motion")
_TYPES: Final[Mapping[str, type[Message]]] = {"trace": Trace, "video": VideoHeader}
_DETAILS: Final = {
    "times": f"1 to {MAX_FRAMES} numbers, ms after time, at most {MAX_SPAN_MS}",
    "rgb": "for each of times null or three numbers, 0 to 255",
    "background": "for each of times null or three numbers, 0 to 255",
    "saturated": "for each of times null or a share, 0 to 1",
    "motion": "for each of times null or a speed in face widths a second, 0 to 1000",
    "sizes": "for each of times the bytes of its picture",
    "encoding": "encoding is jpeg",
    "injected": "true or false",
    "time": "RFC 3339 text with an offset, or Unix milliseconds",
}
_BEYOND: Final = re.compile(r"Expected `(float|int)` [<>]=")
_PLACE: Final = re.compile(r"at `\$\[(\d+)\]")
COST_BYTES: Final = 65_536
"""A picture counts as one frame of a device's allowance for each so many bytes that it has."""


def cost(frames: int, size: int) -> int:
    """Return how many frames of its device's allowance a message takes."""
    return max(frames, -(-size // COST_BYTES))


def convert(kind: str, fields: Mapping[str, Any]) -> tuple[Message | None, list[Rejected]]:
    """Return the message of this kind that the fields make, and what of them was refused; unknown ones are ignored."""
    shape = _TYPES[kind]
    rejected: list[Rejected] = []
    good: dict[str, Any] = {}
    for field in msgspec.structs.fields(shape):
        if field.name not in fields:
            continue
        value = fields[field.name]
        try:
            msgspec.convert(value, field.type)
        except UNFIT as error:
            rejected.append(_refused(field.name, value, error))
        else:
            good[field.name] = value
    missing = [field.name for field in msgspec.structs.fields(shape) if field.required and field.name not in fields]
    rejected += [Rejected(0, name, "missing", _DETAILS.get(name, "")) for name in missing]
    if any(one.field not in _BESIDE for one in rejected):
        return None, rejected
    return msgspec.convert(good, shape), rejected


def trace_record(message: Trace, provenance: Provenance, *, received_us: int, limits: Limits) -> Taken:
    """Return the record of a trace, None where it is refused, and what of it was refused."""
    rejected = _refused_times(message, provenance, received_us=received_us, limits=limits)
    rejected += _refused_column("rgb", message.rgb, len(message.times))
    if rejected:
        return None, rejected
    beside: dict[str, Any] = {}
    for name in _BESIDE:
        column = getattr(message, name)
        wrong = [] if column is None else _refused_column(name, column, len(message.times))
        rejected += wrong
        beside[name] = None if wrong else column
    record = _record(message, provenance, received_us, kind="trace", rgb=message.rgb, **beside)
    return record, rejected


def video_record(
    message: VideoHeader, pictures: memoryview, provenance: Provenance, *, received_us: int, limits: Limits
) -> Taken:
    """Return the record of a message with pictures, None where it is refused, and what of it was refused."""
    rejected = _refused_times(message, provenance, received_us=received_us, limits=limits)
    if len(message.sizes) != len(message.times):
        rejected.append(Rejected(0, "sizes", "wrong_length", _DETAILS["sizes"]))
    elif sum(message.sizes) != len(pictures):
        detail = f"{sum(message.sizes)} bytes are promised, {len(pictures)} follow the header"
        rejected.append(Rejected(0, "sizes", "wrong_sum", detail))
    if rejected:
        return None, rejected
    ends = list(accumulate(message.sizes))
    frames = [bytes(pictures[end - size : end]) for end, size in zip(ends, message.sizes, strict=True)]
    for index, frame in enumerate(frames):
        if not frame.startswith(_JPEG_BEGINS):
            return None, [Rejected(index, "picture", "not_jpeg", "a picture is a JPEG")]
    return _record(message, provenance, received_us, kind="jpeg", frames=frames), []


def _record(message: Message, provenance: Provenance, received_us: int, **content: Any) -> VideoRecord:
    at_ms = time_ms(message.time)
    if at_ms is None:
        raise ValueError("A record is made of a message whose time was looked at.")
    return VideoRecord(
        wearer=provenance.wearer,
        stream_id=stream_id(provenance.device_number, "rppg"),
        device_number=provenance.device_number,
        boot=provenance.boot,
        seq=message.seq,
        time_ms=at_ms,
        utc_offset_min=utc_offset_min(message.time),
        received_ms=received_us // 1000,
        clock_offset_ms=provenance.clock_offset_ms,
        origin=provenance.origin,
        cell=cell_at(provenance, at_ms),
        injected=message.injected,
        firmware=provenance.firmware,
        offsets_ms=message.times,
        **content,
    )


def _refused_times(message: Message, provenance: Provenance, *, received_us: int, limits: Limits) -> list[Rejected]:
    """Return what is wrong with when the frames were taken: the first and the last must be believable."""
    if not is_finite(message.times):
        return [Rejected(0, "times", "not_finite", _DETAILS["times"])]
    wrong = times_fault(message.times)
    if wrong is not None:
        code, index, detail = wrong
        return [Rejected(index, "times", code, detail)]
    now_ms = received_us // 1000
    at_ms = time_ms(message.time)
    newest_ms = now_ms + limits.ahead_ms - provenance.correction_ms
    if at_ms is None or at_ms < now_ms - limits.retention_ms or at_ms + message.times[-1] > newest_ms:
        return [untimely(0, message.time, limits=limits, now_ms=now_ms)]
    return []


def _refused_column(name: str, column: list[Any], count: int) -> list[Rejected]:
    if len(column) != count:
        return [Rejected(0, name, "wrong_length", _DETAILS[name])]
    return [] if is_finite(column) else [Rejected(0, name, "not_finite", _DETAILS[name])]


def _refused(name: str, value: object, error: Exception) -> Rejected:
    """Return the code of what is wrong with one field."""
    said = str(error)
    code = "wrong_type"
    if name == "time":
        code = "naive_time" if isinstance(value, str) and "timezone" in said else "bad_time"
    if _holds(value, lambda item: item is NOT_FINITE):
        code = "not_finite"
    elif name == "encoding":
        code = "bad_encoding"
    elif said.startswith("Expected `array` of length <="):
        code = "too_many_frames"
    elif said.startswith("Expected `array` of length >="):
        code = "no_frames"
    elif _BEYOND.match(said):
        code = "out_of_range"
    place = _PLACE.search(said)
    return Rejected(int(place[1]) if place else 0, name, code, _DETAILS.get(name, ""))


def _holds(value: object, is_it: Callable[[object], bool]) -> bool:
    items = value if isinstance(value, list) else [value]
    return any(is_it(item) or (isinstance(item, list) and any(map(is_it, item))) for item in items)
