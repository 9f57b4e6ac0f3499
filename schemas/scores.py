"""The frame of scores on `scores.v1`: what the vitals family thought of each bin, and its clock."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.errors import FrameError
from schemas.frame import UNREADABLE, Frame, conform, read_stream, refuse_nameless, write_stream
from schemas.vitals import NAMES, REGISTRY_VERSION

BIN_MS: Final = 5_000

RATES: Final = ("tier0_rate", "promised_rate", "realised_rate", "rate_days")
"""What the model promises, and what came of it."""

_DIGITS_MOST: Final = 18
_KIND: Final = b"pulsera.scores"
_NAMED: Final = ("wearer", "model", "firmware")
_ID: Final = pa.dictionary(pa.int32(), pa.binary(16))
_TEXT: Final = pa.dictionary(pa.int32(), pa.string())

SCORE_SCHEMA: Final = pa.schema(
    [
        pa.field("wearer", _ID, nullable=False),
        pa.field("bin", pa.timestamp("us", tz="UTC"), nullable=False),
        pa.field("bin_ms", pa.int32(), nullable=False),
        pa.field("score", pa.float32()),
        pa.field("tier", pa.int8(), nullable=False),
        pa.field("tier0", pa.bool_(), nullable=False),
        pa.field("tier0_rate", pa.float32()),
        pa.field("motion", pa.float32()),
        pa.field("worn", pa.bool_()),
        pa.field("at_rest", pa.bool_()),
        pa.field("cell", pa.uint64()),
        pa.field("model", _TEXT, nullable=False),
        pa.field("firmware", _TEXT),
        pa.field("readings", pa.int32(), nullable=False),
        pa.field("late", pa.int32(), nullable=False),
        pa.field("backfill", pa.int32(), nullable=False),
        pa.field("received", pa.timestamp("us", tz="UTC"), nullable=False),
        *[pa.field(f"value_{name}", pa.float32()) for name in NAMES],
        *[pa.field(f"z_{name}", pa.float32()) for name in NAMES],
        *[pa.field(f"expected_{name}", pa.float32()) for name in NAMES],
        *[pa.field(name, pa.float32()) for name in RATES[1:]],
        pa.field("utc_offset_min", pa.int16()),
    ],
    metadata={b"kind": _KIND, b"registry_version": str(REGISTRY_VERSION).encode(), b"clock_ms": b"0"},
)
"""One row a scored bin. `bin` is its start; `score` the combined score, null where nothing could be scored;
`readings` how many readings (identities) lie in it;
`received` the newest gateway receipt among them; `value_*` the binned observation, `expected_*` and `z_*` what the
model expected of it and how far off it was. `late` and `backfill` count the wearer's readings since its last row.
`tier0_rate` is the share of bins that the flag `tier0` is calibrated to, null where it has none, and where no heart
rate is expected of the wearer yet: most of what may raise the flag is deaf then; `promised_rate` the most alerts a day
that this wearer is promised, `realised_rate` those that there were over `rate_days` days; null where there is none.
`utc_offset_min` is local time minus UTC of the newest reading in the bin, null where its device did not tell."""


@dataclass(frozen=True, slots=True)
class ScoreFrame:
    """Scores and the writer's clock: the largest append time of `readings.v1` that the writer had seen."""

    frame: Frame
    clock_ms: int

    @property
    def rows(self) -> int:
        """Number of scored bins; 0 is a heartbeat that carries the clock alone."""
        return self.frame.rows


def encode(batch: pa.RecordBatch, *, clock_ms: int) -> bytes:
    """Return one Arrow IPC stream with the scores and the writer's clock.

    Raises:
        FrameError: The batch does not have the columns of `SCORE_SCHEMA`.
    """
    if not batch.schema.equals(SCORE_SCHEMA):
        raise FrameError("A frame of scores must have exactly the columns of SCORE_SCHEMA, in order.")
    metadata = {**SCORE_SCHEMA.metadata, b"clock_ms": str(clock_ms).encode()}
    return write_stream(batch.replace_schema_metadata(metadata))


def decode(data: bytes) -> ScoreFrame:
    """Return the scores in `data`.

    Raises:
        FrameError: The bytes are no readable frame of scores.
        RegistryVersionError: Written with a newer registry than this process knows.
    """
    batch = read_stream(data, kind=_KIND, registry_version=REGISTRY_VERSION)
    clock = batch.schema.metadata.get(b"clock_ms", b"")
    if not clock.isdigit() or len(clock) > _DIGITS_MOST:
        raise FrameError("A frame of scores does not carry its writer's clock.")
    conformed = conform(batch, SCORE_SCHEMA)
    refuse_nameless(conformed, _NAMED)
    return ScoreFrame(Frame(conformed), int(clock))


def clock_of(data: bytes) -> int | None:
    """Return the writer's clock without reading any column, None where the bytes do not tell of one."""
    try:
        clock = (pa.ipc.read_schema(pa.py_buffer(data)).metadata or {}).get(b"clock_ms", b"")
    except UNREADABLE:
        return None
    return int(clock) if clock.isdigit() and len(clock) <= _DIGITS_MOST else None


def empty() -> pa.RecordBatch:
    """Return a batch of no scores."""
    return pa.RecordBatch.from_arrays([pa.nulls(0, field.type) for field in SCORE_SCHEMA], schema=SCORE_SCHEMA)


def dictionary_ids(ids: list[bytes], index: npt.NDArray[np.int32]) -> pa.DictionaryArray:
    """Return a dictionary column of 16-byte ids."""
    return pa.DictionaryArray.from_arrays(pa.array(index, pa.int32()), pa.array(ids, pa.binary(16)))
