"""The frame of readings: the unit of work on `readings.v1`.

One record is one Arrow IPC stream, schema included, with one record batch, so that any language can read the topic.
Columns are only ever added, nullable, and read by name; a frame names the registry version it was written with.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas import stream
from schemas.arrow_messages import is_compressed
from schemas.errors import FrameError, RegistryVersionError
from schemas.vitals import HRV_WINDOW_PLAUSIBLE_S, IBI_PLAUSIBLE_MS, NAMES, ORIGINS, REGISTRY_VERSION, VITALS

MAX_FRAME_BYTES: Final = 262_144
MAX_READINGS_PER_MESSAGE: Final = 500
CELL_RESOLUTION: Final = 8
"""Of the H3 cells in the column `cell`: 0.74 km2 on average."""
OFFSET_UNKNOWN: Final = -32_768
"""What stands for an offset from UTC that is not known, wherever a null cannot stand."""

UNREADABLE: Final = (pa.ArrowException, OSError, ValueError, IndexError)
"""What Arrow raises of bytes that are no stream."""
_DIGITS_MOST: Final = 18
_KIND: Final = b"pulsera.readings"
_ID: Final = pa.dictionary(pa.int32(), pa.binary(16))
_TIME: Final = pa.timestamp("us", tz="UTC")

_FIRST_COLUMN: Final = pa.ipc.IpcReadOptions(included_fields=[0])

_COUNTED: Final = ("stream_id", "device_number", "seq")
_NAMED: Final = ("wearer", "boot", "firmware")
CHECKED: Final = (*NAMES, "quality", "hrv_window_s")
_BOUNDS: Final = np.array([*[vital.plausible for vital in VITALS], (0, 1), HRV_WINDOW_PLAUSIBLE_S], dtype=np.float32)
_LOWEST, _HIGHEST = _BOUNDS.T
_ROW_LEAST_BYTES: Final = 32
"""A row of any of our frames takes more, so that a frame which claims more rows than its bytes can hold is refused."""

_IDENTITY_FIELDS: Final = [
    pa.field("wearer", _ID, nullable=False),
    pa.field("stream_id", pa.int64(), nullable=False),
    pa.field("device_number", pa.int32(), nullable=False),
    pa.field("boot", _ID, nullable=False),
    pa.field("seq", pa.int64(), nullable=False),
    pa.field("time", _TIME, nullable=False),
    pa.field("utc_offset_min", pa.int16()),
    pa.field("received", _TIME, nullable=False),
    pa.field("clock_offset_ms", pa.int32(), nullable=False),
    pa.field("cell", pa.uint64()),
    pa.field("origin", pa.int8(), nullable=False),
    pa.field("injected", pa.bool_(), nullable=False),
    pa.field("backfill", pa.bool_(), nullable=False),
    pa.field("quality", pa.float32()),
    pa.field("worn", pa.bool_()),
    pa.field("firmware", pa.dictionary(pa.int32(), pa.string())),
]
_VITAL_FIELDS: Final = [pa.field(name, pa.float32()) for name in NAMES]
_BEAT_FIELDS: Final = [pa.field("hrv_window_s", pa.float32()), pa.field("ibi", pa.list_(pa.float32()))]

FRAME_SCHEMA: Final = pa.schema(
    [*_IDENTITY_FIELDS, *_VITAL_FIELDS, *_BEAT_FIELDS],
    metadata={b"kind": _KIND, b"registry_version": str(REGISTRY_VERSION).encode()},
)
"""Columns of a frame. `time` is as the device sent it, cut to ms; `received` is the gateway's clock;
`clock_offset_ms` is server minus device clock at `hello`; `cell` an H3 index of resolution 8;
`origin` the index into `schemas.vitals.ORIGINS`. A vital that was not measured is null, never 0."""


_LAYOUT: Final = stream.Layout(FRAME_SCHEMA)


@dataclass(frozen=True, slots=True)
class Frame:
    """A decoded frame: one record batch with exactly the columns of `FRAME_SCHEMA`, vitals as NaN where null.

    `columns` are views of the bytes that the batch was read from, None where they are not known to lie there;
    `checked` the float columns `CHECKED`, side by side.
    """

    batch: pa.RecordBatch
    columns: stream.Columns | None = dataclasses.field(default=None, compare=False, repr=False)
    checked: npt.NDArray[np.float32] | None = dataclasses.field(default=None, compare=False, repr=False)

    @property
    def rows(self) -> int:
        """Number of readings; 0 is a heartbeat."""
        return int(self.batch.num_rows)

    def floats(self, name: str) -> npt.NDArray[np.float32]:
        """Return a float column, shape (rows,), NaN where there is no value."""
        if self.columns is not None:
            return self.columns.floats(name)
        column = self.batch.column(name)
        return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.float32)

    def matrix(self, names: Sequence[str]) -> npt.NDArray[np.float32]:
        """Return several float columns side by side, shape (rows, len(names)), NaN where there is no value."""
        if self.checked is not None and tuple(names) == CHECKED[: len(names)]:
            return self.checked[:, : len(names)]
        values = np.full((self.rows, len(names)), np.nan, dtype=np.float32)
        for place, name in enumerate(names):
            if not self.absent(name):
                values[:, place] = self.floats(name)
        return values

    def lists(self, name: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
        """Return a column of lists as all their values, one list after the other, and where each begins.

        Row k's are `values[starts[k]:starts[k + 1]]`; an absent list is empty. `starts` has the shape (rows + 1,).
        """
        starts = np.zeros(self.rows + 1, dtype=np.int64)
        if self.absent(name):
            return np.empty(0, dtype=np.float32), starts
        column = self.batch.column(name)
        np.cumsum(pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False), out=starts[1:])
        return np.asarray(column.flatten().to_numpy(zero_copy_only=False), dtype=np.float32), starts

    def integers(self, name: str) -> npt.NDArray[np.int64]:
        """Return an integer or time column as int64, shape (rows,); times are microseconds since 1970 UTC.

        An absent value is 0 (see `known` to tell them apart).
        """
        if self.absent(name):
            return np.zeros(self.rows, dtype=np.int64)
        if self.columns is not None:
            values = self.columns.values(name).astype(np.int64)
            return values if self.columns.null_count(name) == 0 else np.where(self.known(name), values, 0)
        column = self.batch.column(name)
        if pa.types.is_timestamp(column.type):
            column = column.view(pa.int64())
        if column.null_count:
            column = pc.fill_null(column, pa.scalar(0, column.type))
        return np.asarray(column.to_numpy(zero_copy_only=False)).astype(np.int64)

    def booleans(self, name: str) -> npt.NDArray[np.bool_]:
        """Return a boolean column, shape (rows,); null counts as False (see `known` to tell them apart)."""
        if self.absent(name):
            return np.zeros(self.rows, dtype=np.bool_)
        if self.columns is not None:
            values: npt.NDArray[np.bool_] = self.columns.values(name)
            return values if self.columns.null_count(name) == 0 else values & self.known(name)
        column = self.batch.column(name)
        if column.null_count:
            column = pc.fill_null(column, fill_value=False)
        return np.asarray(column.to_numpy(zero_copy_only=False), dtype=np.bool_)

    def known(self, name: str) -> npt.NDArray[np.bool_]:
        """Return where a column holds a value, shape (rows,)."""
        if self.columns is not None:
            return self.columns.known(name)
        return np.asarray(pc.is_valid(self.batch.column(name)).to_numpy(zero_copy_only=False), dtype=np.bool_)

    def absent(self, name: str) -> bool:
        """Does the column hold no value at all?"""
        nulls = self.batch.column(name).null_count if self.columns is None else self.columns.null_count(name)
        return bool(nulls == self.rows)

    def ids(self, name: str) -> tuple[list[bytes], npt.NDArray[np.int32]]:
        """Return the distinct 16-byte ids of a dictionary column and each row's index into them."""
        if self.columns is not None:
            return self.columns.dictionary(name), self.columns.values(name)
        column = self.batch.column(name)
        return _ids(column.dictionary), np.asarray(column.indices.to_numpy(zero_copy_only=False), dtype=np.int32)

    def texts(self, name: str) -> tuple[list[str], npt.NDArray[np.int32]]:
        """Return the distinct texts of a dictionary column and each row's index into them, -1 where it is null."""
        if self.absent(name):
            return [], np.full(self.rows, -1, dtype=np.int32)
        if self.columns is not None:
            codes: npt.NDArray[np.int32] = self.columns.values(name)
            return self.columns.dictionary(name), np.where(self.known(name), codes, np.int32(-1))
        column = self.batch.column(name)
        indices = pc.fill_null(column.indices, pa.scalar(-1, pa.int32()))
        return column.dictionary.to_pylist(), np.asarray(indices.to_numpy(zero_copy_only=False), dtype=np.int32)


def _ids(dictionary: pa.Array) -> list[bytes]:
    """Return what `to_pylist` does of 16-byte ids, in a twentieth of the time."""
    if len(dictionary) == 0 or dictionary.null_count:
        found: list[bytes] = dictionary.to_pylist()
        return found
    raw = dictionary.buffers()[1]
    ids: list[bytes] = np.frombuffer(raw, "V16", len(dictionary), 16 * dictionary.offset).tolist()
    return ids


def encode(batch: pa.RecordBatch) -> bytes:
    """Return one Arrow IPC stream that holds the batch.

    Raises:
        FrameError: The batch does not have the columns of `FRAME_SCHEMA`.
    """
    if not batch.schema.equals(FRAME_SCHEMA):
        raise FrameError("A frame must have exactly the columns of FRAME_SCHEMA, in order.")
    return write_stream(batch.replace_schema_metadata(FRAME_SCHEMA.metadata))


def decode(data: bytes) -> Frame:
    """Return the frame in `data`, its columns brought to `FRAME_SCHEMA` by name; unknown columns are left out.

    Raises:
        FrameError: The bytes are no readable frame, or a column has another type.
        RegistryVersionError: The frame was written with a newer registry than this process knows.
    """
    if data == _HEARTBEAT:
        return _NOTHING
    frame = _known_frame(data)
    if frame is None:
        batch = read_stream(data, kind=_KIND, registry_version=REGISTRY_VERSION)
        frame = Frame(conform(batch, FRAME_SCHEMA))
    return frame if frame.rows == 0 else _checked(frame)


def _known_frame(data: bytes) -> Frame | None:
    """Return the frame of a stream whose columns lie where our own writers put them, None for any other."""
    columns = stream.locate(data, _LAYOUT)
    if columns is None:
        return None
    try:
        batches = list(pa.ipc.open_stream(pa.py_buffer(data)))
        for batch in batches:
            batch.validate(full=True)
    except UNREADABLE as error:
        raise FrameError(f"The bytes are not an Arrow stream: {type(error).__name__}.") from error
    return Frame(batches[0], columns) if len(batches) == 1 else None


def wearers_of(data: bytes) -> frozenset[bytes]:
    """Return the 16-byte ids of the wearers that a frame of any kind names, without reading its other columns.

    Nobody else has rows in it; somebody without any may be named. What `decode` would refuse may pass.

    Raises:
        FrameError: The bytes are no Arrow stream with a column of wearers.
    """
    named = stream.first_dictionary(data, _LAYOUT)
    if named is not None:
        return frozenset(named)
    try:
        if is_compressed(data):
            raise FrameError("The frame is compressed: nobody can tell how much it would become.")
        reader = pa.ipc.open_stream(pa.py_buffer(data), options=_FIRST_COLUMN)
        if reader.schema.names != ["wearer"]:
            reader = pa.ipc.open_stream(pa.py_buffer(data))
        return frozenset(raw for batch in reader for raw in batch.column("wearer").dictionary.to_pylist())
    except (pa.ArrowException, OSError, ValueError, LookupError, AttributeError) as error:
        raise FrameError(f"The bytes name no wearers: {type(error).__name__}.") from error


def heartbeat() -> bytes:
    """Return the empty frame that a gateway appends to a partition it left silent."""
    return _HEARTBEAT


def _checked(frame: Frame) -> Frame:
    origin = frame.integers("origin")
    if origin.min() < 0 or origin.max() >= len(ORIGINS):
        raise FrameError("A frame names an origin that is not in the table of origins.")
    for name in _COUNTED:
        if frame.integers(name).min() < 0:
            raise FrameError(f"The column {name} holds a negative number.")
    if frame.columns is None:
        refuse_nameless(frame.batch, _NAMED)
    values = frame.matrix(CHECKED)
    outside = ((values < _LOWEST) | (values > _HIGHEST)).any(axis=0)
    if outside.any():
        raise FrameError(f"The column {CHECKED[int(outside.argmax())]} holds a value that no gateway lets through.")
    if not frame.absent("ibi"):
        intervals = frame.batch.column("ibi").flatten()
        known = intervals.to_numpy(zero_copy_only=False)
        if intervals.null_count or not ((known >= IBI_PLAUSIBLE_MS[0]) & (known <= IBI_PLAUSIBLE_MS[1])).all():
            raise FrameError("A list of beats holds one that no gateway lets through.")
    return Frame(frame.batch, frame.columns, values)


def refuse_nameless(batch: pa.RecordBatch, names: Sequence[str]) -> None:
    """Raise FrameError where a dictionary column names something that is null: no two batches of it can be joined."""
    for name in names:
        if batch.column(name).dictionary.null_count:
            raise FrameError(f"The dictionary of the column {name} holds a null.")


def write_stream(batch: pa.RecordBatch) -> bytes:
    """Return one Arrow IPC stream with this batch and its schema's metadata."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    data: bytes = sink.getvalue().to_pybytes()
    return data


def read_stream(data: bytes, *, kind: bytes, registry_version: int) -> pa.RecordBatch:
    """Return the single record batch of an Arrow IPC stream whose metadata name `kind`.

    Raises:
        FrameError: Not an Arrow stream, another kind, or not exactly one batch.
        RegistryVersionError: Written with a registry newer than `registry_version`.
    """
    try:
        batches, schema = _batches(data)
    except UNREADABLE as error:
        raise FrameError(f"The bytes are not an Arrow stream: {type(error).__name__}.") from error
    metadata = schema.metadata or {}
    if metadata.get(b"kind") != kind:
        raise FrameError(f"The stream is not of the kind {kind.decode()}.")
    written = metadata.get(b"registry_version", b"")
    if not written.isdigit() or len(written) > _DIGITS_MOST:
        raise FrameError("The frame does not name its registry version.")
    if int(written) > registry_version:
        raise RegistryVersionError(
            f"A frame was written with registry version {written.decode()}, this process knows {registry_version}: "
            "upgrade readers before writers."
        )
    if len(batches) != 1:
        raise FrameError(f"A frame holds one record batch, this one holds {len(batches)}.")
    return batches[0].replace_schema_metadata(metadata)


def rows_in(data: bytes) -> int:
    """Return how many rows a whole frame of any kind holds, 0 where the bytes are none."""
    try:
        batches, _ = _batches(data)
    except (FrameError, *UNREADABLE):
        return 0
    return sum(batch.num_rows for batch in batches)


def _batches(data: bytes) -> tuple[list[pa.RecordBatch], pa.Schema]:
    """Return the whole and valid record batches of a stream, and its schema.

    Raises:
        FrameError: It is compressed, or claims more rows than its bytes can hold.
    """
    if is_compressed(data):
        raise FrameError("The frame is compressed: nobody can tell how much it would become.")
    reader = pa.ipc.open_stream(pa.py_buffer(data))
    batches = list(reader)
    if sum(batch.num_rows for batch in batches) * _ROW_LEAST_BYTES > len(data):
        raise FrameError("The frame claims more rows than its bytes can hold.")
    for batch in batches:
        batch.validate(full=True)
    _ = reader.schema.names  # a name that is no UTF-8 fails here, and not wherever it is first looked at
    return batches, reader.schema


def pick(data: bytes, rows: npt.NDArray[np.int64]) -> bytes:
    """Return the frame with these rows alone, its schema and metadata as they were; for bytes that `rows_in` counts."""
    table = pa.ipc.open_stream(pa.py_buffer(data)).read_all().take(pa.array(rows)).combine_chunks()
    if table.num_rows == 0:
        empty = [pa.nulls(0, field.type) for field in table.schema]
        return write_stream(pa.RecordBatch.from_arrays(empty, schema=table.schema))
    return write_stream(table.to_batches()[0])


@lru_cache(maxsize=8)
def _required(schema: pa.Schema) -> tuple[int, ...]:
    return tuple(index for index, field in enumerate(schema) if not field.nullable)


def conform(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return the batch with exactly the columns of `schema`: by name, absent nullable ones null.

    Raises:
        FrameError: A required column is absent or holds nulls, a column has another type, or a name stands twice.
    """
    if batch.schema.equals(schema) and not any(batch.column(index).null_count for index in _required(schema)):
        return batch
    if len(set(batch.schema.names)) != batch.num_columns:
        raise FrameError("The frame holds two columns of one name.")
    columns = []
    for field in schema:
        index = batch.schema.get_field_index(field.name)
        if index < 0:
            if not field.nullable:
                raise FrameError(f"The column {field.name} is missing.")
            columns.append(pa.nulls(batch.num_rows, field.type))
            continue
        column = batch.column(index)
        if not column.type.equals(field.type):
            raise FrameError(f"The column {field.name} has the type {column.type}, expected {field.type}.")
        if not field.nullable and column.null_count:
            raise FrameError(f"The column {field.name} holds nulls.")
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=schema)


_HEARTBEAT: Final = encode(
    pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in FRAME_SCHEMA], schema=FRAME_SCHEMA)
)
_NOTHING: Final = Frame(conform(read_stream(_HEARTBEAT, kind=_KIND, registry_version=REGISTRY_VERSION), FRAME_SCHEMA))
