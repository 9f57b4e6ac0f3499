"""A compressed stream is known by its messages, before anything in it is inflated."""

import pyarrow as pa
import pytest

from schemas import arrow_messages
from schemas.arrow_messages import is_compressed
from schemas.errors import FrameError
from schemas.frame import decode, rows_in, wearers_of
from tests.made_frames import readings


def stream(compression: str | None) -> bytes:
    """Return a frame as an Arrow stream with buffers compressed, or as they are."""
    batch = readings(*({"heart_rate": 70.0} for _ in range(500))).batch
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, batch.schema, options=options) as writer:
        writer.write_batch(batch)
    data: bytes = sink.getvalue().to_pybytes()
    return data


@pytest.mark.parametrize("compression", ["lz4", "zstd"])
def test_a_compressed_frame_is_refused_unread(compression: str) -> None:
    """Whatever it would become, nobody decodes it, counts its rows or looks for its wearers."""
    data = stream(compression)
    assert is_compressed(data)
    assert rows_in(data) == 0
    for read in (decode, wearers_of):
        with pytest.raises(FrameError, match="compressed"):
            read(data)


def test_a_plain_frame_that_happens_to_hold_the_magic_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The magic bytes alone prove nothing: the messages decide."""
    monkeypatch.setattr(arrow_messages, "_MAGICS", (b"",))
    assert not is_compressed(stream(None))
    assert is_compressed(stream("lz4"))


def test_more_rows_than_the_bytes_can_hold_are_refused() -> None:
    """A stream of nulls that names a million rows in a few bytes is no frame, and is not cut into its rows."""
    schema = pa.schema([pa.field("nothing", pa.null())], metadata={b"kind": b"pulsera.readings"})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays([pa.nulls(1_000_000)], schema=schema))
    data = sink.getvalue().to_pybytes()
    assert len(data) < 1_000
    assert rows_in(data) == 0
    with pytest.raises(FrameError, match="more rows"):
        decode(data)
