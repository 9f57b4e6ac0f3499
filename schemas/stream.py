"""The columns of an Arrow IPC stream as views of its bytes.

Asking a general reader for one column after another costs more than everything that is done with them. It goes on
judging whether a stream is sound; where the schema message is, byte for byte, the one that our own writers make, it
is then known where the columns lie, and `locate` finds them. For any other stream it returns None.

Format: Arrow columnar format, "IPC Streaming Format"; the metadata are flatbuffers.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_BEGIN: Final = b"\xff\xff\xff\xff"
_END: Final = _BEGIN + bytes(4)
_DICTIONARY, _BATCH = 2, 3
_ID_BYTES: Final = 16
_METADATA_MOST: Final = 4_096
"""Ours take less than half of it; what anybody else writes is not remembered at any size."""

Kind = Literal["numbers", "bits", "ids", "texts", "lists"]


@dataclass(frozen=True, slots=True)
class Field:
    """Where a column lies: its node, its first buffer (the validity), and the type of its values."""

    kind: Kind
    node: int
    buffer: int
    dtype: str
    dictionary: int


class Layout:
    """What every stream of one schema has in common.

    Attributes:
        head: The message that begins such a stream.
        required: Nodes of the columns that may hold no nulls.
    """

    def __init__(self, schema: pa.Schema) -> None:
        """Work out where the columns of a schema of ours lie."""
        self.head = bytes(schema.serialize())
        self.fields: dict[str, Field] = {}
        self.dictionaries: list[Kind] = []
        self.required: list[int] = []
        self.nodes = self.buffers = 0
        for column in schema:
            kind, dtype = _kind(column.type)
            if not column.nullable:
                self.required.append(self.nodes)
            self.fields[column.name] = Field(kind, self.nodes, self.buffers, dtype, len(self.dictionaries))
            if kind in {"ids", "texts"}:
                self.dictionaries.append(kind)
            self.nodes += 2 if kind == "lists" else 1
            self.buffers += 4 if kind == "lists" else 2


class Columns:
    """The columns of one record batch; arrays are views of the stream where nothing has to be filled in."""

    __slots__ = ("_data", "_dictionaries", "_layout", "_nulls", "_starts", "rows")

    def __init__(
        self, layout: Layout, data: bytes, *, rows: int, nulls: Sequence[int], starts: Sequence[int], texts: list[Any]
    ) -> None:
        self._layout = layout
        self._data = data
        self._nulls = nulls
        self._starts = starts
        self._dictionaries = texts
        self.rows = rows

    def null_count(self, name: str) -> int:
        """Return how many rows of a column are null."""
        return self._nulls[self._layout.fields[name].node]

    def known(self, name: str) -> npt.NDArray[np.bool_]:
        """Return where a column holds a value, shape (rows,)."""
        field = self._layout.fields[name]
        nulls = self._nulls[field.node]
        return np.full(self.rows, nulls == 0) if nulls in {0, self.rows} else self._bits(field.buffer)

    def values(self, name: str) -> npt.NDArray[Any]:
        """Return numbers, bits, or codes of a dictionary, shape (rows,); where the column is null they mean nothing."""
        field = self._layout.fields[name]
        if field.kind == "bits":
            return self._bits(field.buffer + 1)
        return np.frombuffer(self._data, field.dtype, self.rows, self._starts[field.buffer + 1])

    def floats(self, name: str) -> npt.NDArray[np.float32]:
        """Return a column of floats, NaN where there is no value, shape (rows,)."""
        nulls = self.null_count(name)
        if nulls == self.rows:
            return np.full(self.rows, np.nan, dtype=np.float32)
        values: npt.NDArray[np.float32] = self.values(name)
        return values if nulls == 0 else np.where(self.known(name), values, np.float32(np.nan))

    def dictionary(self, name: str) -> list[Any]:
        """Return the distinct values of a column of ids (bytes) or texts (str)."""
        found: list[Any] = self._dictionaries[self._layout.fields[name].dictionary]
        return found

    def _bits(self, buffer: int) -> npt.NDArray[np.bool_]:
        packed = np.frombuffer(self._data, np.uint8, (self.rows + 7) // 8, self._starts[buffer])
        return np.unpackbits(packed, count=self.rows, bitorder="little").view(np.bool_)


def locate(data: bytes, layout: Layout) -> Columns | None:
    """Return the columns of a stream, None where they are not laid out as known; look only at those of a sound one.

    A stream that is compressed, without rows, or with nulls where none may be, counts as one of another layout.
    """
    if not data.startswith(layout.head):
        return None
    try:
        return _located(data, layout)
    except (struct.error, ValueError, IndexError, OverflowError):
        return None


def first_dictionary(data: bytes, layout: Layout) -> list[Any] | None:
    """Return the values of a stream's first dictionary, None where it is not laid out as known."""
    if not data.startswith(layout.head):
        return None
    try:
        message, body = _message(data, len(layout.head))
        if message.kind != _DICTIONARY or message.number or message.nulls[0]:
            return None
        return _dictionary(data, body, message, layout.dictionaries[0])
    except (struct.error, ValueError, IndexError, OverflowError):
        return None


def _located(data: bytes, layout: Layout) -> Columns | None:
    at = len(layout.head)
    texts: list[Any] = []
    for number, kind in enumerate(layout.dictionaries):
        message, body = _message(data, at)
        if message.kind != _DICTIONARY or message.number != number or message.nulls[0]:
            return None
        texts.append(_dictionary(data, body, message, kind))
        at = body + message.length
    message, body = _message(data, at)
    if message.kind != _BATCH or data[body + message.length :] != _END or message.rows == 0:
        return None
    if len(message.nulls) != layout.nodes or len(message.starts) != layout.buffers:
        return None
    if any(message.nulls[node] for node in layout.required):
        return None
    starts = [body + start for start in message.starts]
    return Columns(layout, data, rows=message.rows, nulls=message.nulls, starts=starts, texts=texts)


class _Message(NamedTuple):
    """What the metadata of a message say: `starts` of buffers within the body of `length` bytes."""

    kind: int
    number: int
    rows: int
    nulls: Sequence[int]
    starts: Sequence[int]
    length: int


def _message(data: bytes, at: int) -> tuple[_Message, int]:
    """Return the message at a position, and where its body begins.

    Raises:
        ValueError: None begins there, or its metadata are larger than ours.
    """
    length = _u32(data, at + 4)
    if data[at : at + 4] != _BEGIN or length > _METADATA_MOST:
        raise ValueError("There is no message of ours.")
    body = at + 8 + length
    return _parsed(data[at + 8 : body]), body


@lru_cache(maxsize=512)
def _parsed(metadata: bytes) -> _Message:
    """Return what the metadata of a message say; messages with equal numbers of rows and nulls have equal ones.

    Raises:
        ValueError: It is neither a whole dictionary nor a record batch, or it is compressed.
    """
    _, kind_at, header_at, length_at = _fields(metadata, _u32(metadata, 0), 4)
    kind, header, number = metadata[kind_at], header_at + _u32(metadata, header_at), 0
    if kind == _DICTIONARY:
        number_at, data_at, delta = _fields(metadata, header, 3)
        number = _i64(metadata, number_at) if number_at else 0
        header = data_at + _u32(metadata, data_at)
        if delta and metadata[delta]:
            raise ValueError("A dictionary is told in parts.")
    elif kind != _BATCH:
        raise ValueError("A message is of another kind.")
    rows, nodes, buffers, compression = _fields(metadata, header, 4)
    if compression:
        raise ValueError("A message is compressed.")
    return _Message(
        kind,
        number,
        _i64(metadata, rows) if rows else 0,
        _pairs(metadata, nodes)[1::2],
        _pairs(metadata, buffers)[::2],
        _i64(metadata, length_at) if length_at else 0,
    )


def _dictionary(data: bytes, body: int, message: _Message, kind: Kind) -> list[Any]:
    start = body + message.starts[1]
    if kind == "ids":
        found: list[Any] = np.frombuffer(data, f"V{_ID_BYTES}", message.rows, start).tolist()
        return found
    bounds = struct.unpack_from(f"<{message.rows + 1}i", data, start) if message.rows else ()
    if any(end < begin for begin, end in pairwise(bounds)):
        raise ValueError("Texts of a dictionary overlap.")
    start = body + message.starts[2]
    return [data[start + begin : start + end].decode() for begin, end in pairwise(bounds)]


def _fields(data: bytes, table: int, count: int) -> Sequence[int]:
    """Return the positions of a flatbuffer table's first `count` fields, 0 for what is left out."""
    vtable: int = table - struct.unpack_from("<i", data, table)[0]
    held = min((struct.unpack_from("<H", data, vtable)[0] - 4) // 2, count)
    offsets = struct.unpack_from(f"<{held}H", data, vtable + 4)
    return [table + offset if offset else 0 for offset in offsets] + [0] * (count - held)


def _pairs(data: bytes, field: int) -> Sequence[int]:
    """Return the numbers of a vector of pairs of 64-bit integers."""
    begin = field + _u32(data, field)
    return struct.unpack_from(f"<{2 * _u32(data, begin)}q", data, begin + 4)


def _u32(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 4], "little")


def _i64(data: bytes, at: int) -> int:
    return int.from_bytes(data[at : at + 8], "little")


def _kind(of: pa.DataType) -> tuple[Kind, str]:
    if pa.types.is_dictionary(of):
        return ("ids" if pa.types.is_fixed_size_binary(of.value_type) else "texts"), "<i4"
    if pa.types.is_boolean(of):
        return "bits", ""
    if pa.types.is_list(of):
        return "lists", ""
    return "numbers", "<i8" if pa.types.is_timestamp(of) else np.dtype(of.to_pandas_dtype()).newbyteorder("<").str
