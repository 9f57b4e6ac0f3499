"""A state that another is to follow: the change is saved first, and the new one tells what comes after the save."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

import pytest

from schemas.errors import StaleOwnerError
from stream_processors.hosts.memory_log import MemoryLog
from stream_processors.hosts.runner import Place
from stream_processors.hosts.stateful import StatefulRunner
from stream_processors.ports import Record, SavedState
from tests.conformance.families import Counting, CountingFamily
from tests.conformance.worlds import World, memory_world, until

LEAP = 1000


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A log and a database in memory, and no worker; a state is saved after every batch."""
    async with memory_world() as made:
        made.save_every_s = 0.0
        yield made


@dataclass
class Wish:
    """What somebody wants of the states; `asked` counts how often they looked."""

    leap: bool = False
    asked: int = 0


class Leaping(Counting):
    """Counts on from a thousand more once that is wanted."""

    def __init__(self, out: str, wish: Wish, count: int = 0) -> None:
        super().__init__(out, count)
        self._wish = wish

    def successor(self) -> bytes | None:
        """Return a count that is larger by a thousand, if it is wanted and was not done."""
        self._wish.asked += 1
        return str(self._count + LEAP).encode() if self._wish.leap and self._count < LEAP else None


@dataclass
class LeapingFamily(CountingFamily):
    """Makes `Leaping` states."""

    wish: Wish = field(default_factory=Wish)

    def open(self, partition: int, blob: bytes | None) -> Counting:  # noqa: ARG002 - all partitions are alike
        """Return a state that starts at zero or at the snapshot's count."""
        return Leaping(self.out, self.wish, 0 if blob is None else int(blob))


async def counted(world: World, runner: StatefulRunner, *values: bytes) -> list[int]:
    """Return what was counted after each of these records was handed over by itself."""
    place = Place(world.topic, 0)
    for value in values:
        await world.append(value)
        start = runner.position(place) or 0
        await until(lambda: not runner._saver.busy)
        await runner.handle(log_slice(world, start))
    return [count for _, _, count in await world.outputs()]


def log_slice(world: World, start: int) -> Sequence[Record]:
    """Return the records from `start` on."""
    assert isinstance(world.reader, MemoryLog)
    return world.reader.slice(Place(world.topic, 0), start)


def made(world: World, wish: Wish) -> StatefulRunner:
    """Return a runner of leaping states."""
    return StatefulRunner(LeapingFamily(world.name, world.topic, world.out, wish=wish), world._surroundings())


async def test_the_successor_is_saved_and_then_counts(world: World) -> None:
    """The record that led to the save is told by the old state, the next one by the new; a restart goes on from it."""
    wish = Wish()
    runner = made(world, wish)
    assert await counted(world, runner, b"a") == [1]
    wish.leap = True
    assert await counted(world, runner, b"b", b"c") == [1, 2, 1003]
    await runner.stop()
    assert await counted(world, made(world, wish), b"d") == [1, 2, 1003, 1004]
    assert wish.asked >= 3


async def test_a_successor_that_another_owner_overtook_is_dropped(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the row has moved on, neither state goes on: the row decides what is."""
    wish, save = Wish(leap=True), world.store.save

    async def overtaken(state: SavedState, *, expected: int | None) -> None:
        if state.blob is not None and wish.asked == 1:
            raise StaleOwnerError("overtaken on purpose")
        await save(state, expected=expected)

    monkeypatch.setattr(world.store, "save", overtaken)
    runner = made(world, wish)
    assert await counted(world, runner, b"a") == [1]
    assert runner.position(Place(world.topic, 0)) is None
    wish.leap = False
    assert json.dumps(await counted(world, runner, b"b")) == "[1, 1, 2]"
    await runner.stop()


async def test_while_the_database_is_away_nobody_follows(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A save that does not end is given up and the state dropped; what it was is restored when the row can be read."""
    wish, save, away = Wish(leap=True), world.store.save, asyncio.Event()

    async def wait(state: SavedState, *, expected: int | None) -> None:
        await away.wait()
        await save(state, expected=expected)

    monkeypatch.setattr(world.store, "save", wait)
    monkeypatch.setattr("stream_processors.hosts.stateful._SAVE_AT_REVOCATION_MOST_S", 0.05)
    runner = made(world, wish)
    assert await counted(world, runner, b"a") == [1]
    assert runner.position(Place(world.topic, 0)) is None
    away.set()
    wish.leap = False
    assert (await counted(world, runner, b"b"))[-1] == 2
    await runner.stop()
