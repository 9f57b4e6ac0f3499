"""What the zones ask of a core: the frames of a bin of five minutes, its close, and the saves meanwhile."""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import h3.api.basic_int as h3
import numpy as np
import pyarrow as pa

from inference.zones.disclosure import LEAST
from infra.metrics.meter import PrometheusMeter
from schemas import scores
from schemas.scores import BIN_MS, SCORE_SCHEMA
from schemas.topics import PARTITIONS, SCORES, partition_of
from schemas.zones import BIN_MS as ZONE_BIN_MS
from stream_processors.families.zones import ZonesFamily
from stream_processors.hosts.saving import pack
from stream_processors.operators.zone_bins import GRACE_MS
from stream_processors.operators.zone_told import Definition
from stream_processors.ports import Record

_START_MS: Final = 1_767_225_600_000
_SAVES: Final = ZONE_BIN_MS // 30_000
_TIER0_RATE: Final = 0.01
_LEAST_TOLD: Final = 2 * LEAST
_TIME: Final = pa.timestamp("us", tz="UTC")


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneLoad:
    """So many wearers over the cells within `rings` of one, each scored every 5 s, `rows` of them in a frame."""

    wearers: int
    rows: int
    rings: int


class NoZones:
    """Nobody has defined a zone."""

    async def named(self, held: Mapping[str, Definition]) -> list[Definition]:
        """Return none."""
        del held
        return []


def zone_bins(*, wearers: int, bins: int) -> Iterator[list[Record]]:
    """Yield the records of each bin of five minutes: a score of each wearer; in one bin in the middle all are flagged.

    There are at least as many wearers as a zone needs to be told of.
    """
    many = max(wearers, _LEAST_TOLD)
    load = ZoneLoad(wearers=many, rows=many, rings=0)
    for number in range(bins):
        at_ms = _START_MS + number * ZONE_BIN_MS
        frames = dict(frames_of(load, flagged=number == bins // 2))
        yield [
            score_record(partition, frames.get(partition, scores.empty()), at_ms=at_ms, clock_ms=at_ms + ZONE_BIN_MS)
            for partition in range(PARTITIONS)
        ]


def measure_zones(load: ZoneLoad, *, progress: Callable[[int, int], None]) -> dict[str, float]:
    """Return CPU seconds of one bin by what they went into, and the share of a core that they are of five minutes.

    A first bin fills the state and is not counted.
    """
    frames = list(frames_of(load))
    state = ZonesFamily(NoZones(), PrometheusMeter()).open(None)
    slots = ZONE_BIN_MS // BIN_MS
    spent = {"take": 0.0, "close": 0.0, "save": 0.0}
    size = 0
    for slot in range(2 * slots):
        at_ms = _START_MS + slot * BIN_MS
        counted = slot >= slots
        for partition, batch in frames:
            record = score_record(partition, batch, at_ms=at_ms, clock_ms=at_ms + BIN_MS)
            begun = time.process_time()
            state.step(record)
            if counted:
                spent["take"] += time.process_time() - begun
        if counted and slot % (slots // _SAVES) == 0:
            begun = time.process_time()
            size = len(pack(state.snapshot()))
            spent["save"] += time.process_time() - begun
        progress(slot + 1, 2 * slots)
    end_ms = _START_MS + 2 * ZONE_BIN_MS + GRACE_MS
    begun = time.process_time()
    for partition in range(PARTITIONS):
        state.step(score_record(partition, scores.empty(), at_ms=end_ms, clock_ms=end_ms))
    spent["close"] = time.process_time() - begun
    share = sum(spent.values()) / (ZONE_BIN_MS / 1000)
    return {**spent, "frames": float(len(frames) * slots), "saved_mib": size / 2**20, "core_share": share}


def frames_of(load: ZoneLoad, *, flagged: bool = False) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Yield the frames of one bin of 5 s, by partition; only their times are still to be set."""
    draw = np.random.default_rng(1)
    disc = np.array(sorted(h3.grid_disk(h3.latlng_to_cell(52.52, 13.40, 8), load.rings)), dtype=np.uint64)
    ids = [uuid.UUID(int=number + 1).bytes for number in range(load.wearers)]
    cells = draw.choice(disc, load.wearers)
    by_partition: list[list[int]] = [[] for _ in range(PARTITIONS)]
    for number, one in enumerate(ids):
        by_partition[partition_of(one)].append(number)
    for partition, numbers in enumerate(by_partition):
        for start in range(0, len(numbers), load.rows):
            some = numbers[start : start + load.rows]
            yield partition, _batch([ids[one] for one in some], cells[some], draw, flagged=flagged)


def _batch(
    ids: list[bytes], cells: np.ndarray[Any, np.dtype[np.uint64]], draw: np.random.Generator, *, flagged: bool
) -> pa.RecordBatch:
    count = len(ids)
    whole = pa.array(np.full(count, 5, dtype=np.int32))
    none = pa.array(np.zeros(count, dtype=np.int32))
    told = {
        "wearer": scores.dictionary_ids(ids, np.arange(count, dtype=np.int32)),
        "bin": pa.array(np.zeros(count, dtype=np.int64)).cast(_TIME),
        "bin_ms": pa.array(np.full(count, BIN_MS, dtype=np.int32)),
        "tier": pa.array(np.full(count, -1, dtype=np.int8)),
        "tier0": pa.array((draw.random(count) < _TIER0_RATE / 60) | flagged),
        "tier0_rate": pa.array(np.full(count, _TIER0_RATE, dtype=np.float32)),
        "worn": pa.array(np.ones(count, dtype=np.bool_)),
        "at_rest": pa.array(draw.random(count) < 0.7),  # noqa: PLR2004 - any share serves
        "cell": pa.array(cells),
        "model": pa.array(["pulsenet-ridge 1"] * count).dictionary_encode(),
        "firmware": pa.array(["2.1"] * count).dictionary_encode(),
        "readings": whole,
        "late": none,
        "backfill": none,
        "received": pa.array(np.zeros(count, dtype=np.int64)).cast(_TIME),
        "z_heart_rate": pa.array(draw.normal(size=count).astype(np.float32)),
        "value_heart_rate": pa.array(draw.normal(70, 8, count).astype(np.float32)),
    }
    columns = [told[field.name] if field.name in told else pa.nulls(count, field.type) for field in SCORE_SCHEMA]
    return pa.RecordBatch.from_arrays(columns, schema=SCORE_SCHEMA)


def _at(batch: pa.RecordBatch, at_ms: int) -> pa.RecordBatch:
    place = SCORE_SCHEMA.get_field_index("bin")
    times = pa.array(np.full(batch.num_rows, at_ms * 1000)).cast(_TIME)
    columns = batch.columns
    columns[place] = times
    return pa.RecordBatch.from_arrays(columns, schema=SCORE_SCHEMA)


def score_record(partition: int, batch: pa.RecordBatch, *, at_ms: int, clock_ms: int) -> Record:
    """Return a record of `scores.v1` whose rows are all of the bin that begins at a time."""
    value = scores.encode(_at(batch, at_ms), clock_ms=clock_ms)
    return Record(topic=SCORES.name, partition=partition, offset=0, append_ms=clock_ms, key=None, value=value)
