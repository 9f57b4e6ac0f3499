"""Columns are looked for by position only where a stream is laid out as ours are, and at no cost beyond its bytes."""

import struct

import pyarrow as pa
import pytest

from schemas import frame, stream
from schemas.errors import FrameError
from schemas.frame import FRAME_SCHEMA
from tests import made_frames

_LAYOUT = stream.Layout(FRAME_SCHEMA)
_CONTINUATION = b"\xff\xff\xff\xff"


def written(*, firmwares: int = 1) -> bytes:
    """Return a frame with so many names of firmware, eight letters each."""
    return frame.encode(made_frames.readings(*({"firmware": f"{number:08}"} for number in range(firmwares))).batch)


def padded(data: bytes, more: int) -> bytes:
    """Return the stream with so many more bytes in the metadata of its first dictionary, which mean nothing."""
    at = len(_LAYOUT.head)
    (length,) = struct.unpack_from("<I", data, at + 4)
    end = at + 8 + length
    return data[: at + 4] + struct.pack("<I", length + more) + data[at + 8 : end] + bytes(more) + data[end:]


def test_ours_are_found() -> None:
    """What our own writers make is found by position."""
    found = stream.locate(written(firmwares=3), _LAYOUT)
    assert found is not None
    assert found.dictionary("firmware") == ["00000000", "00000001", "00000002"]


def test_metadata_larger_than_ours_are_left_to_the_general_reader() -> None:
    """Metadata are remembered, so that large ones, which only others write, are not: the frame is read all the same."""
    data = padded(written(), 64)
    assert stream.locate(data, _LAYOUT) is not None
    data = padded(written(), 65_536)
    assert stream.locate(data, _LAYOUT) is None
    assert stream.first_dictionary(data, _LAYOUT) is None
    assert frame.decode(data).batch.equals(frame.decode(written()).batch)


def test_texts_that_overlap_are_not_read() -> None:
    """A dictionary whose entries each span all its letters would take memory by the square of its bytes."""
    count = 2_000
    data = written(firmwares=count)
    bounds = struct.pack(f"<{count + 1}i", *range(0, 8 * count + 1, 8))
    assert data.count(bounds) == 1
    crossing = struct.pack(f"<{count + 1}i", *([0, 8 * count] * (count // 2)), 8 * count)
    spoiled = data.replace(bounds, crossing)
    assert stream.locate(spoiled, _LAYOUT) is None
    with pytest.raises(FrameError):
        frame.decode(spoiled)


def test_a_message_that_begins_otherwise_is_not_read() -> None:
    """Without the mark of a message Arrow takes the next four bytes for its length: positions would differ."""
    data = written()
    at = data.index(_CONTINUATION, len(_LAYOUT.head))
    spoiled = data[:at] + struct.pack("<I", 8) + data[at + 4 :]
    assert stream.locate(spoiled, _LAYOUT) is None


def test_a_stream_of_another_schema_is_not_looked_into() -> None:
    """Bytes that do not begin with the schema's own message hold no columns that are known."""
    data = frame.write_stream(pa.record_batch({"time": [1]}))
    assert stream.locate(data, _LAYOUT) is None
    assert stream.first_dictionary(data, _LAYOUT) is None
