"""How many numbers a network learned, counted in its ONNX file without the library that runs it.

Whoever asks what a model is need not load what judges with it. Only the lengths in the file are read (the protobuf wire
format: https://protobuf.dev/programming-guides/encoding/, with the field numbers of onnx.proto).
"""

from collections.abc import Iterator
from math import prod
from typing import Final

_GRAPH: Final = 7
_INITIALIZER: Final = 5
_DIMS: Final = 1
_DATA_TYPE: Final = 2
_FLOAT: Final = 1
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5
_FIXED: Final = {_EIGHT_BYTES: 8, _FOUR_BYTES: 4}
_MORE: Final = 0x80


def learned(data: bytes) -> int:
    """Return the count of the floating-point numbers in constants of more than one: the rest is form, not learned.

    Raises:
        ValueError: These are no bytes of a graph with such constants.
    """
    count = 0
    for graph in _parts(data, _GRAPH):
        for tensor in _parts(graph, _INITIALIZER):
            numbers = [(field, value) for field, value in _fields(tensor) if isinstance(value, int)]
            size = prod(value for field, value in numbers if field == _DIMS)
            if size > 1 and (_DATA_TYPE, _FLOAT) in numbers:
                count += size
    if not count:
        raise ValueError("There is no graph with learned numbers.")
    return count


def _parts(data: bytes, field: int) -> Iterator[bytes]:
    return (value for number, value in _fields(data) if number == field and isinstance(value, bytes))


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the number and the value of each field of a message; lone fixed-size numbers as their bytes."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        size, at = _varint(data, at) if kind == _BYTES else (_FIXED.get(kind, len(data)), at)
        if at + size > len(data):
            raise ValueError("A field reaches beyond its message.")
        yield key >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(data):
        byte = data[at]
        value |= (byte & ~_MORE) << shift
        at, shift = at + 1, shift + 7
        if not byte & _MORE:
            return value, at
    raise ValueError("A number is cut off.")
