"""Made frames of readings: what a partition of so many wearers would see, the same for the same seed."""

from collections.abc import Iterator
from typing import Final
from uuid import UUID, uuid5

import numpy as np
import pyarrow as pa

from schemas.frame import FRAME_SCHEMA
from schemas.vitals import stream_id

SPACE: Final = UUID("7f1c1b1e-1c1f-5a53-9b46-0d6c1d2f9a10")
_T0_MS: Final = 1_795_000_000_000
_RACING_EVERY: Final = 50
_RACING_S: Final = 140
_RACING_BPM: Final = 130
_VITALS: Final = {
    "heart_rate": (60.0, 80.0),
    "spo2": (95.0, 99.0),
    "respiratory_rate": (12.0, 18.0),
    "skin_temperature": (32.0, 34.0),
    "motion": (0.0, 0.01),
    "hrv_rmssd": (30.0, 50.0),
}


def records(*, wearers: int, readings: int, seconds: int, seed: int = 1) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield (append time, batch): each wearer is read once a second, each at an own moment of the second.

    The heart of every fiftieth wearer, the first among them, races at rest from the first second on, and calms down
    after 140: episodes are opened, told and ended.
    """
    random = np.random.default_rng(seed)
    ids = [uuid5(SPACE, str(number)).bytes for number in range(wearers)]
    phase_ms = np.sort(random.integers(0, 1000, wearers))
    for second in range(seconds):
        for first in range(0, wearers, readings):
            rows = np.arange(first, min(first + readings, wearers))
            times = _T0_MS + second * 1000 + phase_ms[rows]
            racing = (rows % _RACING_EVERY == 0) & (second < _RACING_S)
            yield int(times.max()) + 45, frame_batch(ids, rows, times, random, racing=racing)


def frame_batch(
    ids: list[bytes],
    rows: np.ndarray,
    times: np.ndarray,
    random: np.random.Generator,
    *,
    racing: np.ndarray | None = None,
) -> pa.RecordBatch:
    """Return one reading of each wearer in `rows`, measured and received at `times` (ms), hearts racing where asked."""
    count = len(rows)
    index = pa.array(np.arange(count, dtype=np.int32))
    who = pa.DictionaryArray.from_arrays(index, pa.array([ids[row] for row in rows], pa.binary(16)))
    stamps = pa.array(times * 1000).cast(pa.timestamp("us", tz="UTC"))
    columns = {
        "wearer": who,
        "stream_id": pa.array((rows + 1) * 256 + stream_id(0, "watch")),
        "device_number": pa.array((rows + 1).astype(np.int32)),
        "boot": who,
        "seq": pa.array(np.arange(count)),
        "time": stamps,
        "received": stamps,
        "clock_offset_ms": pa.array(np.zeros(count, dtype=np.int32)),
        "origin": pa.array(np.zeros(count, dtype=np.int8)),
        "injected": pa.array(np.zeros(count, dtype=np.bool_)),
        "backfill": pa.array(np.zeros(count, dtype=np.bool_)),
        "quality": pa.array(random.uniform(0.7, 1.0, count).astype(np.float32)),
        "worn": pa.array(np.ones(count, dtype=np.bool_)),
        **{
            name: pa.array(random.uniform(low, high, count).astype(np.float32)) for name, (low, high) in _VITALS.items()
        },
    }
    if racing is not None:
        faster = columns["heart_rate"].to_numpy() + np.where(racing, _RACING_BPM, 0).astype(np.float32)
        columns["heart_rate"] = pa.array(faster)
    return pa.RecordBatch.from_arrays(
        [columns.get(field.name, pa.nulls(count, field.type)) for field in FRAME_SCHEMA], schema=FRAME_SCHEMA
    )
