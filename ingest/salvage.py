"""The slow path: a message that does not fit its contract is taken apart, and what is wrong is named.

A bad vital is dropped and reported, a bad time or no vital left refuses the reading, the rest of the message is kept.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from schemas.device_protocol import Reading, Rejected
from schemas.vitals import BY_NAME, HRV_WINDOW_PLAUSIBLE_S, IBI_MOST, IBI_PLAUSIBLE_MS

UNFIT: Final = (msgspec.ValidationError, RecursionError, UnicodeError)
"""What a conversion raises for data from outside; UnicodeError for lone surrogates, which JSON can spell."""

_FIELDS: Final = {field.name: field.type for field in msgspec.structs.fields(Reading)}
_WHOLE: Final = ("source", "injected")
"""Fields without which a reading would be taken for something it is not."""
_TRUTHS: Final = ("worn", "injected")
_UNKNOWN_TOLD: Final = 8
_DIGITS_MOST: Final = 40
_NAME_MOST: Final = 64


class _NotFinite:
    """Stands where JSON held NaN, an infinity, or a number beyond what a float can hold."""


NOT_FINITE: Final = _NotFinite()


def _finite(text: str) -> float | _NotFinite:
    value = float(text)
    return value if math.isfinite(value) else NOT_FINITE


def _integer(text: str) -> int:
    # A number of thousands of digits is out of every range already at forty.
    return int(text[:_DIGITS_MOST])


def parse(data: bytes) -> dict[str, Any] | None:
    """Return the JSON object in `data`, or None if there is none; NaN and infinities become `NOT_FINITE`."""
    try:
        text = str(data, "utf-8", "surrogatepass")
        parsed = json.loads(text, parse_constant=lambda _: NOT_FINITE, parse_float=_finite, parse_int=_integer)
    except (ValueError, RecursionError):
        return None
    return parsed if isinstance(parsed, dict) else None


def unpack(data: bytes) -> dict[str, Any] | None:
    """Return the msgpack map in `data` as `parse` would return the same JSON, or None if there is none.

    NaN and infinities become `NOT_FINITE`; keys that are not text become text.
    """
    try:
        unpacked = _as_json(msgspec.msgpack.decode(data))
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):  # TypeError: an array or map as a key
        return None
    return unpacked if isinstance(unpacked, dict) else None


def _as_json(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else NOT_FINITE
    if isinstance(value, dict):
        return {key if isinstance(key, str) else str(key)[:_NAME_MOST]: _as_json(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_as_json(one) for one in value]
    return value


def readings(raw: list[Any]) -> tuple[list[tuple[int, Any]], list[Rejected]]:
    """Return the readings that can be kept, each with its index, and everything that was refused."""
    kept: list[tuple[int, Any]] = []
    rejected: list[Rejected] = []
    for index, item in enumerate(raw):
        reading = _reading(index, item, rejected)
        if reading is not None:
            kept.append((index, reading))
    return kept, rejected


def _reading(index: int, raw: Any, rejected: list[Rejected]) -> Any | None:
    if not isinstance(raw, dict):
        rejected.append(Rejected(index, "reading", "wrong_type", "a reading is an object"))
        return None
    try:
        return msgspec.convert(raw, Reading)
    except UNFIT:
        pass  # taken apart field by field below, so that what is wrong is named
    good: dict[str, Any] = {}
    unknown: list[str] = []
    for name, value in raw.items():
        if name not in _FIELDS:
            unknown.append(name)
            continue
        code = _fault(name, value)
        if code is None:
            good[name] = value
        elif name in _WHOLE:
            rejected.append(Rejected(index, "reading", "bad_source" if name == "source" else code, _detail(name, code)))
            return None
        else:
            rejected.append(Rejected(index, name, code, _detail(name, code)))
    rejected.extend(_unknown(index, unknown))
    if "time" in good:
        return msgspec.convert(good, Reading)
    if "time" not in raw:
        rejected.append(Rejected(index, "time", "bad_time", "a reading needs a time"))
    return None


def _unknown(index: int, names: list[str]) -> list[Rejected]:
    told = [
        Rejected(index, name, "ambiguous_hrv", "say hrv_rmssd or hrv_sdnn")
        if name == "hrv"
        else Rejected(index, printable(name), "unknown_field")
        for name in names[:_UNKNOWN_TOLD]
    ]
    more = len(names) - _UNKNOWN_TOLD
    if more > 0:
        told.append(Rejected(index, "reading", "unknown_field", f"and {more} more unknown fields"))
    return told


def printable(name: str) -> str:
    """Return a name from outside so that it can be sent back: no lone surrogates, and short."""
    return name[:_NAME_MOST].encode("utf-8", "replace").decode()


def _fault(name: str, value: Any) -> str | None:
    """Return the code of what is wrong with one field, None if nothing is."""
    try:
        msgspec.convert(value, _FIELDS[name])
    except UNFIT as error:
        return time_fault(value, error) if name == "time" else _value_fault(name, value)
    return None


def time_fault(value: object, error: Exception) -> str:
    """Return the code of what is wrong with a time that could not be converted."""
    if value is NOT_FINITE:
        return "not_finite"
    if isinstance(value, str) and "timezone" in str(error):
        return "naive_time"
    return "bad_time"


def _value_fault(name: str, value: Any) -> str:
    values = value if isinstance(value, list) and name == "ibi" else [value]
    if any(item is NOT_FINITE for item in values):
        return "not_finite"
    numbers = all(isinstance(item, int | float) and not isinstance(item, bool) for item in values)
    if not numbers or name in _TRUTHS or (name == "ibi" and values is not value):
        return "wrong_type"
    return "out_of_range"


def _range_text(name: str) -> str:
    if name in BY_NAME:
        low, high = BY_NAME[name].plausible
        return f"{low:g} to {high:g} {BY_NAME[name].unit}"
    ranges: Mapping[str, str] = {
        "quality": "0 to 1",
        "hrv_window_s": f"{HRV_WINDOW_PLAUSIBLE_S[0]:g} to {HRV_WINDOW_PLAUSIBLE_S[1]:g} s",
        "ibi": f"up to {IBI_MOST} intervals of {IBI_PLAUSIBLE_MS[0]:g} to {IBI_PLAUSIBLE_MS[1]:g} ms",
    }
    return ranges.get(name, "")


def _detail(name: str, code: str) -> str:
    details: Mapping[str, str] = {
        "not_finite": "NaN, infinity or a number beyond a float: leave the field out instead",
        "out_of_range": _range_text(name),
        "naive_time": "write the offset, such as Z or +02:00",
        "bad_time": "RFC 3339 text with an offset, or Unix milliseconds",
    }
    if name == "time" and code == "not_finite":
        return details["bad_time"]
    if name == "source":
        return "source is watch, phone, rppg or manual"
    return details.get(code, f"{name} has the wrong type")
