"""The wire format of protocol buffers, read without a schema: what an ONNX file says is told without what runs it.

Source: https://protobuf.dev/programming-guides/encoding/ .
"""

from collections.abc import Iterator
from typing import Final

_VARINT, _BYTES = 0, 2
_FIXED: Final = {1: 8, 5: 4}
_MORE: Final = 0x80
_BITS_MOST: Final = 64


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the number and the value of each field of a message; lone fixed-size numbers as their bytes.

    Raises:
        ValueError: The bytes are no message.
    """
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            size, at = _varint(data, at)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise ValueError("There is no such kind of field.")
        if at + size > len(data):
            raise ValueError("A field reaches beyond its message.")
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data) and shift < _BITS_MOST:
        byte = data[at]
        value |= (byte & ~_MORE) << shift
        at, shift = at + 1, shift + 7
        if not byte & _MORE:
            return value, at
    raise ValueError("A number is cut off, or has over 64 bits.")
