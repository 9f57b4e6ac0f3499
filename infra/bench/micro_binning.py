"""Micro-benchmark of the unit of work: one frame encoded, decoded, and stepped through the vitals family.

`pulsera bench frames` prints microseconds a record, for a partition with so many known wearers.
"""

import time
from collections.abc import Iterator
from typing import Final
from uuid import UUID, uuid5

import numpy as np
import pyarrow as pa

from schemas import frame
from schemas.frame import FRAME_SCHEMA
from schemas.topics import READINGS
from schemas.vitals import stream_id
from stream_processors.families.vitals import VitalsFamily
from stream_processors.ports import Record

_SPACE: Final = UUID("7f1c1b1e-1c1f-5a53-9b46-0d6c1d2f9a10")
_T0_MS: Final = 1_795_000_000_000
_VITALS: Final = {
    "heart_rate": (60.0, 80.0),
    "spo2": (95.0, 99.0),
    "respiratory_rate": (12.0, 18.0),
    "skin_temperature": (32.0, 34.0),
    "motion": (0.0, 0.03),
    "hrv_rmssd": (30.0, 50.0),
}


def records(*, wearers: int, readings: int, seconds: int, seed: int = 1) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield (append time, batch): each wearer is read once a second, each at an own moment of the second."""
    random = np.random.default_rng(seed)
    ids = [uuid5(_SPACE, str(number)).bytes for number in range(wearers)]
    phase_ms = np.sort(random.integers(0, 1000, wearers))
    for second in range(seconds):
        for first in range(0, wearers, readings):
            rows = np.arange(first, min(first + readings, wearers))
            times = _T0_MS + second * 1000 + phase_ms[rows]
            yield int(times.max()) + 45, frame_batch(ids, rows, times, random)


def frame_batch(ids: list[bytes], rows: np.ndarray, times: np.ndarray, random: np.random.Generator) -> pa.RecordBatch:
    """Return one reading of each wearer in `rows`, measured and received at `times` (ms)."""
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
    return pa.RecordBatch.from_arrays(
        [columns.get(field.name, pa.nulls(count, field.type)) for field in FRAME_SCHEMA], schema=FRAME_SCHEMA
    )


def measure(*, wearers: int, readings: int, seconds: int) -> dict[str, float]:
    """Return mean microseconds a record of encode, decode and step, and the step's 99th percentile and maximum."""
    state = VitalsFamily().open(0, None)
    spent: dict[str, list[float]] = {"encode": [], "decode": [], "step": []}
    for offset, (append_ms, batch) in enumerate(records(wearers=wearers, readings=readings, seconds=seconds)):
        begin = time.process_time()
        value = frame.encode(batch)
        encoded = time.process_time()
        frame.decode(value)
        decoded = time.process_time()
        record = Record(topic=READINGS.name, partition=0, offset=offset, append_ms=append_ms, key=None, value=value)
        state.step(record)
        done = time.process_time()
        for name, amount in (("encode", encoded - begin), ("decode", decoded - encoded), ("step", done - decoded)):
            spent[name].append(amount)
    warm = len(spent["step"]) // 3
    steady = {name: np.array(values[warm:]) * 1e6 for name, values in spent.items()}
    figures = {f"{name}_us": float(values.mean()) for name, values in steady.items()}
    figures["step_p99_us"] = float(np.quantile(steady["step"], 0.99))
    figures["step_max_us"] = float(steady["step"].max())
    figures["snapshot_bytes"] = float(len(state.snapshot()))
    return figures


def main() -> None:
    """Print the figures for a partition of 1,000 and of 5,000 wearers, each frame 50 readings of other wearers."""
    for wearers in (1_000, 5_000):
        figures = measure(wearers=wearers, readings=50, seconds=45)
        words = ", ".join(f"{name} {value:.0f}" for name, value in figures.items())
        print(f"{wearers} wearers, 50 readings a frame: {words}")
