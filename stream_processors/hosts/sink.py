"""Runs a family whose work is a transaction: rows and offsets of all ready records together."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog

from schemas.errors import RegistryVersionError, StaleOwnerError
from stream_processors.hosts.catch_up import CatchUp
from stream_processors.hosts.dead_letters import Undertaker
from stream_processors.hosts.parts import STOPS, cut
from stream_processors.hosts.restore import Restorer
from stream_processors.hosts.retry import Patience
from stream_processors.hosts.runner import Place, Surroundings
from stream_processors.ports import OffsetMove, Record, SinkFamily

_LOG = structlog.get_logger(__name__)

_MOST_RECORDS: Final = 64


@dataclass(slots=True)
class _Lane:
    """Where one partition stands: `next` is what the database says, `stored` None while it has no row."""

    next: int
    stored: int | None
    clock_ms: int


@dataclass(frozen=True, slots=True)
class _Read:
    """A record and what the family read in it; not `usable` where it was set aside."""

    record: Record
    item: Any
    usable: bool

    @property
    def place(self) -> Place:
        """The record's partition."""
        return Place(self.record.topic, self.record.partition)


class SinkRunner:
    """Keeps the guarantees for a `SinkFamily`; see `Runner`."""

    def __init__(self, family: SinkFamily, world: Surroundings) -> None:
        self._family = family
        self._world = world
        self._patience = Patience(world.meter, world.backoff)
        self._restorer = Restorer(family.name, world, self._patience)
        self._undertaker = Undertaker(
            family=family.name,
            version=family.version,
            publisher=world.publisher,
            meter=world.meter,
            patience=self._patience,
        )
        self._lanes: dict[Place, _Lane] = {}
        self._lock = asyncio.Lock()
        self._catch_up = CatchUp(self, self._restorer, grace_s=world.grace_s)
        self._unsettled: asyncio.Queue[frozenset[int]] = asyncio.Queue()
        self._repeats: set[Place] = set()

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics to follow."""
        return self._family.topics

    async def handle(self, records: Sequence[Record]) -> None:
        """Return when the rows and offsets of the records are committed and what follows them is done."""
        await self.replay(records)
        for topic in self._family.topics:
            if count := sum(record.topic == topic for record in records):
                self._world.meter.count("records_total", count, topic=topic)

    async def assigned(self, places: Collection[Place]) -> None:
        """Take note of partitions that are ours from now on."""
        self._catch_up.assigned(places)
        if places:
            self._unsettled.put_nowait(frozenset(place.partition for place in places))

    async def revoked(self, places: Collection[Place]) -> None:
        """Forget where partitions stand that are no longer ours; the database knows it."""
        self._catch_up.revoked(places)
        async with self._lock:
            for place in places:
                self._lanes.pop(place, None)
                self._repeats.discard(place)

    async def run(self) -> None:
        """Catch up, do what an earlier owner left to be done, and look where the database stands, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._catch_up.run())
                group.create_task(self._settle_assigned())
                group.create_task(self._recheck())
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from failures

    async def stop(self) -> None:
        """Return when no transaction is under way; rows and offsets need no other end."""
        async with self._lock:
            return

    def status(self) -> Mapping[str, Any]:
        """Return what the health answer says."""
        return {
            "status": "ok" if self._catch_up.joined else "starting",
            "waiting": dict(self._patience.waiting),
            "lost_records": self._restorer.lost_records,
            "partitions": len(self._catch_up.places),
        }

    # What `CatchUp` asks for.

    def position(self, place: Place) -> int | None:
        """Return the next offset that the database expects, None where it has not been asked."""
        lane = self._lanes.get(place)
        return None if lane is None else lane.next

    async def prepare(self, place: Place) -> int:
        """Ask the database where a partition stands, and return its next offset."""
        async with self._lock:
            return (await self._lane(place)).next

    async def replay(self, records: Sequence[Record]) -> None:
        """Write what of the records is not yet written; starts over where another owner had been faster."""
        async with self._lock:
            while True:
                try:
                    await self._advance(records)
                except StaleOwnerError as stale:
                    _LOG.warning("another owner has moved the offsets on: asking where they stand", reason=str(stale))
                    for place in self._lanes:
                        self._catch_up.again(place)
                    # The faster owner may have been us, in a commit whose answer was lost: then this is not done yet.
                    self._unsettled.put_nowait(frozenset(place.partition for place in self._lanes))
                    self._lanes.clear()
                    await asyncio.sleep(self._world.backoff.first_s)
                else:
                    return

    # One batch.

    async def _advance(self, records: Sequence[Record]) -> None:
        ready: list[Record] = []
        ahead: dict[Place, int] = {}
        for record in records:
            place = Place(record.topic, record.partition)
            position = ahead.get(place)
            if position is None:
                position = (await self._lane(place)).next
            if record.offset < position:
                await self._repeated(place, position)
                continue
            self._repeats.discard(place)
            if record.offset > position:
                await self._supply(ready, place, position, record.offset)
            ready.append(record)
            ahead[place] = record.offset + 1
        await self._commit(ready)

    async def _supply(self, ready: list[Record], place: Place, start: int, end: int) -> None:
        """Add the records that the host did not deliver; long gaps are written piece by piece."""
        seen = 0
        async for records in self._restorer.missed(place, start, end):
            seen += len(records)
            ready.extend(records)
            if len(ready) >= _MOST_RECORDS:
                await self._commit(ready)
                ready.clear()
        self._restorer.lost(place, start, max(start, end - seen))

    async def _commit(self, ready: Sequence[Record]) -> None:
        if not ready:
            return
        reads = [await self._read(record) for record in ready]
        try:
            await self._write(reads)
        except STOPS:
            raise
        except Exception as error:  # noqa: BLE001 - a permanent failure of the whole says nothing about each
            _LOG.warning("a transaction cannot be written: trying its records one at a time", error=str(error))
            await self._write_singly(reads)
        partitions = {record.partition for record in ready}
        await self._patience.insist("settle", lambda: self._family.settle(partitions))

    async def _read(self, record: Record) -> _Read:
        await asyncio.sleep(0)  # 64 decodings in a row would keep the loop from everything else
        try:
            return _Read(record, self._family.read(record), usable=True)
        except RegistryVersionError:
            raise
        except Exception as error:  # noqa: BLE001 - reading changes nothing, so any failure is this record's alone
            parts = await cut(self._family, record, self._reads)
            await self._undertaker.bury(record if parts is None else parts[1], error)
            if parts is None:
                return _Read(record, None, usable=False)
            return _Read(parts[0], self._family.read(parts[0]), usable=True)

    async def _reads(self, part: Record) -> None:
        self._family.read(part)

    async def _write(self, reads: Sequence[_Read]) -> None:
        """Write in one transaction, patiently, and note where the partitions stand."""
        items = [(read.record, read.item) for read in reads if read.usable]
        moves = self._moves(reads)
        await self._patience.insist("write", lambda: self._family.write(items, moves))
        for move in moves:
            lane = self._lanes[Place(move.topic, move.partition)]
            lane.next, lane.stored, lane.clock_ms = move.next, move.next, move.clock_ms

    async def _write_singly(self, reads: Sequence[_Read]) -> None:
        """Write record by record, and set aside what of them the database never takes."""
        for read in reads:
            try:
                await self._write([read])
            except STOPS:
                raise
            except Exception as error:
                if not read.usable:
                    raise  # the offset alone cannot be moved: nothing that a record could be blamed for
                parts = await cut(self._family, read.record, self._write_part)
                await self._undertaker.bury(read.record if parts is None else parts[1], error)
                await self._write([_Read(read.record, None, usable=False)])

    async def _write_part(self, part: Record) -> None:
        """Write some rows of a record and leave the offset where it is, so that a crash repeats them."""
        item = self._family.read(part)
        await self._patience.insist("write", lambda: self._family.write([(part, item)], ()))

    def _moves(self, reads: Sequence[_Read]) -> list[OffsetMove]:
        last: dict[Place, tuple[int, int]] = {}
        for read in reads:
            _, clock_ms = last.get(read.place, (0, self._lanes[read.place].clock_ms))
            last[read.place] = (read.record.offset + 1, max(clock_ms, read.record.append_ms))
        return [
            OffsetMove(
                topic=place.topic,
                partition=place.partition,
                expected=self._lanes[place].stored,
                next=offset,
                clock_ms=clock_ms,
            )
            for place, (offset, clock_ms) in last.items()
        ]

    async def _lane(self, place: Place) -> _Lane:
        lane = self._lanes.get(place)
        if lane is None:
            standing = await self._restorer.standing(place)
            row = standing.row
            if row is None:
                lane = _Lane(next=standing.first, stored=None, clock_ms=0)
            else:
                self._restorer.lost(place, row.next_offset, standing.first)
                lane = _Lane(next=max(row.next_offset, standing.first), stored=row.next_offset, clock_ms=row.clock_ms)
            self._lanes[place] = lane
        return lane

    async def _repeated(self, place: Place, position: int) -> None:
        """Make sure, once a rewind, that what comes again is a repeat and not a log that was begun anew."""
        if place not in self._repeats:
            await self._restorer.still_reaches(place, position)
            self._repeats.add(place)

    async def _recheck(self) -> None:
        """Ask now and then where partitions stand: a topic may be silent when the database loses its end."""
        while True:
            await asyncio.sleep(self._world.save_every_s)
            for place in list(self._lanes):
                async with self._lock:
                    if (lane := self._lanes.get(place)) is not None:
                        await self._compare(place, lane)

    async def _compare(self, place: Place, lane: _Lane) -> None:
        row = await self._patience.insist("state", lambda: self._world.store.load(self._family.name, *place))
        if (None if row is None else row.next_offset) != lane.stored:
            _LOG.warning("the database stands elsewhere: asking anew", topic=place.topic, partition=place.partition)
            del self._lanes[place]
            self._catch_up.again(place)

    async def _settle_assigned(self) -> None:
        """Do what an earlier owner of a partition left to be done; it may have died between commit and settling."""
        while True:
            partitions = await self._unsettled.get()
            async with self._lock:
                await self._patience.insist("settle", lambda: self._family.settle(partitions))  # noqa: B023
