"""Cursors: where the next page or the next update begins, in a form that clients pass on and do not read."""

import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import blake2b
from hmac import compare_digest
from secrets import token_bytes
from typing import Any
from uuid import UUID

import msgspec

from api.errors import RefusedError

_MICROSECOND = 1_000_000
_INT64_MOST = 2**63 - 1
_KEY_BYTES = 32
_NONCE_BYTES = 8
_MARK_BYTES = 8
_BLOCK_BYTES = 64


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
    """Return the cursor of a live topic: the next offset of each partition, veiled and sealed with what it is good for.

    Read in plain, the offsets of two moments would tell how many alerts there were meanwhile, whoever they are about.
    """
    body = msgspec.msgpack.encode([topic, *(part for pair in sorted(offsets.items()) for part in pair)])
    key, nonce = _key(seal), token_bytes(_NONCE_BYTES)
    return urlsafe_b64encode(nonce + _mark(key, nonce, body) + _veiled(key, nonce, body)).rstrip(b"=").decode()


def open_log(seal: str, topic: str, cursor: str) -> dict[int, int] | None:
    """Return the next offset of each partition in a live cursor; None where it is not one of this topic and seal.

    The seal finds damage, another log's offsets and another view. Its secret is the log's identity, which clients are
    not told; who finds it out and makes up a cursor misleads nobody else.
    """
    try:
        raw = urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        key, nonce, mark = _key(seal), raw[:_NONCE_BYTES], raw[_NONCE_BYTES : _NONCE_BYTES + _MARK_BYTES]
        body = _veiled(key, nonce, raw[_NONCE_BYTES + _MARK_BYTES :])
        if not compare_digest(mark, _mark(key, nonce, body)):
            return None
        named, *rest = msgspec.msgpack.decode(body, type=list[str | int])
    except (msgspec.MsgspecError, binascii.Error, ValueError, RecursionError):
        return None
    numbers = [part for part in rest if isinstance(part, int)]
    if named != topic or len(numbers) != len(rest) or len(numbers) % 2 or min(numbers, default=0) < 0:
        return None
    return dict(zip(numbers[::2], numbers[1::2], strict=True))


def _key(seal: str) -> bytes:
    return blake2b(seal.encode(), digest_size=_KEY_BYTES).digest()


def _mark(key: bytes, nonce: bytes, body: bytes) -> bytes:
    return blake2b(nonce + body, digest_size=_MARK_BYTES, key=key, person=b"mark").digest()


def _veiled(key: bytes, nonce: bytes, body: bytes) -> bytes:
    """Return the body under a stream of keyed hashes; the same again takes it off."""
    blocks = range(-(-len(body) // _BLOCK_BYTES))
    stream = b"".join(
        blake2b(nonce + bytes([block % 256, block // 256]), key=key, person=b"veil").digest() for block in blocks
    )
    return (int.from_bytes(body) ^ int.from_bytes(stream[: len(body)])).to_bytes(len(body))


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
