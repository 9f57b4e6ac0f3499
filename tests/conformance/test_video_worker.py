"""A worker of the video family that dies: the next one goes on where it stood, and no reading is told twice."""

import asyncio
import contextlib
from typing import Any

import pytest

from schemas import frame
from schemas.topics import PARTITIONS, READINGS, VIDEO
from schemas.video import encode
from stream_processors.families.video import VideoFamily
from stream_processors.hosts.memory_host import MemoryGroup, MemoryHost
from stream_processors.hosts.memory_log import MemoryLog, MemoryStateStore
from stream_processors.hosts.retry import Backoff
from stream_processors.hosts.runner import Place, Surroundings
from stream_processors.hosts.stateful import StatefulRunner
from stream_processors.ports import Emission
from tests.conformance.faults import DiedError, FaultyPublisher, FaultyStore, MortalRunner
from tests.conformance.worlds import until
from tests.video_records import CHUNK_MS, NOW_MS, Camera, Counts, GreyMeter, as_pictures

PLACE = Place(VIDEO.name, 3)
CHUNKS = 60


class Scene:
    """A log with cameras, and workers that come and go."""

    def __init__(self, *, save_every_s: float) -> None:
        self.now_ms = float(NOW_MS)
        self.log = MemoryLog(lambda: self.now_ms)
        self.publisher = FaultyPublisher(self.log)
        self.store = FaultyStore(MemoryStateStore())
        self.group = MemoryGroup(self.log, partitions=PARTITIONS)
        self._save_every_s = save_every_s

    def film(self, chunks: range) -> None:
        """Append half seconds of two cameras, one with pictures."""
        for chunk in chunks:
            for camera in (Camera(number=1), Camera(number=2, rate_bpm=95)):
                record = camera.record(chunk)
                value = encode(as_pictures(record) if camera.number == 1 else record)
                self.now_ms += CHUNK_MS / 2
                self.log.append(Emission(topic=VIDEO.name, partition=PLACE.partition, key=None, value=value))

    @contextlib.asynccontextmanager
    async def worker(self, *, dies: bool = False) -> Any:
        """Run a worker until the context ends, or it dies of the batch that comes next."""
        world = Surroundings(
            publisher=self.publisher,
            reader=self.log,
            store=self.store,
            meter=Counts(),
            now_ms=lambda: self.now_ms,
            backoff=Backoff(first_s=0.01, most_s=0.02),
            save_every_s=self._save_every_s,
            grace_s=0.05,
        )
        runner = MortalRunner(StatefulRunner(VideoFamily(GreyMeter(), Counts()), world), die_before_commit=dies)
        stopping = asyncio.Event()
        task = asyncio.create_task(MemoryHost(runner, self.group).run(stopping))
        try:
            yield task
        finally:
            stopping.set()
            if dies:
                with pytest.raises(DiedError):
                    await task
            else:
                await task

    def handled(self) -> int:
        """Return how many records were handled to their commit."""
        return self.group.committed[PLACE]

    def readings(self) -> list[tuple[Any, ...]]:
        """Return (wearer, stream, time, heart rate, quality) of everything on the topic of readings, in order."""
        names = ("wearer", "stream_id", "time", "heart_rate", "quality")
        records = self.log.slice(Place(READINGS.name, PLACE.partition), 0)
        rows = [row for record in records for row in frame.decode(record.value).batch.to_pylist()]
        return [tuple(row[name] for name in names) for row in rows]


async def uninterrupted() -> set[tuple[Any, ...]]:
    """Return the readings of one worker that nothing happens to."""
    scene = Scene(save_every_s=30)
    scene.film(range(CHUNKS))
    async with scene.worker():
        await until(lambda: scene.handled() == 2 * CHUNKS)
    found = scene.readings()
    assert len(found) == len(set(found)) > 20
    return set(found)


@pytest.mark.parametrize("save_every_s", [0.0, 30.0], ids=["state saved", "state read again from the log"])
async def test_a_killed_worker_is_followed_by_one_that_tells_the_same(save_every_s: float) -> None:
    """Killed before the commit of a batch and started again: each reading is there, with the identity it would have."""
    expected = await uninterrupted()
    scene = Scene(save_every_s=save_every_s)
    scene.film(range(CHUNKS // 3))
    async with scene.worker():
        await until(lambda: scene.handled() == 2 * (CHUNKS // 3))
    scene.film(range(CHUNKS // 3, CHUNKS // 2))
    async with scene.worker(dies=True) as dying:
        await asyncio.wait({dying})
    scene.film(range(CHUNKS // 2, CHUNKS))
    async with scene.worker():
        await until(lambda: scene.handled() == 2 * CHUNKS)
    found = scene.readings()
    assert set(found) == expected
    identities = {(wearer, stream, time) for wearer, stream, time, _, _ in found}
    assert len(identities) == len(expected)


async def test_a_record_that_is_none_is_set_aside_and_the_stream_goes_on() -> None:
    """Junk between two half seconds becomes a dead letter without its bytes, and costs the pulse nothing."""
    expected = await uninterrupted()
    scene = Scene(save_every_s=30)
    scene.film(range(CHUNKS // 2))
    scene.log.append(Emission(topic=VIDEO.name, partition=PLACE.partition, key=None, value=b"a face, but no record"))
    scene.film(range(CHUNKS // 2, CHUNKS))
    async with scene.worker():
        await until(lambda: scene.handled() == 2 * CHUNKS + 1)
    assert set(scene.readings()) == expected
    [letter] = scene.log.slice(Place("dead.v1", PLACE.partition), 0)
    assert b"a face" not in letter.value


async def test_a_broker_that_is_away_costs_nothing() -> None:
    """What could not be published at once is published again, in hand, without measuring anew."""
    expected = await uninterrupted()
    scene = Scene(save_every_s=30)
    scene.film(range(CHUNKS))
    scene.publisher.away, scene.publisher.half = 3, True
    async with scene.worker():
        await until(lambda: scene.handled() == 2 * CHUNKS)
    assert set(scene.readings()) == expected


async def test_a_database_that_is_away_is_waited_for() -> None:
    """Without its saved state a partition is not begun: the worker waits, then nothing is missing."""
    expected = await uninterrupted()
    scene = Scene(save_every_s=0.0)
    scene.film(range(CHUNKS))
    scene.store.away = 5
    async with scene.worker():
        await until(lambda: scene.handled() == 2 * CHUNKS)
    assert set(scene.readings()) == expected
