"""Spoiled records on the topics: frames, scores, episodes through the storage and vitals families in memory."""

import asyncio
import resource
from random import Random
from typing import Final
from uuid import UUID

from infra.fuzz.figures import Figures, Memory
from infra.fuzz.live_world import Tally
from infra.fuzz.rows import CheckedRows
from infra.fuzz.spoil import Spoiler
from infra.fuzz.spoil_frames import FrameSpoiler, written
from infra.fuzz.valid import NOW_MS
from infra.fuzz.valid_frames import episode_event, readings_batch, scores_batch
from schemas import dead_letters, frame, scores
from schemas.errors import PulseraError, RegistryVersionError
from schemas.frame import Frame
from schemas.topics import DEAD, EPISODES, READINGS, SCORES
from stream_processors.families.storage import StorageFamily
from stream_processors.families.vitals import VitalsFamily
from stream_processors.hosts.memory_host import MemoryGroup, MemoryHost
from stream_processors.hosts.memory_log import MemoryLog, MemoryStateStore
from stream_processors.hosts.retry import Backoff
from stream_processors.hosts.runner import Place, Runner, Surroundings
from stream_processors.hosts.sink import SinkRunner
from stream_processors.hosts.stateful import StatefulRunner
from stream_processors.ports import Emission

_PARTITIONS: Final = 4
_STEP_MS: Final = 40
_TURN: Final = 64
_PATIENCE_S: Final = 60.0
_PEAK_MOST_MIB: Final = 512
_CONTROL_EACH: Final = 10


class TopicsFuzz:
    """One run: a log in memory, both families on it, and what they wrote and set aside."""

    def __init__(self, seed: int) -> None:
        self.figures = Figures(target="topics", seed=seed)
        self._random = Random(seed)
        self._spoiler = Spoiler(seed)
        self._frames = FrameSpoiler(self._random)
        self._now_ms = NOW_MS
        self._log = MemoryLog(lambda: self._now_ms)
        self._states = MemoryStateStore()
        self._rows = CheckedRows(self.figures, self._states)
        self._groups = {name: MemoryGroup(self._log, partitions=_PARTITIONS) for name in ("storage", "vitals")}
        self._control: list[tuple[UUID, Frame]] = []

    async def run(self, frames: int) -> Figures:
        """Append so many records, and return what the families made of them."""
        memory, peak_kib = Memory(self.figures), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        stopping = asyncio.Event()
        world = Surroundings(
            publisher=self._log, reader=self._log, store=self._states, meter=Tally(), now_ms=lambda: self._now_ms,
            backoff=Backoff(first_s=0.01, most_s=0.05), save_every_s=5.0, grace_s=0.1,
        )  # fmt: skip
        storage = StorageFamily(self._rows, Tally(), clock=lambda: self._now_ms / 1000, retention_days=365)
        runners: dict[str, Runner] = {
            "storage": SinkRunner(storage, world),
            "vitals": StatefulRunner(VitalsFamily(), world),
        }
        try:
            async with asyncio.TaskGroup() as group:
                for name, runner in runners.items():
                    group.create_task(MemoryHost(runner, self._groups[name]).run(stopping))
                await self._feed(frames, runners)
                stopping.set()
        except BaseExceptionGroup as failures:
            self.figures.fault(f"a worker ended: {failures.exceptions[0]!r}")
        self._judge()
        memory.stop()
        peak_mib = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - peak_kib) / 1024
        self.figures.measured["RSS peak grown MiB"] = peak_mib
        if peak_mib > _PEAK_MOST_MIB + frames * 0.02:
            self.figures.fault(f"memory rose by {peak_mib:.0f} MiB")
        return self.figures

    async def _feed(self, frames: int, runners: dict[str, Runner]) -> None:
        while self.figures.frames < frames:
            for _ in range(min(_TURN, frames - self.figures.frames)):
                self._append()
            async with asyncio.timeout(_PATIENCE_S):
                while not all(self._done(name, runner.topics) for name, runner in runners.items()):  # noqa: ASYNC110
                    await asyncio.sleep(0.002)

    def _append(self) -> None:
        self._now_ms += _STEP_MS
        topic, value = self._record()
        self.figures.frames += 1
        try:
            reader = {READINGS.name: frame.decode, SCORES.name: scores.decode}.get(topic)
            if reader is not None:
                reader(value)
        except RegistryVersionError:
            # A worker stops on such a record, by design: a newer writer is there, and nothing may be dropped.
            self.figures.answers["newer registry"] += 1
            return
        except PulseraError:
            self.figures.answers["refused by decode"] += 1
        except Exception as error:  # noqa: BLE001 - that none escapes is what is tested
            self.figures.fault(f"decode of {topic}: {type(error).__name__} {error}", value)
        else:
            self.figures.answers["read"] += 1
        place = self._random.randrange(_PARTITIONS)
        self._log.append(Emission(topic=topic, partition=place, key=None, value=value))

    def _record(self) -> tuple[str, bytes]:
        if self.figures.frames % _CONTROL_EACH == 0:
            wearer = UUID(int=self._random.getrandbits(128))
            batch = readings_batch(self._random, self._now_ms, wearers=1, wearer=wearer)
            self._rows.watched.add(wearer.bytes)
            self._control.append((wearer, Frame(batch)))
            return READINGS.name, frame.encode(batch)
        chance = self._random.random()
        if chance < 0.1:
            return EPISODES.name, self._spoiler.json(episode_event(self._random, self._now_ms))
        if chance < 0.25:
            batch, topic = scores_batch(self._random, self._now_ms), SCORES.name
        else:
            batch, topic = readings_batch(self._random, self._now_ms, wearers=self._random.randint(1, 5)), READINGS.name
        value = self._spoiler.octets(written(batch)) if self._random.random() < 0.6 else self._frames.spoil(batch)
        return topic, value

    def _done(self, name: str, topics: tuple[str, ...]) -> bool:
        committed = self._groups[name].committed
        places = [Place(topic, partition) for topic in topics for partition in range(_PARTITIONS)]
        return all(not self._log.slice(place, committed[place]) for place in places)

    def _judge(self) -> None:
        """Count the dead letters by family and error, and compare the control rows."""
        for partition in range(_PARTITIONS):
            for record in self._log.slice(Place(DEAD.name, partition), 0):
                letter = dead_letters.decode(record.value)
                self.figures.answers[f"{letter.family} set aside: {letter.error}"] += 1
        missing = [wearer for wearer, read in self._control if not self._rows.expected(read, wearer)]
        self.figures.answers["control frames"] = len(self._control)
        if missing:
            self.figures.fault(f"{len(missing)} of {len(self._control)} frames between spoiled ones were not written")
