"""Brings an assigned partition to the log's end where the host delivers nothing, so that no state stays behind.

A database that was put back to an older time stands before what the host has committed: where a topic stays silent, no
record would ever make its partition be restored.
"""

import asyncio
from collections.abc import Collection, Sequence
from typing import Protocol

from stream_processors.hosts.restore import Restorer
from stream_processors.hosts.runner import Place
from stream_processors.ports import Record


class Restorable(Protocol):
    """What a runner offers to be caught up."""

    def position(self, place: Place) -> int | None:
        """Return the next offset of the state that is held, None where none is."""
        ...

    async def prepare(self, place: Place) -> int:
        """Restore a partition from its saved row, and return the next offset of its state."""
        ...

    async def replay(self, records: Sequence[Record]) -> None:
        """Handle records that the host may deliver again."""
        ...


class CatchUp:
    """Prepares newly assigned partitions; owned and run by one runner."""

    def __init__(self, runner: Restorable, restorer: Restorer, *, grace_s: float) -> None:
        self._runner = runner
        self._restorer = restorer
        self._grace_s = grace_s
        self._wanted: asyncio.Queue[tuple[float, Place]] = asyncio.Queue()
        self.places: set[Place] = set()
        self.joined = False

    def assigned(self, places: Collection[Place]) -> None:
        """Note partitions that are ours; an empty assignment counts as having joined."""
        self.joined = True
        due = asyncio.get_running_loop().time() + self._grace_s
        for place in sorted(set(places) - self.places):
            self.places.add(place)
            self._wanted.put_nowait((due, place))

    def revoked(self, places: Collection[Place]) -> None:
        """Note partitions that are no longer ours."""
        self.places.difference_update(places)

    def again(self, place: Place) -> None:
        """Prepare a partition once more, whose state had to be dropped."""
        if place in self.places:
            self._wanted.put_nowait((asyncio.get_running_loop().time() + self._grace_s, place))

    async def run(self) -> None:
        """Catch up one partition after another until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due, place = await self._wanted.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            if place in self.places:
                await self._one(place)

    async def _one(self, place: Place) -> None:
        if self._runner.position(place) is not None:
            return  # the host delivered: what was missing before that record has been supplied
        start = await self._runner.prepare(place)
        standing = await self._restorer.standing(place)
        async for records in self._restorer.missed(place, start, standing.end):
            if place not in self.places:
                return
            await self._runner.replay(records)
