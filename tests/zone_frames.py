"""Logs of scores for the zones: some wearers in two places, of whom many are flagged for a while."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import h3.api.basic_int as h3
import numpy as np
import pyarrow as pa

from schemas.scores import BIN_MS, SCORE_SCHEMA, ScoreFrame, decode, encode
from stream_processors.operators.zone_bins import ZONE_BIN_MS

START_MS = 1_767_225_600_000
STEP_MS = 150_000
HERE = sorted(h3.grid_disk(h3.latlng_to_cell(52.52, 13.40, 8), 1))
THERE = sorted(h3.grid_disk(h3.latlng_to_cell(52.30, 13.90, 8), 1))


@dataclass(frozen=True, kw_only=True)
class Crowd:
    """People of one place: in which bins all of them are flagged or away, from and up to which they are judged."""

    wearers: int
    cells: Sequence[int]
    flagged_in: frozenset[int] = frozenset()
    away_in: frozenset[int] = frozenset()
    moving: bool = False
    until_bin: int = 10_000
    judged_from: int = 0


def frame(
    rows: Sequence[tuple[int, int, bool, bool, int]], *, clock_ms: int, unjudged: Collection[int] = ()
) -> ScoreFrame:
    """Return one row each for (wearer, start of the bin, flagged, moving, cell), nothing judged of `unjudged`."""
    count = len(rows)
    wearer, at_ms, flagged, moving, cell = (list(column) for column in zip(*rows, strict=True)) if rows else [[]] * 5
    ids = [uuid.UUID(int=one + 1).bytes for one in wearer]
    time = pa.array([one * 1000 for one in at_ms], pa.int64()).cast(pa.timestamp("us", tz="UTC"))
    told = {
        "wearer": pa.array(ids, pa.binary(16)).dictionary_encode(),
        "bin": time,
        "bin_ms": pa.array([BIN_MS] * count, pa.int32()),
        "tier": pa.array([-1] * count, pa.int8()),
        "tier0": pa.array(flagged, pa.bool_()),
        "tier0_rate": pa.array([None if one in unjudged else 0.01 for one in wearer], pa.float32()),
        "at_rest": pa.array([not one for one in moving], pa.bool_()),
        "cell": pa.array(cell, pa.uint64()),
        "model": pa.array(["made 1"] * count, pa.string()).dictionary_encode(),
        "readings": pa.array([5] * count, pa.int32()),
        "late": pa.array([0] * count, pa.int32()),
        "backfill": pa.array([0] * count, pa.int32()),
        "received": time,
        "z_heart_rate": pa.array([None if one in unjudged else 0.1 * (one % 7) - 0.3 for one in wearer], pa.float32()),
    }
    columns = [told[field.name] if field.name in told else pa.nulls(count, field.type) for field in SCORE_SCHEMA]
    return decode(encode(pa.RecordBatch.from_arrays(columns, schema=SCORE_SCHEMA), clock_ms=clock_ms))


def log_of(crowds: Sequence[Crowd], *, bins: int, partitions: int, start_ms: int = START_MS) -> list[list[ScoreFrame]]:
    """Return by partition one record each two and a half minutes, with one scored bin of each of its wearers."""
    first = np.cumsum([0, *(crowd.wearers for crowd in crowds)]).tolist()
    log: list[list[ScoreFrame]] = [[] for _ in range(partitions)]
    for step in range(2 * bins):
        at_ms = start_ms + step * STEP_MS
        number = step * STEP_MS // ZONE_BIN_MS
        rows = [
            (first[place] + one, at_ms, number in crowd.flagged_in, crowd.moving, crowd.cells[one % len(crowd.cells)])
            for place, crowd in enumerate(crowds)
            for one in range(crowd.wearers)
            if number < crowd.until_bin and number not in crowd.away_in
        ]
        unjudged = {
            first[place] + one
            for place, crowd in enumerate(crowds)
            for one in range(crowd.wearers)
            if number < crowd.judged_from
        }
        for partition in range(partitions):
            own = [row for row in rows if row[0] % partitions == partition]
            log[partition].append(frame(own, clock_ms=at_ms + 7_000, unjudged=unjudged))
    return log
