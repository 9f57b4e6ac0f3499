"""What is read from a frame's bytes directly is what the general reader gives."""

from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from schemas import frame
from schemas.errors import FrameError, RegistryVersionError
from schemas.frame import FRAME_SCHEMA, Frame, conform, read_stream
from schemas.vitals import NAMES, REGISTRY_VERSION
from tests import made_frames

_FLOATS = (*NAMES, "quality", "hrv_window_s")
_INTEGERS = (
    "stream_id",
    "device_number",
    "seq",
    "time",
    "received",
    "clock_offset_ms",
    "utc_offset_min",
    "cell",
    "origin",
)
_BOOLEANS = ("injected", "backfill", "worn")


def optional(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return the strategy with None among its values."""
    return st.none() | values


rows = st.lists(
    st.fixed_dictionaries(
        {
            "wearer": st.integers(1, 4),
            "boot": st.integers(1, 3),
            "seq": st.integers(0, 2**40),
            "time": st.integers(10**15, 2 * 10**15),
            "clock_offset_ms": st.integers(-(10**6), 10**6),
            "utc_offset_min": optional(st.integers(-720, 840)),
            "cell": optional(st.integers(0, 2**63 - 1)),
            "origin": st.integers(0, 2),
            "injected": st.booleans(),
            "worn": optional(st.booleans()),
            "quality": optional(st.floats(0, 1, width=32)),
            "firmware": optional(st.sampled_from(["1.0", "2.0-\u00e9", ""])),
            "heart_rate": optional(st.floats(40, 180, width=32)),
            "spo2": optional(st.floats(80, 100, width=32)),
            "steps": optional(st.integers(0, 20)),
            "ibi": optional(st.lists(st.floats(400, 1200, width=32), max_size=3)),
        }
    ),
    min_size=1,
    max_size=20,
)


def general(data: bytes) -> Frame:
    """Return the frame as the general reader gives it."""
    kind, version = b"pulsera.readings", REGISTRY_VERSION
    return Frame(conform(read_stream(data, kind=kind, registry_version=version), FRAME_SCHEMA))


def assert_alike(one: Frame, other: Frame) -> None:
    """Compare every column through every way of reading it."""
    assert one.batch.equals(other.batch)
    for name in _FLOATS:
        np.testing.assert_array_equal(one.floats(name), other.floats(name))
    np.testing.assert_array_equal(one.matrix(_FLOATS), other.matrix(_FLOATS))
    for name in _INTEGERS:
        np.testing.assert_array_equal(one.integers(name), other.integers(name))
    for name in _BOOLEANS:
        np.testing.assert_array_equal(one.booleans(name), other.booleans(name))
    for name in FRAME_SCHEMA.names:
        np.testing.assert_array_equal(one.known(name), other.known(name))
        assert one.absent(name) == other.absent(name)
    for name in ("wearer", "boot"):
        assert one.ids(name)[0] == other.ids(name)[0]
        np.testing.assert_array_equal(one.ids(name)[1], other.ids(name)[1])
    assert one.texts("firmware")[0] == other.texts("firmware")[0]
    np.testing.assert_array_equal(one.texts("firmware")[1], other.texts("firmware")[1])


@given(rows)
def test_columns_are_views_of_what_was_written(given_rows: list[dict[str, Any]]) -> None:
    """Every column of a frame of ours is found in its bytes, and equals what the general reader gives."""
    data = frame.encode(made_frames.readings(*given_rows).batch)
    read = frame.decode(data)
    assert read.columns is not None
    assert_alike(read, general(data))


@given(rows, st.data())
def test_spoiled_bytes_are_refused_or_read_as_the_general_reader_reads_them(
    given_rows: list[dict[str, Any]], data: st.DataObject
) -> None:
    """A frame with some bytes changed raises the frame's own errors, or both ways of reading agree on it."""
    spoiled = bytearray(frame.encode(made_frames.readings(*given_rows).batch))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(spoiled) - 1))
        spoiled[at] = data.draw(st.integers(0, 255))
    try:
        read = frame.decode(bytes(spoiled))
    except (FrameError, RegistryVersionError):
        return
    assert_alike(read, general(bytes(spoiled)))


def test_a_frame_of_another_writer_is_read_all_the_same() -> None:
    """Columns in another order, or further ones, go through the general reader."""
    batch = made_frames.readings({"wearer": 1, "heart_rate": 61.0}, {"wearer": 2}).batch
    further = batch.append_column("extra", pa.array([1, 2]))
    data = frame.write_stream(further.select([*reversed(further.schema.names)]))
    read = frame.decode(data)
    assert read.columns is None
    np.testing.assert_array_equal(read.floats("heart_rate"), np.array([61.0, np.nan], dtype=np.float32))
