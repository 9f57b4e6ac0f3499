"""What happens to a group when a worker is stuck, or when the host is changed."""

from collections.abc import Sequence
from typing import Any

import pytest

from schemas.errors import DatabaseAwayError
from stream_processors.ports import OffsetMove, Record
from tests.conformance.worlds import PARTITIONS, World, until

pytestmark = [
    pytest.mark.timeout(120),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.parametrize("world", [pytest.param("aiokafka", marks=pytest.mark.connected)], indirect=True),
]


async def test_a_stuck_worker_lets_its_partitions_go(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for a database is dropped before its commit when another joins, and is written once all the same."""
    first, family = world.start_keeping()
    await until(lambda: first.runner.status()["partitions"] == PARTITIONS)
    write, away = family.write, [True]

    async def stuck(items: Sequence[tuple[Record, Any]], moves: Sequence[OffsetMove]) -> None:
        if away:
            raise DatabaseAwayError("away from this worker alone, on purpose")
        await write(items, moves)

    monkeypatch.setattr(family, "write", stuck)
    for partition in range(PARTITIONS):
        await world.append(*[b"value"] * 5, partition=partition)
    await until(lambda: first.runner.status()["waiting"])
    second, _ = world.start_keeping()
    await until(lambda: _rows_are(world, 5 * PARTITIONS // 2))
    assert second.runner.status()["partitions"] == PARTITIONS // 2
    away.clear()
    await until(lambda: _rows_are(world, 5 * PARTITIONS))
    rows = await world.sink_store.rows()
    assert len({row[1:3] for row in rows}) == len(rows) == 5 * PARTITIONS
    assert not first.task.done()


async def test_a_group_changes_its_host(world: World) -> None:
    """A worker on the one host goes on where one on the other stopped, once that member's name is forgotten."""
    world.kind = "faust"
    await world.append(*[b"value"] * 5)
    first = world.start_counting()
    await until(lambda: _count_is(world, 5))
    await first.stop()
    world.kind = "aiokafka"
    await world.append(*[b"value"] * 5)
    second = world.start_counting()
    await until(lambda: _count_is(world, 10))
    assert not second.task.done()


async def _count_is(world: World, count: int) -> bool:
    return len(await world.effects()) == count


async def _rows_are(world: World, count: int) -> bool:
    return len(await world.sink_store.rows()) == count
