"""Whether an Arrow stream is compressed, told from its messages before a single buffer is inflated.

The layout is that of Arrow's format/Message.fbs: a `Message` table whose header is a `RecordBatch`, or a
`DictionaryBatch` that holds one; the fourth field of a `RecordBatch` is its compression.
"""

import struct
from typing import Final

import pyarrow as pa

_MAGICS: Final = (b"\x04\x22\x4d\x18", b"\x28\xb5\x2f\xfd")
"""Every frame of LZ4, and of Zstandard (RFC 8878), begins with these; without them nothing is compressed."""

_HEADER_TYPE, _HEADER = 1, 2
_DICTIONARY_BATCH, _RECORD_BATCH = 2, 3
_DICTIONARY_DATA: Final = 1
_COMPRESSION: Final = 3


def is_compressed(data: bytes) -> bool:
    """Return whether any message of an Arrow stream says that its buffers are compressed.

    Raises:
        ArrowException: The bytes are no Arrow stream.
        ValueError: A message has no such layout.
    """
    if not any(magic in data for magic in _MAGICS):
        return False
    reader = pa.ipc.MessageReader.open_stream(pa.py_buffer(data))
    try:
        while True:
            if _says_so(reader.read_next_message().metadata.to_pybytes()):
                return True
    except StopIteration:
        return False
    except struct.error as error:
        raise ValueError("A message is cut short.") from error


def _says_so(message: bytes) -> bool:
    table = _unsigned(message, 0)
    kind = _field(message, table, _HEADER_TYPE)
    header = _field(message, table, _HEADER)
    if kind is None or header is None or message[kind] not in {_DICTIONARY_BATCH, _RECORD_BATCH}:
        return False
    batch = header + _unsigned(message, header)
    if message[kind] == _DICTIONARY_BATCH:
        inside = _field(message, batch, _DICTIONARY_DATA)
        if inside is None:
            return False
        batch = inside + _unsigned(message, inside)
    return _field(message, batch, _COMPRESSION) is not None


def _field(message: bytes, table: int, number: int) -> int | None:
    """Return where a table's field lies, None where it is left out (FlatBuffers: a vtable of 16-bit offsets)."""
    (back,) = struct.unpack_from("<i", message, table)
    vtable = table - back
    (size,) = struct.unpack_from("<H", message, vtable)
    at = 4 + 2 * number
    if at >= size:
        return None
    (offset,) = struct.unpack_from("<H", message, vtable + at)
    return table + offset if offset else None


def _unsigned(message: bytes, at: int) -> int:
    value: int = struct.unpack_from("<I", message, at)[0]
    return value
