"""Scored bins of all partitions become closed bins of five minutes: once, in any order, when all clocks have passed."""

import uuid
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
import pytest

from inference.zones.bins import ClosedBin
from schemas.scores import BIN_MS, SCORE_SCHEMA, ScoreFrame, decode, empty, encode
from stream_processors.operators.zone_bins import GRACE_MS, ZONE_BIN_MS, ZoneBins

START_MS = 1_767_225_600_000
CELL = 0x881F8D4A03FFFFF
WEARERS = [uuid.UUID(int=number).bytes for number in range(1, 41)]


@dataclass(frozen=True)
class Row:
    """One scored bin as a test states it."""

    wearer: int
    at_ms: int
    z: float | None = 0.0
    tier0: bool = False
    at_rest: bool = True
    worn: bool | None = True
    cell: int | None = CELL
    late: int = 0
    rate: float | None = 0.01


def frame(rows: list[Row], *, clock_ms: int) -> ScoreFrame:
    """Return the rows as they lie on the topic."""
    if not rows:
        return decode(encode(empty(), clock_ms=clock_ms))
    told = {
        "wearer": pa.array([WEARERS[row.wearer] for row in rows], pa.binary(16)).dictionary_encode(),
        "bin": pa.array([row.at_ms * 1000 for row in rows]).cast(pa.timestamp("us", tz="UTC")),
        "bin_ms": pa.array([BIN_MS] * len(rows), pa.int32()),
        "tier": pa.array([-1] * len(rows), pa.int8()),
        "tier0": pa.array([row.tier0 for row in rows]),
        "tier0_rate": pa.array([row.rate for row in rows], pa.float32()),
        "worn": pa.array([row.worn for row in rows], pa.bool_()),
        "at_rest": pa.array([row.at_rest for row in rows]),
        "cell": pa.array([row.cell for row in rows], pa.uint64()),
        "model": pa.array(["pulsenet-ridge 1"] * len(rows)).dictionary_encode(),
        "firmware": pa.array([None if row.wearer % 2 else "2.1" for row in rows], pa.string()).dictionary_encode(),
        "readings": pa.array([5] * len(rows), pa.int32()),
        "late": pa.array([0] * len(rows), pa.int32()),
        "backfill": pa.array([row.late for row in rows], pa.int32()),
        "received": pa.array([row.at_ms * 1000 for row in rows]).cast(pa.timestamp("us", tz="UTC")),
        "z_heart_rate": pa.array([row.z for row in rows], pa.float32()),
    }
    columns = [told[field.name] if field.name in told else pa.nulls(len(rows), field.type) for field in SCORE_SCHEMA]
    return decode(encode(pa.RecordBatch.from_arrays(columns, schema=SCORE_SCHEMA), clock_ms=clock_ms))


def closing(bins: ZoneBins, partitions: int, *, past_ms: int = ZONE_BIN_MS + GRACE_MS) -> list[ClosedBin]:
    """Let every partition's clock pass, and return what that closes."""
    closed: list[ClosedBin] = []
    for partition in range(partitions):
        closed += bins.take(partition, frame([], clock_ms=START_MS + past_ms))
    return closed


def test_a_bin_tells_of_each_wearer_once() -> None:
    """Any flag counts, deviates are averaged, movement and lateness need most bins, an unknown place is left out."""
    rows = [
        *(Row(0, START_MS + at * BIN_MS, z=float(at), tier0=at == 2, at_rest=at == 0) for at in range(4)),
        *(Row(1, START_MS + at * BIN_MS, z=None, late=5 if at else 0) for at in range(3)),
        Row(2, START_MS, cell=None),
        Row(3, START_MS, worn=False),
    ]
    bins = ZoneBins(1)
    assert bins.take(0, frame(rows, clock_ms=START_MS)) == []
    (closed,) = closing(bins, 1)
    assert closed.start_ms == START_MS
    assert closed.cell.tolist() == [CELL, CELL]
    assert closed.flag.tolist() == [True, False]
    assert closed.rate.tolist() == pytest.approx([0.01, 0.01])
    assert closed.deviate[0] == pytest.approx(1.5)
    assert np.isnan(closed.deviate[1])
    assert closed.moving.tolist() == [True, False]
    assert closed.backfill.tolist() == [False, True]


def test_who_was_not_judged_is_not_there() -> None:
    """Rows without a rate make no wearer and no flag; with one they do, also without a deviate, and while moving."""
    rows = [
        *(Row(0, START_MS + at * BIN_MS, z=None, rate=None, tier0=True) for at in range(60)),
        *(Row(1, START_MS + at * BIN_MS, z=None, tier0=True) for at in range(60)),
        *(Row(2, START_MS + at * BIN_MS, at_rest=False) for at in range(60)),
    ]
    bins = ZoneBins(1)
    bins.take(0, frame(rows, clock_ms=START_MS))
    (closed,) = closing(bins, 1)
    told = dict(zip(closed.wearer.tolist(), zip(closed.flag, closed.moving, closed.rate, strict=True), strict=True))
    lost, moving = (int.from_bytes(WEARERS[number][8:]) for number in (1, 2))
    assert told == {lost: (True, False, 0.01), moving: (False, True, 0.01)}
    assert np.isnan(closed.deviate).tolist() == [wearer == lost for wearer in closed.wearer.tolist()]


def test_of_a_bin_judged_in_part_as_much_is_expected() -> None:
    """Who was judged for most of the bin is there, with that part of the rate and flags of that part alone."""
    rows = [
        Row(wearer, START_MS + at * BIN_MS, z=None, rate=None, tier0=True)
        if at < unjudged
        else Row(wearer, START_MS + at * BIN_MS)
        for wearer, unjudged in ((0, 15), (1, 30), (2, 45))
        for at in range(60)
    ]
    bins = ZoneBins(1)
    bins.take(0, frame(rows, clock_ms=START_MS))
    (closed,) = closing(bins, 1)
    assert closed.wearer.tolist() == [int.from_bytes(WEARERS[0][8:])]
    assert closed.rate.tolist() == pytest.approx([0.0075])
    assert closed.flag.tolist() == [False]


def test_a_rarely_measured_rate_is_watched_all_the_time() -> None:
    """One heart rate in five minutes is judged; rows of other vitals between take nothing from what is expected."""
    rows = [Row(0, START_MS + at * BIN_MS, z=0.3 if at == 20 else None) for at in range(60)]
    bins = ZoneBins(1)
    bins.take(0, frame(rows, clock_ms=START_MS))
    (closed,) = closing(bins, 1)
    assert (closed.rate.tolist(), closed.deviate.tolist()) == ([0.01], pytest.approx([0.3]))


def test_a_bin_waits_for_the_slowest_partition() -> None:
    """While one partition's clock stands, nothing closes and it is named; when it moves, all that is due does."""
    bins = ZoneBins(3)
    bins.take(0, frame([Row(0, START_MS), Row(0, START_MS + ZONE_BIN_MS)], clock_ms=START_MS))
    late_ms = START_MS + 2 * ZONE_BIN_MS + GRACE_MS
    assert bins.take(0, frame([], clock_ms=late_ms)) == []
    assert bins.take(1, frame([], clock_ms=late_ms)) == []
    assert bins.stalled() == [2]
    assert [one.start_ms for one in bins.take(2, frame([], clock_ms=late_ms))] == [START_MS, START_MS + ZONE_BIN_MS]
    assert bins.stalled() == []


def test_what_comes_for_a_closed_bin_is_counted_and_not_scored() -> None:
    """A row of a bin that has closed is late."""
    bins = ZoneBins(1)
    bins.take(0, frame([Row(0, START_MS)], clock_ms=START_MS))
    assert len(closing(bins, 1)) == 1
    assert bins.take(0, frame([Row(1, START_MS)], clock_ms=START_MS + ZONE_BIN_MS + GRACE_MS)) == []
    assert closing(bins, 1, past_ms=2 * ZONE_BIN_MS + GRACE_MS) == []
    assert bins.late == 1


def same(one: ClosedBin, other: ClosedBin) -> bool:
    """Return whether two closed bins are equal, bit for bit."""
    return all(
        np.array_equal(
            np.asarray(getattr(one, of.name)), np.asarray(getattr(other, of.name)), equal_nan=of.name == "deviate"
        )
        for of in fields(one)
    )


def test_shuffled_and_doubled_rows_give_the_same_bin() -> None:
    """Rows in any order, cut into frames anyhow and some of them twice, give the same closed bin bit for bit."""
    draw = np.random.default_rng(8)
    rows = [
        Row(wearer, START_MS + at * BIN_MS, z=round(float(draw.normal()), 4), tier0=bool(draw.random() < 0.05))
        for wearer in range(len(WEARERS))
        for at in range(0, 60, 7)
    ]
    plain, mixed = ZoneBins(2), ZoneBins(2)
    plain.take(0, frame(rows, clock_ms=START_MS))
    order = [*draw.permutation(len(rows)).tolist(), *draw.permutation(len(rows)).tolist()[:100]]
    for part in np.array_split(np.array(order), 9):
        mixed.take(int(draw.integers(2)), frame([rows[at] for at in part.tolist()], clock_ms=START_MS))
    (one,), (other,) = closing(plain, 2), closing(mixed, 2)
    assert same(one, other)


def test_saved_bins_go_on_as_if_they_had_not_been() -> None:
    """What was gathered before a dump closes after a load with the same bits."""
    bins, again = ZoneBins(1), ZoneBins(1)
    bins.take(0, frame([Row(wearer, START_MS + BIN_MS * wearer, z=0.3) for wearer in range(20)], clock_ms=START_MS))
    again.load(*bins.dump())
    more = frame([Row(wearer, START_MS + BIN_MS * 30, z=-0.1, tier0=True) for wearer in range(40)], clock_ms=START_MS)
    for gathered in (bins, again):
        gathered.take(0, more)
    (one,), (other,) = closing(bins, 1), closing(again, 1)
    assert same(one, other)
    assert len(one.cell) == len(WEARERS)


def test_wearers_who_are_gone_for_a_day_are_forgotten() -> None:
    """A slot is kept while its wearer reports; open bins keep theirs when slots are renumbered."""
    bins = ZoneBins(1)
    bins.take(0, frame([Row(wearer, START_MS) for wearer in range(40)], clock_ms=START_MS))
    day_ms = START_MS + 87_000_000 // ZONE_BIN_MS * ZONE_BIN_MS
    bins.take(0, frame([Row(30, day_ms)], clock_ms=day_ms))
    bins.take(0, frame([Row(31, day_ms + ZONE_BIN_MS)], clock_ms=day_ms + ZONE_BIN_MS + GRACE_MS))
    assert len(bins.dump()[0]) == 2
    (closed,) = bins.take(0, frame([], clock_ms=day_ms + 2 * ZONE_BIN_MS + GRACE_MS))
    assert closed.start_ms == day_ms + ZONE_BIN_MS
    assert closed.cell.tolist() == [CELL]
