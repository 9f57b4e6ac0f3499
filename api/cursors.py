"""Cursors: where the next page or the next update begins, in a form that clients pass on and do not read."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from api.errors import RefusedError

_MICROSECOND = 1_000_000
_INT64_MOST = 2**63 - 1


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


def log_cursor(topic: str, offsets: Mapping[int, int]) -> str:
    """Return the cursor of a live topic: the next offset of each partition."""
    return _pack([topic, *(part for pair in sorted(offsets.items()) for part in pair)])


def open_log(topic: str, cursor: str) -> dict[int, int]:
    """Return the next offset of each partition in a live cursor.

    Raises:
        RefusedError: The cursor is not one of this topic.
    """
    parts = _unpack(cursor)
    numbers = parts[1:]
    whole = all(isinstance(number, int) and not isinstance(number, bool) and number >= 0 for number in numbers)
    if parts[:1] != [topic] or len(numbers) % 2 or not whole:
        raise _refusal()
    return dict(zip(numbers[::2], numbers[1::2], strict=True))


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
