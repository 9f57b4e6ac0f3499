"""Offsets from UTC reach the closed bins of zones, and who tells none is not taken for somebody in Greenwich."""

import numpy as np
import pyarrow as pa

from inference.zones.bins import ClosedBin
from inference.zones.covariates import Recent
from inference.zones.monitor import Region
from schemas import scores
from schemas.frame import OFFSET_UNKNOWN
from schemas.scores import BIN_MS, SCORE_SCHEMA, ScoreFrame
from stream_processors.operators.zone_bins import GRACE_MS, ZONE_BIN_MS, ZoneBins

START_MS = 1_767_225_600_000
CELL = 0x881F8D4A03FFFFF
HERE = Region(
    test="count", score=20.0, recurrence_days=400.0, cells=np.array([CELL]), window_bins=1, flags=4, expected=0.4,
    wearers=40.0, mean_shift=0.0, factor=1.0,
)  # fmt: skip


def frame(offsets_min: list[int | None], *, clock_ms: int) -> ScoreFrame:
    """Return one scored bin of each of some wearers, by their offset; it lies 5 s before the clock."""
    bin_us = (clock_ms - BIN_MS) * 1000
    rows = [
        {
            "wearer": number.to_bytes(16, "big"), "bin": bin_us, "bin_ms": BIN_MS, "tier": 0, "tier0": False,
            "cell": CELL, "model": "m", "readings": 1, "late": 0, "backfill": 0, "received": bin_us,
            "utc_offset_min": offset_min, "tier0_rate": 0.01, "z_heart_rate": 0.0,
        }
        for number, offset_min in enumerate(offsets_min)
    ]  # fmt: skip
    return scores.decode(scores.encode(pa.RecordBatch.from_pylist(rows, schema=SCORE_SCHEMA), clock_ms=clock_ms))


def closed(*frames: list[int | None]) -> ClosedBin:
    """Return the bin that these frames make, 5 s apart."""
    bins = ZoneBins(1)
    for number, offsets_min in enumerate(frames, start=1):
        assert not bins.take(0, frame(offsets_min, clock_ms=START_MS + number * BIN_MS))
    [one] = bins.take(0, frame([], clock_ms=START_MS + ZONE_BIN_MS + GRACE_MS))
    return one


def test_a_bin_tells_the_newest_offset_of_each_wearer() -> None:
    """What was told last counts, and what was never told stays unknown, which is not 0."""
    told = closed([60, 0, None, -210], [120, 0, None, -210])
    assert told.offset_min.tolist() == [120, 0, OFFSET_UNKNOWN, -210]


def test_who_tells_no_offset_changes_no_clock() -> None:
    """Devices without an offset that come and go are no change of the clock; most of the others moving is one."""
    recent = Recent()
    for offsets_min in ([60, 60], [60, None, None, None], [None, None], [60, 60, 0]):
        recent.take(closed(11 * list(offsets_min)))
        assert "clock_change" not in recent.causes(HERE, START_MS).possible
    recent.take(closed(11 * [120, 120, 60, None, None, None]))
    assert "clock_change" in recent.causes(HERE, START_MS).possible
