"""Cursors: where the next page or the next update begins, in a form that clients pass on and do not read."""

import binascii
import zlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from api.errors import RefusedError

_MICROSECOND = 1_000_000
_INT64_MOST = 2**63 - 1
_SEAL_BYTES = 4


def page_cursor(kind: str, *key: datetime | UUID | int) -> str:
    """Return the cursor of a list: the key of its last item."""
    parts = [_micros(part) if isinstance(part, datetime) else part for part in key]
    return _pack([kind, *parts])


def open_page(kind: str, cursor: str | None, *types: type) -> tuple[Any, ...] | None:
    """Return the key in a list's cursor, None where there is no cursor.

    Raises:
        RefusedError: The cursor is not one of this list.
    """
    if cursor is None:
        return None
    parts = _unpack(cursor)
    if len(parts) != len(types) + 1 or parts[0] != kind:
        raise _refusal()
    try:
        return tuple(_typed(part, wanted) for part, wanted in zip(parts[1:], types, strict=True))
    except (TypeError, ValueError, OverflowError) as error:
        raise _refusal() from error


def log_cursor(seal: str, topic: str, offsets: Mapping[int, int]) -> str:
    """Return the cursor of a live topic: the next offset of each partition, sealed with what it is good for."""
    body = msgspec.msgpack.encode([topic, *(part for pair in sorted(offsets.items()) for part in pair)])
    return urlsafe_b64encode(_seal(seal, body) + body).rstrip(b"=").decode()


def open_log(seal: str, topic: str, cursor: str) -> dict[int, int] | None:
    """Return the next offset of each partition in a live cursor; None where it is not one of this topic and seal.

    The seal finds damage, another log's offsets and another view. It is no secret: who makes up a cursor misleads
    nobody else.
    """
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        if raw[:_SEAL_BYTES] != _seal(seal, raw[_SEAL_BYTES:]):
            return None
        named, *rest = msgspec.msgpack.decode(raw[_SEAL_BYTES:], type=list[str | int])
    except (msgspec.MsgspecError, binascii.Error, ValueError, RecursionError):
        return None
    numbers = [part for part in rest if isinstance(part, int)]
    if named != topic or len(numbers) != len(rest) or len(numbers) % 2 or min(numbers, default=0) < 0:
        return None
    return dict(zip(numbers[::2], numbers[1::2], strict=True))


def _seal(seal: str, body: bytes) -> bytes:
    return zlib.crc32(body, zlib.crc32(seal.encode())).to_bytes(_SEAL_BYTES, "big")


def _pack(parts: list[Any]) -> str:
    return urlsafe_b64encode(msgspec.msgpack.encode(parts)).rstrip(b"=").decode()


def _unpack(cursor: str) -> list[Any]:
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        return msgspec.msgpack.decode(raw, type=list[Any])
    except (msgspec.MsgspecError, binascii.Error, ValueError, RecursionError) as error:
        raise _refusal() from error


def _typed(part: Any, wanted: type) -> Any:
    if wanted is datetime:
        return datetime.fromtimestamp(part / _MICROSECOND, UTC)
    if wanted is UUID:
        if not isinstance(part, str):
            raise TypeError
        return UUID(part)
    if isinstance(part, bool) or not isinstance(part, int):
        raise TypeError
    if abs(part) > _INT64_MOST:
        raise OverflowError
    return part


def _micros(moment: datetime) -> int:
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * _MICROSECOND + moment.microsecond


def _refusal() -> RefusedError:
    return RefusedError(422, "bad_cursor", "The cursor is not one that this list gave.", field="cursor")
