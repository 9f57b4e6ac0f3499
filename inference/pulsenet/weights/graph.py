"""How many numbers a network learned, counted in its ONNX file without the library that runs it.

Whoever asks what a model is need not load what judges with it. Only the lengths in the file are read (field numbers of
onnx.proto).
"""

from collections.abc import Iterator
from math import prod
from typing import Final

from inference.protobuf import fields

_GRAPH: Final = 7
_INITIALIZER: Final = 5
_DIMS: Final = 1
_DATA_TYPE: Final = 2
_FLOAT: Final = 1


def learned(data: bytes) -> int:
    """Return the count of the floating-point numbers in constants of more than one: the rest is form, not learned.

    Raises:
        ValueError: These are no bytes of a graph with such constants.
    """
    count = 0
    for graph in _parts(data, _GRAPH):
        for tensor in _parts(graph, _INITIALIZER):
            numbers = [(field, value) for field, value in fields(tensor) if isinstance(value, int)]
            size = prod(value for field, value in numbers if field == _DIMS)
            if size > 1 and (_DATA_TYPE, _FLOAT) in numbers:
                count += size
    if not count:
        raise ValueError("There is no graph with learned numbers.")
    return count


def _parts(data: bytes, field: int) -> Iterator[bytes]:
    return (value for number, value in fields(data) if number == field and isinstance(value, bytes))
