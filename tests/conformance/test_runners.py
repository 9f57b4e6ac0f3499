"""What a runner keeps whatever its host does, in memory: no host runs here, records are handed over by hand."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable

import pyarrow as pa
import pytest

from schemas import frame
from schemas.dead_letters import decode
from schemas.errors import ContractError, LogMismatchError
from schemas.topics import DEAD, READINGS
from stream_processors.families.vitals import VitalsFamily
from stream_processors.hosts.memory_log import MemoryLog
from stream_processors.hosts.runner import Place, Runner
from stream_processors.hosts.saving import unpack
from stream_processors.hosts.sink import SinkRunner
from stream_processors.hosts.stateful import StatefulRunner
from stream_processors.ports import Emission, Record, SavedState, Step
from tests.conformance.families import HUGE, Counting, CountingFamily, KeepingFamily
from tests.conformance.worlds import World, memory_world, until
from tests.vitals_frames import T0_MS, LoggedState, batch, reading


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A log and a database in memory, and no worker."""
    async with memory_world() as made:
        yield made


def counting(world: World) -> Runner:
    """Return a runner of the family with state."""
    return StatefulRunner(CountingFamily(world.name, world.topic, world.out), world._surroundings())


def keeping(world: World) -> Runner:
    """Return a runner of the sink."""
    return SinkRunner(KeepingFamily(world.name, (world.topic,), world.sink_store), world._surroundings())


def log_of(world: World) -> MemoryLog:
    """Return the log itself."""
    assert isinstance(world.reader, MemoryLog)
    return world.reader


async def hand_over(world: World, runner: Runner, start: int = 0) -> None:
    """Hand all records from `start` to the runner in one batch."""
    await runner.handle(log_of(world).slice(Place(world.topic, 0), start))


@pytest.mark.parametrize("made", [counting, keeping])
async def test_a_log_begun_anew_beneath_a_worker_stops_it(world: World, made: Callable[[World], Runner]) -> None:
    """Records whose offsets were handled already are repeats only as long as the log reaches that far."""
    runner = made(world)
    await world.append(b"a", b"b", b"c")
    await hand_over(world, runner)
    await hand_over(world, runner)
    await world.append(b"d")
    await hand_over(world, runner, start=3)
    log_of(world)._records.clear()
    await world.append(b"e")
    with pytest.raises(LogMismatchError):
        await hand_over(world, runner)


async def test_what_follows_a_refused_output_in_its_batch_is_told_once_and_rightly(world: World) -> None:
    """The outputs of later steps, which had counted the record that is set aside, never reach the log."""
    await world.append(b"a", HUGE, b"b", b"c")
    await hand_over(world, counting(world))
    assert [output for output in await world.effects() if output[0] > 1] == [[2, "b", 2], [3, "c", 3]]
    assert [letter.offset for letter in await world.letters()] == [1]


async def test_a_large_step_leaves_the_loop_free_and_is_not_saved_half_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that is stopped in the middle of a long step saves nothing that the step may still change."""
    entered, release, count = threading.Event(), threading.Event(), Counting.step

    def slow(state: Counting, record: Record) -> Step:
        if len(record.value) > 1_000:
            entered.set()
            release.wait(10)
        return count(state, record)

    monkeypatch.setattr(Counting, "step", slow)
    await world.append(b"a", b"b" * 40_000)
    runner = counting(world)
    await runner.handle(log_of(world).slice(Place(world.topic, 0), 0, 1))
    handling = asyncio.create_task(hand_over(world, runner, start=1))
    await until(entered.is_set)
    handling.cancel()
    await asyncio.wait({handling})
    await runner.stop()
    release.set()
    assert await world.saved() is None
    assert await world.outputs() == [[0, "a", 1]]


async def test_only_the_rows_that_break_a_state_are_set_aside(world: World) -> None:
    """The rows beside a failing one count as if it had not been, also when the state is computed again."""
    await world.append(b"a", b"b|boom|c|d|bad|e", b"boom", b"f", b"boom|g")
    await hand_over(world, counting(world))
    expected = [[0, "a", 1], [1, "b|c|d|e", 2], [3, "f", 3], [4, "g", 4]]
    assert await world.effects() == expected
    await hand_over(world, counting(world))
    assert await world.effects() == expected
    letters = {letter.offset: letter.value for letter in await world.letters()}
    assert letters == {1: b"boom|bad", 2: b"boom", 4: b"boom"}


async def test_only_the_rows_that_a_sink_cannot_take_are_set_aside(world: World) -> None:
    """Unreadable and refused rows become dead letters, their neighbours in the record become rows."""
    await world.append(b"a", b"b|bad|c", b"bad", b"d")
    runner = keeping(world)
    await hand_over(world, runner)
    assert [row[2:] for row in await world.sink_store.rows()] == [(0, "a"), (1, "b|c"), (3, "d")]
    await world.append(b"e|refused|f", b"g")
    await hand_over(world, runner, start=4)
    written = [row[2:] for row in (await world.sink_store.rows())[3:]]
    assert {word for _, text in written for word in text.split("|")} == {"e", "f", "g"}
    assert await world.saved_offset() == 6
    letters = {letter.offset: letter.value for letter in await world.letters()}
    assert letters == {1: b"bad", 2: b"bad", 4: b"refused"}


async def test_one_senseless_reading_costs_its_neighbours_nothing(world: World) -> None:
    """Of a frame of the vitals family only the reading that no gateway lets through becomes a dead letter."""
    rows = [reading(T0_MS, wearer=wearer, heart_rate=70.0) for wearer in range(9)]
    rows[4]["heart_rate"] = 1e6
    value = frame.encode(batch(rows))
    record = Record(topic=READINGS.name, partition=0, offset=0, append_ms=T0_MS, key=None, value=value)
    await world.publisher.publish([Emission(topic=READINGS.name, partition=0, key=None, value=value)])
    runner = StatefulRunner(VitalsFamily(), world._surroundings())
    await runner.handle([record])
    await runner.stop()
    state = VitalsFamily().open(0, unpack((await saved_vitals(world)).blob or b""))
    log = LoggedState(state)
    log.idle(T0_MS, 20)
    assert len(log.rows) == 8
    (letter,) = [decode(one.value) for one in log_of(world).slice(Place(DEAD.name, 0), 0)]
    assert pa.ipc.open_stream(letter.value).read_all()["heart_rate"].to_pylist() == [1e6]


async def saved_vitals(world: World) -> SavedState:
    """Return what the vitals family saved."""
    saved = await world.store.inner.load("vitals", READINGS.name, 0)
    assert saved is not None
    return saved


async def test_a_state_that_the_database_refuses_stops_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a state cannot be kept the worker goes on, and saves again when that works."""
    save, refusals = world.store.save, [ContractError("refused on purpose")]

    async def refuse(state: SavedState, *, expected: int | None) -> None:
        if refusals:
            raise refusals.pop()
        await save(state, expected=expected)

    monkeypatch.setattr(world.store, "save", refuse)
    world.save_every_s = 0.0
    runner = counting(world)
    for number in range(3):
        await world.append(b"a")
        await hand_over(world, runner, start=number)
    await runner.stop()
    assert not refusals
    assert await world.saved_offset() == 3


async def test_one_snapshot_waits_for_a_database_that_is_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the database is away, one partition's state waits for it, not all; at its return all are saved."""
    save, returned = world.store.save, asyncio.Event()

    async def wait(state: SavedState, *, expected: int | None) -> None:
        await returned.wait()
        await save(state, expected=expected)

    monkeypatch.setattr(world.store, "save", wait)
    world.save_every_s = 0.0
    runner = counting(world)
    for partition in range(3):
        await world.append(b"a", partition=partition)
        await runner.handle(log_of(world).slice(Place(world.topic, partition), 0))
    assert len([task for task in asyncio.all_tasks() if task.get_name().startswith("save ")]) == 1
    returned.set()
    await runner.stop()
    assert [await world.saved_offset(partition) for partition in range(3)] == [1, 1, 1]
