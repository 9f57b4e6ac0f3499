"""Scored bins as the columns of `scores.v1`."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from inference.slots import Ints
from schemas.frame import OFFSET_UNKNOWN
from schemas.scores import BIN_MS, SCORE_SCHEMA, dictionary_ids
from schemas.vitals import NAMES
from stream_processors.operators.bins import Bins
from stream_processors.operators.detector import Scores
from stream_processors.operators.gates import MOTION
from stream_processors.operators.readings import WORN
from stream_processors.operators.rest import Activity

_TIME: Final = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True)
class Wave:
    """One wave of wearers' bins with what was said of them."""

    bins: Bins
    activity: Activity
    scores: Scores
    tier: npt.NDArray[np.int8]


def batch(waves: list[Wave], ids: list[bytes], firmwares: list[str], *, model: str, late: Ints, backfill: Ints) -> Any:
    """Return the record batch of all waves of a step; `late` and `backfill` are counts by wearer slot, told once."""
    wearer = _joined([wave.bins.wearer for wave in waves])
    count = len(wearer)
    distinct, first, index = np.unique(wearer, return_index=True, return_inverse=True)
    told = np.zeros(count, dtype=np.bool_)
    told[first] = True
    score = _joined([wave.scores.combined for wave in waves])
    worn = _joined([wave.bins.worn for wave in waves])
    cell = _joined([wave.bins.cell for wave in waves]).view(np.uint64)
    offset = _joined([wave.bins.utc_offset_min for wave in waves])
    firmware = _joined([wave.bins.firmware for wave in waves])
    values = _joined([wave.bins.values for wave in waves]).astype(np.float32)
    columns = [
        dictionary_ids([ids[slot] for slot in distinct.tolist()], index.astype(np.int32)),
        _times(_joined([wave.bins.start_ms for wave in waves])),
        pa.array(np.full(count, BIN_MS, dtype=np.int32)),
        _floats(score.astype(np.float32)),
        pa.array(_joined([wave.tier for wave in waves])),
        pa.array(_joined([wave.scores.tier0 for wave in waves])),
        _numbers([wave.scores.tier0_rate for wave in waves]),
        _floats(values[:, MOTION]),
        pa.array(worn == WORN, mask=worn == 0),
        pa.array(_joined([wave.activity.at_rest for wave in waves])),
        pa.array(cell, mask=cell == 0),
        pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, dtype=np.int32)), pa.array([model])),
        pa.DictionaryArray.from_arrays(
            pa.array(firmware.astype(np.int32), mask=firmware < 0), pa.array(firmwares, pa.string())
        ),
        pa.array(_joined([wave.bins.readings for wave in waves]).astype(np.int32)),
        pa.array(np.where(told, late[wearer], 0).astype(np.int32)),
        pa.array(np.where(told, backfill[wearer], 0).astype(np.int32)),
        _times(_joined([wave.bins.received_ms for wave in waves])),
        *_by_vital(values),
        *_by_vital(_joined([wave.scores.z for wave in waves]).astype(np.float32)),
        *_by_vital(_joined([wave.scores.expected for wave in waves]).astype(np.float32)),
        _numbers([wave.scores.promised_rate for wave in waves]),
        _numbers([wave.scores.realised_rate for wave in waves]),
        _numbers([wave.scores.rate_days for wave in waves]),
        pa.array(offset.astype(np.int16), mask=offset == OFFSET_UNKNOWN),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCORE_SCHEMA)


def _joined(parts: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    return parts[0] if len(parts) == 1 else np.concatenate(parts)


def _times(milliseconds: Ints) -> pa.Array:
    return pa.array(milliseconds * 1000).cast(_TIME)


def _by_vital(matrix: npt.NDArray[np.float32]) -> list[pa.Array]:
    absent = np.asarray(np.isnan(matrix).all(axis=0))
    none = pa.nulls(len(matrix), pa.float32())
    return [none if absent[column] else _floats(matrix[:, column]) for column in range(len(NAMES))]


def _numbers(parts: list[npt.NDArray[Any]]) -> pa.Array:
    return _floats(_joined(parts).astype(np.float32))


def _floats(values: npt.NDArray[np.float32]) -> pa.Array:
    return pa.array(np.ascontiguousarray(values), from_pandas=True)
