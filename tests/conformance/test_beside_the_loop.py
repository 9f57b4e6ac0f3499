"""Where a runner does its work: what would hold the loop is done in another thread."""

import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from schemas import frame
from schemas.topics import READINGS
from stream_processors.families.vitals import VitalsFamily, VitalsState
from stream_processors.hosts.lane import ON_LOOP_MOST_BYTES
from stream_processors.hosts.runner import Place
from stream_processors.hosts.stateful import StatefulRunner
from stream_processors.ports import Record, Step
from tests.conformance.families import Counting, CountingFamily
from tests.conformance.worlds import World, memory_world
from tests.made_model import detector
from tests.vitals_frames import T0_MS, batch, reading


@pytest.fixture
async def world() -> AsyncIterator[World]:
    """A log and a database in memory, and no worker."""
    async with memory_world() as made:
        yield made


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> list[threading.Thread]:
    """Note in which thread each second part of a step is done, of states that divide theirs."""
    noted: list[threading.Thread] = []
    done = VitalsState.finish

    def finish(state: VitalsState) -> Step:
        noted.append(threading.current_thread())
        return done(state)

    monkeypatch.setattr(VitalsState, "finish", finish)
    return noted


def runner_of(world: World) -> StatefulRunner:
    """Return a runner of the vitals family, under a made-up anomaly model."""
    return StatefulRunner(VitalsFamily(detector), world._surroundings())


def record(offset: int, append_ms: int, readings: list[dict[str, Any]]) -> Record:
    """Return a record of readings, a heartbeat without any."""
    value = frame.encode(batch(readings)) if readings else frame.heartbeat()
    return Record(topic=READINGS.name, partition=0, offset=offset, append_ms=append_ms, key=None, value=value)


async def test_little_work_is_done_on_the_loop(world: World, threads: list[threading.Thread]) -> None:
    """Records of a live wearer are stepped where they come, since another thread would cost more than it spares."""
    await runner_of(world).handle([
        record(at, T0_MS + at * 1000 + 50, [reading(T0_MS + at * 1000, heart_rate=70.0)]) for at in range(20)
    ])  # fmt: skip
    assert set(threads) == {threading.current_thread()}


async def test_a_small_backlog_is_judged_beside_the_loop(world: World, threads: list[threading.Thread]) -> None:
    """Forty minutes of one wearer in a record of a few kilobytes hold nobody up."""
    times = range(T0_MS - 2_400_000, T0_MS, 60_000)
    backlog = record(0, T0_MS, [reading(time, heart_rate=70.0 + time // 60_000 % 7) for time in times])
    await runner_of(world).handle([backlog])
    assert len(backlog.value) < ON_LOOP_MOST_BYTES
    assert len(threads) == 1
    assert threading.current_thread() not in threads


async def test_heartbeats_after_many_fell_silent_hold_nobody_up(world: World, threads: list[threading.Thread]) -> None:
    """An empty record after which a thousand wearers are told to be missed is stepped beside the loop."""
    wearers = [reading(T0_MS, wearer=wearer, heart_rate=70.0) for wearer in range(1_000)]
    runner = runner_of(world)
    await runner.handle([record(0, T0_MS + 50, wearers)])
    threads.clear()
    await runner.handle([record(at, T0_MS + at * 1000, []) for at in range(1, 100)])
    beside = [thread for thread in threads if thread is not threading.current_thread()]
    assert 0 < len(beside) < len(threads) / 4


async def test_a_state_that_does_not_tell_is_stepped_and_written_down_beside_the_loop(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows how long its steps take; a snapshot of any state takes as long as it has wearers."""
    noted: dict[str, threading.Thread] = {}
    step, snapshot = Counting.step, Counting.snapshot

    def stepped(state: Counting, record: Record) -> Step:
        noted["step"] = threading.current_thread()
        return step(state, record)

    def saved(state: Counting) -> bytes:
        noted["snapshot"] = threading.current_thread()
        return snapshot(state)

    monkeypatch.setattr(Counting, "step", stepped)
    monkeypatch.setattr(Counting, "snapshot", saved)
    runner = StatefulRunner(CountingFamily(world.name, world.topic, world.out), world._surroundings())
    await world.append(b"a")
    await runner.handle(await _logged(world))
    await runner.stop()
    assert noted.keys() == {"step", "snapshot"}
    assert threading.current_thread() not in noted.values()


async def _logged(world: World) -> list[Record]:
    place = Place(world.topic, 0)
    first, end = await world.reader.bounds(*place)
    return [one async for chunk in world.reader.read(*place, first, end) for one in chunk]
