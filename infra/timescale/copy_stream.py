"""Arrow columns as a PostgreSQL binary COPY stream, column by column, without a Python loop over rows.

Format: PostgreSQL manual, COPY, "Binary Format". Every value is a 4-byte length and its big-endian bytes; null is the
length -1 alone, so rows differ in size: offsets are summed first, then columns are scattered into their places, those
side by side that hold a value in every row as one.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

_SIGNATURE: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_EPOCH_US: Final = 946_684_800_000_000
"""PostgreSQL counts microseconds from 2000-01-01."""
_FLOAT4_OID: Final = 700
_LENGTH_BYTES: Final = 4
_ARRAY_HEAD_BYTES: Final = 20

_Offsets = npt.NDArray[np.int64]
_Bytes = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Column:
    """Bytes that each row needs, one number where all need as many, and the writer that puts them at rows' offsets."""

    sizes: npt.NDArray[np.int64] | int
    put: Callable[[_Bytes, _Offsets], None]


@dataclass(frozen=True, slots=True)
class _Whole:
    """A column with a value in every row, and the values' type in the stream."""

    values: npt.NDArray[np.generic]
    dtype: str


def copy_stream(batch: pa.RecordBatch, names: tuple[str, ...]) -> bytes:
    """Return the rows of the batch as a binary COPY stream of the columns `names`, in that order.

    Ids become uuid, text text, int8 and int16 smallint, int32 integer, int64 and uint64 bigint, timestamps
    timestamptz, float32 real with NaN as null, lists of float32 real[].
    """
    rows = batch.num_rows
    columns = list(_side_by_side(_column(batch.column(name)) for name in names))
    row_bytes: _Offsets = np.full(rows, 2, dtype=np.int64)
    for column in columns:
        row_bytes += column.sizes
    ends = np.cumsum(row_bytes)
    body = np.empty(int(ends[-1]) if rows else 0, dtype=np.uint8)
    offsets: _Offsets = ends - row_bytes
    _scatter(body, offsets, np.full(rows, len(names), dtype=">i2"))
    offsets = offsets + 2
    for column in columns:
        column.put(body, offsets)
        offsets = offsets + column.sizes
    return b"".join((_SIGNATURE, body.data, _TRAILER))


def _side_by_side(columns: Iterable[_Column | _Whole]) -> Iterator[_Column]:
    """Yield the columns in their order, whole ones next to each other as one."""
    run: list[_Whole] = []
    for column in columns:
        if isinstance(column, _Whole):
            run.append(column)
            continue
        if run:
            yield _joined(run)
            run = []
        yield column
    if run:
        yield _joined(run)


def _joined(columns: Sequence[_Whole]) -> _Column:
    kind = _block(tuple(column.dtype for column in columns))
    blocks = np.empty(columns[0].values.size, dtype=kind)
    for number, column in enumerate(columns):
        values = blocks[f"value{number}"]
        blocks[f"length{number}"] = values.dtype.itemsize
        values[...] = column.values
    return _Column(kind.itemsize, lambda body, offsets: _scatter(body, offsets, blocks))


@lru_cache(maxsize=256)
def _block(dtypes: tuple[str, ...]) -> np.dtype[np.void]:
    pairs = [((f"length{number}", ">i4"), (f"value{number}", dtype)) for number, dtype in enumerate(dtypes)]
    return np.dtype([part for pair in pairs for part in pair])


def _column(values: pa.Array) -> _Column | _Whole:
    kind = values.type
    if pa.types.is_dictionary(kind):
        return _ids(values) if pa.types.is_fixed_size_binary(kind.value_type) else _texts(values)
    if pa.types.is_list(kind):
        return _real_arrays(values)
    if pa.types.is_floating(kind):
        floats = np.asarray(values.to_numpy(zero_copy_only=False))
        return _fixed(floats, ">f4", ~np.isnan(floats))
    if pa.types.is_timestamp(kind):
        return _fixed(_plain(values.view(pa.int64())) - _EPOCH_US, ">i8", _known(values))
    return _fixed(_plain(values), _wire_integer(kind), _known(values))


def _known(values: pa.Array) -> npt.NDArray[np.bool_]:
    if values.null_count == 0:
        return np.ones(len(values), dtype=np.bool_)
    return np.asarray(values.is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)


def _plain(values: pa.Array) -> npt.NDArray[np.integer]:
    """Return integers or booleans, 0 or false where there is none."""
    if values.null_count:
        values = values.fill_null(False if pa.types.is_boolean(values.type) else 0)
    return np.asarray(values.to_numpy(zero_copy_only=False))


def _wire_integer(kind: pa.DataType) -> str:
    if pa.types.is_boolean(kind):
        return ">i1"
    return {8: ">i2", 16: ">i2", 32: ">i4", 64: ">i8"}[kind.bit_width]


def _fixed(values: npt.NDArray[np.generic], dtype: str, known: npt.NDArray[np.bool_]) -> _Column | _Whole:
    if known.all():
        return _Whole(values, dtype)
    some = _joined([_Whole(values[known], dtype)])

    def put(body: _Bytes, offsets: _Offsets) -> None:
        some.put(body, offsets[known])
        _put_nulls(body, offsets[~known])

    return _Column(np.where(known, some.sizes, _LENGTH_BYTES), put)


def _ids(values: pa.DictionaryArray) -> _Whole:
    index = _plain(values.indices)
    if not index.size:
        return _Whole(np.empty(0, dtype="V16"), "V16")
    ids = values.dictionary
    distinct: npt.NDArray[np.void] = np.frombuffer(ids.buffers()[1], dtype="V16")[ids.offset :]
    return _Whole(distinct[index], "V16")


def _texts(values: pa.DictionaryArray) -> _Column:
    distinct = [(text or "").encode() for text in values.dictionary.to_pylist()]
    absent = len(distinct)
    index = np.asarray(values.indices.fill_null(absent).to_numpy(zero_copy_only=False), dtype=np.int64)
    sizes = np.array([*(len(text) for text in distinct), 0], dtype=np.int64)

    def put(body: _Bytes, offsets: _Offsets) -> None:
        for code, text in enumerate(distinct):
            at = offsets[index == code]
            block = np.void(len(text).to_bytes(_LENGTH_BYTES, "big") + text)
            _scatter(body, at, np.full(at.size, block))
        _put_nulls(body, offsets[index == absent])

    return _Column(_LENGTH_BYTES + sizes[index], put)


def _real_arrays(values: pa.ListArray) -> _Column:
    known = _known(values)
    counts = _plain(values.value_lengths()).astype(np.int64)
    payload = _ARRAY_HEAD_BYTES + 8 * counts
    items = values.flatten()

    def put(body: _Bytes, offsets: _Offsets) -> None:
        _put_nulls(body, offsets[~known])
        at, many = offsets[known], counts[known]
        head = np.zeros((at.size, 6), dtype=">i4")
        head[:, 0] = payload[known]
        head[:, 1] = 1  # dimensions
        head[:, 3] = _FLOAT4_OID
        head[:, 4] = many
        head[:, 5] = 1  # lower bound
        _scatter(body, at, head.view("V24").ravel())
        before = np.cumsum(many) - many
        place = np.arange(int(many.sum()), dtype=np.int64) - np.repeat(before, many)
        blocks = np.empty(place.size, dtype=[("length", ">i4"), ("value", ">f4")])
        blocks["length"] = 4
        blocks["value"] = items.to_numpy(zero_copy_only=False)
        _scatter(body, np.repeat(at + _LENGTH_BYTES + _ARRAY_HEAD_BYTES, many) + 8 * place, blocks)

    return _Column(np.where(known, _LENGTH_BYTES + payload, _LENGTH_BYTES), put)


def _put_nulls(body: _Bytes, offsets: _Offsets) -> None:
    if offsets.size:
        _scatter(body, offsets, np.full(offsets.size, -1, dtype=">i4"))


def _scatter(body: _Bytes, offsets: _Offsets, blocks: npt.NDArray[np.generic]) -> None:
    """Write each block at its offset: `body` is seen as overlapping windows of the block's width."""
    if not offsets.size:
        return
    width = blocks.dtype.itemsize
    windows: npt.NDArray[np.void] = np.ndarray((body.size - width + 1,), dtype=f"V{width}", buffer=body, strides=(1,))
    windows[offsets] = blocks.view(f"V{width}")
