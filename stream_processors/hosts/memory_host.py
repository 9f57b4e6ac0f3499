"""A host in memory: a consumer group over `MemoryLog`, for tests of families and of the guarantees without services."""

import asyncio
from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Final

from stream_processors.hosts.memory_log import MemoryLog
from stream_processors.hosts.runner import Place, Runner
from stream_processors.ports import Record

MOST_RECORDS: Final = 64


class MemoryGroup:
    """The members of one consumer group, what is assigned to whom, and the committed offsets."""

    def __init__(self, log: MemoryLog, *, partitions: int) -> None:
        self.log = log
        self.committed: defaultdict[Place, int] = defaultdict(int)
        self._partitions = partitions
        self._members: list[MemoryHost] = []

    async def join(self, member: "MemoryHost") -> None:
        """Add a member and spread the partitions anew."""
        await self._rebalance([*self._members, member])

    async def leave(self, member: "MemoryHost") -> None:
        """Remove a member and spread its partitions over the others."""
        if member in self._members:
            await self._rebalance([other for other in self._members if other is not member])

    async def expel(self, member: "MemoryHost") -> None:
        """Give the partitions of a member that died to the others, without asking it."""
        if member in self._members:
            self._members.remove(member)
            await self._rebalance(list(self._members))

    async def _rebalance(self, members: "list[MemoryHost]") -> None:
        for member in self._members:
            await member.revoke()
        self._members = members
        for number, member in enumerate(members):
            mine = range(number, self._partitions, len(members))
            await member.assign([Place(topic, partition) for topic in member.topics for partition in mine])


class MemoryHost:
    """One member: hands ready records to its runner, commits what the runner returned from."""

    def __init__(self, runner: Runner, group: MemoryGroup) -> None:
        self._runner = runner
        self._group = group
        self._positions: dict[Place, int] = {}
        self._batch = asyncio.Lock()
        self._changed = asyncio.Event()

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that this member follows."""
        return self._runner.topics

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then finish the batch, save, commit and leave.

        Raises:
            PulseraError: What made the worker stop; nothing of the batch in hand was committed.
        """
        try:
            async with asyncio.TaskGroup() as group:
                background = group.create_task(self._runner.run())
                consuming = group.create_task(self._consume())
                await self._group.join(self)
                await stopping.wait()
                async with self._batch:
                    consuming.cancel()
                background.cancel()
                await self._runner.stop()
        except BaseExceptionGroup as failures:
            await self._group.expel(self)
            raise failures.exceptions[0] from failures
        await self._group.leave(self)

    async def assign(self, places: Collection[Place]) -> None:
        """Start from the committed offsets of these partitions."""
        self._positions = {place: self._group.committed[place] for place in places}
        await self._runner.assigned(places)
        self._changed.set()

    async def revoke(self) -> None:
        """Finish the batch in hand, then give every partition back."""
        async with self._batch:
            places, self._positions = list(self._positions), {}
            await self._runner.revoked(places)

    async def _consume(self) -> None:
        while True:
            async with self._batch:
                records = self._ready()
                if records:
                    await self._runner.handle(records)
                    for record in records:
                        place = Place(record.topic, record.partition)
                        self._positions[place] = self._group.committed[place] = record.offset + 1
            if not records:
                await self._wait()

    def _ready(self) -> Sequence[Record]:
        """Return at most `MOST_RECORDS` records, each partition in order, the partitions in turns."""
        queues = [list(self._group.log.slice(place, position)) for place, position in self._positions.items()]
        ready: list[Record] = []
        for turn in range(max(map(len, queues), default=0)):
            ready += [queue[turn] for queue in queues if turn < len(queue)]
            if len(ready) >= MOST_RECORDS:
                break
        return ready[:MOST_RECORDS]

    async def _wait(self) -> None:
        """Return when the log has grown or the assignment has changed; a lost wake-up costs a tick."""
        self._group.log.grown.clear()
        self._changed.clear()
        if self._ready():
            return
        waits = {asyncio.ensure_future(event.wait()) for event in (self._group.log.grown, self._changed)}
        try:
            await asyncio.wait(waits, timeout=0.05, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
