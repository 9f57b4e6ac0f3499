"""The zones family: what it refuses, what it counts, and how it takes in definitions."""

import threading
from collections.abc import Mapping
from dataclasses import replace

import h3.api.basic_int as h3
import pytest

from schemas import scores
from schemas.errors import ContractError
from schemas.topics import PARTITIONS, SCORES
from stream_processors.families.zones import ZonesFamily, ZonesState
from stream_processors.operators.zone_told import Definition
from stream_processors.ports import Record
from tests.conformance.worlds import CountingMeter
from tests.zone_frames import HERE, START_MS, STEP_MS, frame

TWO_BINS_MS = 4 * STEP_MS


class NoZones:
    """Nobody has defined a zone."""

    async def named(self, held: Mapping[str, Definition]) -> list[Definition]:
        """Return none."""
        del held
        return []


class OneZone:
    """Somebody has defined a zone; it is sent to those alone who do not hold it."""

    def __init__(self) -> None:
        self.sent = 0

    async def named(self, held: Mapping[str, Definition]) -> list[Definition]:
        """Return it."""
        if "a" not in held:
            self.sent += 1
        return [held.get("a", Definition(zone_id="a", version=1, name="A", cells=tuple(HERE)))]


def record(rows: list[tuple[int, int, bool, bool, int]], *, clock_ms: int, partition: int = 0) -> Record:
    """Return a record of scores: (wearer, start of the bin, flagged, moving, cell)."""
    batch = frame(rows, clock_ms=clock_ms).frame.batch.replace_schema_metadata(scores.SCORE_SCHEMA.metadata)
    value = scores.encode(batch, clock_ms=clock_ms)
    return Record(topic=SCORES.name, partition=partition, offset=0, append_ms=clock_ms, key=None, value=value)


def passing(state: ZonesState, clock_ms: int) -> int:
    """Let the clocks of all partitions pass; return how much was told."""
    return sum(
        len(state.step(record([], clock_ms=clock_ms, partition=number)).emissions) for number in range(PARTITIONS)
    )


@pytest.mark.parametrize("cell", [5, h3.cell_to_parent(HERE[0], 7), HERE[0] ^ (1 << 20)])
def test_a_place_that_is_none_is_refused_before_it_changes_anything(cell: int) -> None:
    """The record is refused whole, the state is as it was, and the next bins close without it."""
    state = ZonesFamily(NoZones(), CountingMeter()).open(None)
    state.step(record([(1, START_MS, False, False, HERE[0])], clock_ms=START_MS))
    before = state.snapshot()
    with pytest.raises(ContractError, match="cell"):
        state.step(record([(2, START_MS, False, False, HERE[1]), (3, START_MS, False, False, cell)], clock_ms=START_MS))
    assert state.snapshot() == before
    assert passing(state, START_MS + TWO_BINS_MS) > 0


def test_the_state_tells_how_far_each_partition_is() -> None:
    """By the clocks of its records; one that was never heard of is where the oldest bin lies that waits for it."""
    family = ZonesFamily(NoZones(), CountingMeter())
    state = family.open(None)
    assert state.clocks() == {}
    told = record([(1, START_MS, False, False, HERE[0])], clock_ms=START_MS + 7_000, partition=3)
    assert family.clock_ms(told) == START_MS + 7_000
    state.step(told)
    again = family.open(state.snapshot())
    assert again.clocks() == {number: START_MS + (7_000 if number == 3 else 0) for number in range(PARTITIONS)}


def test_bytes_that_are_no_scores_carry_no_clock() -> None:
    """Whatever lies on the topic, its clock is told or it is not."""
    family = ZonesFamily(NoZones(), CountingMeter())
    plain = record([], clock_ms=START_MS)
    for value in (b"", b"\x00" * 64, b"\xff\xff\xff\xff", plain.value[:40], plain.value[8:]):
        assert family.clock_ms(replace(plain, value=value)) is None


def test_rows_that_are_found_late_while_saving_are_counted_too() -> None:
    """What is told as late is what the bins found late, whether a step or a save looked at it; each once."""
    meter = CountingMeter()
    family = ZonesFamily(NoZones(), meter)
    state = family.open(None)
    passing(state, START_MS + TWO_BINS_MS)
    state.step(record([(1, START_MS, False, False, HERE[0])], clock_ms=START_MS + TWO_BINS_MS))
    state.snapshot()
    passing(state, START_MS + 2 * TWO_BINS_MS)
    assert meter.counts["zone_late_total"] == 1
    passing(family.open(state.snapshot()), START_MS + 3 * TWO_BINS_MS)
    assert meter.counts["zone_late_total"] == 1


async def test_definitions_are_taken_in_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """The successor follows what is defined, is made in another thread, and is needed once."""
    threads: list[threading.Thread] = []
    snapshot = ZonesState.snapshot

    def seen(state: ZonesState) -> bytes:
        threads.append(threading.current_thread())
        return snapshot(state)

    monkeypatch.setattr(ZonesState, "snapshot", seen)
    defined = OneZone()
    family = ZonesFamily(defined, CountingMeter())
    blob = await family.successor(family.open(None))
    assert blob is not None
    assert threads
    assert threading.main_thread() not in threads
    follower = family.open(blob)
    assert list(follower.definitions()) == ["a"]
    assert await family.successor(follower) is None
    assert defined.sent == 1
