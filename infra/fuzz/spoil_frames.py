"""Spoils frames as Arrow sees them: types, columns, nulls, ranges, dictionaries, offsets, batches, compression."""

from collections.abc import Callable
from random import Random
from typing import Final

import numpy as np
import pyarrow as pa

from schemas.vitals import NAMES

_OTHER_TYPES: Final = (pa.float64(), pa.string(), pa.int32(), pa.null(), pa.list_(pa.float32()), pa.binary(16))
_NUMBERS: Final = (float("inf"), float("-inf"), float("nan"), -1.0, 1e30, -1e30, 3.4e38, 1e-45)
_TIMES_US: Final = (0, -1, 2**62, -(2**62), 946_684_799_999_999, 253_402_300_800_000_000)
_BOMB_ROWS: Final = 4_000_000


class FrameSpoiler:
    """Makes spoiled Arrow streams of record batches."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._ways: tuple[Callable[[pa.RecordBatch], bytes], ...] = (
            self._retyped, self._dropped, self._doubled, self._nulled, self._numbers, self._numbers, self._times,
            self._dictionary, self._text, self._beats, self._batches, self._compressed, self._metadata, self._bomb,
        )  # fmt: skip

    def spoil(self, batch: pa.RecordBatch) -> bytes:
        """Return an Arrow stream of the batch, spoiled in one way."""
        while True:
            try:
                return self._random.choice(self._ways)(batch)
            except pa.ArrowException:  # so broken that not even the writer takes it
                continue

    def _replaced(self, batch: pa.RecordBatch, name: str, column: pa.Array) -> bytes:
        fields = [pa.field(one.name, column.type) if one.name == name else one for one in batch.schema]
        columns = [column if one.name == name else batch.column(one.name) for one in batch.schema]
        schema = pa.schema(fields, metadata=batch.schema.metadata)
        return written(pa.RecordBatch.from_arrays(columns, schema=schema))

    def _retyped(self, batch: pa.RecordBatch) -> bytes:
        name = self._random.choice(batch.schema.names)
        return self._replaced(batch, name, pa.nulls(batch.num_rows, self._random.choice(_OTHER_TYPES)))

    def _dropped(self, batch: pa.RecordBatch) -> bytes:
        name = self._random.choice(batch.schema.names)
        kept = [one for one in batch.schema.names if one != name]
        return written(batch.select(kept))

    def _doubled(self, batch: pa.RecordBatch) -> bytes:
        place = self._random.randrange(batch.num_columns)
        fields = [*batch.schema, batch.schema.field(place)]
        schema = pa.schema(fields, metadata=batch.schema.metadata)
        return written(pa.RecordBatch.from_arrays([*batch.columns, batch.column(place)], schema=schema))

    def _nulled(self, batch: pa.RecordBatch) -> bytes:
        name = self._random.choice(batch.schema.names)
        return self._replaced(batch, name, pa.nulls(batch.num_rows, batch.schema.field(name).type))

    def _numbers(self, batch: pa.RecordBatch) -> bytes:
        floats = [one.name for one in batch.schema if one.type == pa.float32()]
        values = [self._random.choice(_NUMBERS) for _ in range(batch.num_rows)]
        return self._replaced(batch, self._random.choice(floats), pa.array(values, pa.float32()))

    def _times(self, batch: pa.RecordBatch) -> bytes:
        """Put an integer or a time beyond all bounds into one row."""
        whole = [one for one in batch.schema if pa.types.is_timestamp(one.type) or pa.types.is_integer(one.type)]
        field = self._random.choice(whole)
        if pa.types.is_timestamp(field.type):
            values = np.full(batch.num_rows, self._random.choice(_TIMES_US), dtype=np.int64)
            return self._replaced(batch, field.name, pa.array(values).view(field.type))
        bounds = np.iinfo(field.type.to_pandas_dtype())
        chosen = self._random.choice((bounds.min, bounds.max, min(2, bounds.max)))
        return self._replaced(batch, field.name, pa.array([int(chosen)] * batch.num_rows, field.type))

    def _dictionary(self, batch: pa.RecordBatch) -> bytes:
        """Point outside a dictionary, or at a null in it, or name an id twice."""
        field = self._random.choice([one for one in batch.schema if pa.types.is_dictionary(one.type)])
        ids = [b"x" * 16, None, b"x" * 16] if field.type.value_type != pa.string() else ["x", None, "x"]
        place = self._random.choice((-1, 0, 1, 2, 3, 2**31 - 1))
        indices = pa.array(np.full(batch.num_rows, place, dtype=np.int32))
        column = pa.DictionaryArray.from_arrays(indices, pa.array(ids, field.type.value_type), safe=False)
        return self._replaced(batch, field.name, column)

    def _text(self, batch: pa.RecordBatch) -> bytes:
        """Put text into a dictionary that is not UTF-8, or that no database takes."""
        field = self._random.choice([one for one in batch.schema if one.type == pa.dictionary(pa.int32(), pa.string())])
        raw = self._random.choice((b"\xff\xfe", b"\0", b"x" * 100_000, b"\xed\xa0\x80"))
        offsets = pa.py_buffer(np.array([0, len(raw)], dtype=np.int32))
        texts = pa.Array.from_buffers(pa.string(), 1, [None, offsets, pa.py_buffer(raw)])
        indices = pa.array(np.zeros(batch.num_rows, dtype=np.int32))
        return self._replaced(batch, field.name, pa.DictionaryArray.from_arrays(indices, texts, safe=False))

    def _beats(self, batch: pa.RecordBatch) -> bytes:
        """Give the lists of beats offsets that go back or beyond their values, or beats that nobody has."""
        if "ibi" not in batch.schema.names:
            return self._numbers(batch)
        rows = batch.num_rows
        beats = pa.array([*_NUMBERS, 800.0], pa.float32())
        kind = self._random.randrange(4)
        offsets = np.zeros(rows + 1, dtype=np.int32)
        if kind == 0:
            offsets[-1] = len(beats)
        elif kind == 1:
            offsets[:] = np.arange(rows + 1, dtype=np.int32)[::-1]
        elif kind == 2:
            offsets[-1] = 2**31 - 1
        else:
            offsets[0] = -4
        column = pa.ListArray.from_buffers(
            pa.list_(pa.float32()), rows, [None, pa.py_buffer(offsets)], children=[beats]
        )
        return self._replaced(batch, "ibi", column)

    def _batches(self, batch: pa.RecordBatch) -> bytes:
        return written(*[batch] * self._random.choice((0, 2, 3)), schema=batch.schema)

    def _compressed(self, batch: pa.RecordBatch) -> bytes:
        return written(batch, compression=self._random.choice(("lz4", "zstd")))

    def _bomb(self, batch: pa.RecordBatch) -> bytes:
        """Return a few KiB that say they are millions of rows."""
        columns = [pa.nulls(_BOMB_ROWS, pa.float32()) if one.name in NAMES else None for one in batch.schema]
        kept = [(field, column) for field, column in zip(batch.schema, columns, strict=True) if column is not None]
        if not kept:
            return self._compressed(batch)
        schema = pa.schema([field for field, _ in kept[:1]], metadata=batch.schema.metadata)
        return written(
            pa.RecordBatch.from_arrays([column for _, column in kept[:1]], schema=schema), compression="zstd"
        )

    def _metadata(self, batch: pa.RecordBatch) -> bytes:
        metadata = dict(batch.schema.metadata)
        name = self._random.choice([*metadata, b"kind"])
        metadata[name] = self._random.choice((b"", b"-1", b"1.0", b"\xff", b"9" * 5_000, "\u0661".encode()))
        return written(batch.replace_schema_metadata(metadata))


def written(*batches: pa.RecordBatch, schema: pa.Schema | None = None, compression: str | None = None) -> bytes:
    """Return one Arrow stream of the batches."""
    sink = pa.BufferOutputStream()
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with pa.ipc.new_stream(sink, schema or batches[0].schema, options=options) as writer:
        for batch in batches:
            writer.write_batch(batch)
    data: bytes = sink.getvalue().to_pybytes()
    return data
