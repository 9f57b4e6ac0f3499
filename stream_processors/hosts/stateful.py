"""Runs a family whose state is computed from the log alone: step, publish and await, and save between batches."""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import structlog

from schemas.errors import ContractError, RegistryVersionError
from stream_processors.hosts.catch_up import CatchUp
from stream_processors.hosts.dead_letters import Undertaker
from stream_processors.hosts.lane import Lane, foresee, stepped
from stream_processors.hosts.parts import cut
from stream_processors.hosts.restore import Restorer, Standing
from stream_processors.hosts.retry import Patience
from stream_processors.hosts.runner import Place, Surroundings
from stream_processors.hosts.saving import Saver, Snapshot, save_interval_s, unpack
from stream_processors.ports import PartitionState, Record, StatefulFamily, Step, SucceedingState

_LOG = structlog.get_logger(__name__)

_SAVE_AT_REVOCATION_MOST_S: Final = 10.0
"""Longer would keep the whole group waiting; what was not saved is read again from the log."""


_Outcome = tuple[Lane, Record, Step]


class StatefulRunner:
    """Keeps the guarantees for a `StatefulFamily`; see `Runner`."""

    def __init__(self, family: StatefulFamily, world: Surroundings) -> None:
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
        self._saver = Saver(family=family.name, version=family.version, world=world, patience=self._patience)
        self._lanes: dict[Place, Lane] = {}
        self._lock = asyncio.Lock()
        self._catch_up = CatchUp(self, self._restorer, grace_s=world.grace_s)
        self._restoring: set[Place] = set()

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics to follow."""
        return (self._family.topic,)

    async def handle(self, records: Sequence[Record]) -> None:
        """Return when every effect of the records is durable."""
        async with self._lock:
            await self._advance(records, live=True)

    async def assigned(self, places: Collection[Place]) -> None:
        """Take note of partitions that are ours from now on."""
        self._catch_up.assigned(places)

    async def revoked(self, places: Collection[Place]) -> None:
        """Save and forget the state of partitions that are no longer ours."""
        self._catch_up.revoked(places)
        async with self._lock:
            await self._save_now([lane for place in places if (lane := self._lanes.get(place)) is not None])
            for place in places:
                self._lanes.pop(place, None)

    async def run(self) -> None:
        """Save and catch up in the background until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._catch_up.run())
                group.create_task(self._save_silent())
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from failures

    async def stop(self) -> None:
        """Save every state; called after the last `handle`."""
        async with self._lock:
            await self._save_now(list(self._lanes.values()))
            await self._saver.abandon()

    def status(self) -> Mapping[str, Any]:
        """Return what the health answer says."""
        return {
            "status": "ok" if self._catch_up.joined else "starting",
            "waiting": dict(self._patience.waiting),
            "lost_records": self._restorer.lost_records,
            "restoring": sorted(f"{place.topic}/{place.partition}" for place in self._restoring),
            "partitions": len(self._catch_up.places),
        }

    def states(self) -> Sequence[PartitionState]:
        """Return the states that are held."""
        return [lane.state for lane in list(self._lanes.values()) if lane.state is not None]

    # What `CatchUp` asks for.

    def position(self, place: Place) -> int | None:
        """Return the next offset of the state that is held, None where none is."""
        lane = self._lanes.get(place)
        return None if lane is None or lane.lacks_state else lane.next

    async def prepare(self, place: Place) -> int:
        """Restore a partition from its saved row, and return the next offset of its state."""
        async with self._lock:
            lane = self._lane(place)
            if lane.lacks_state:
                await self._restore(lane)
            return lane.next

    async def replay(self, records: Sequence[Record]) -> None:
        """Handle records that the host may deliver again."""
        async with self._lock:
            await self._advance(records, live=False)

    # One batch.

    async def _advance(self, records: Sequence[Record], *, live: bool) -> None:
        outcomes: list[_Outcome] = []
        foresee(self._lane, records)
        for number, record in enumerate(records):
            lane = self._lane(Place(record.topic, record.partition))
            if lane.lacks_state or record.offset > lane.next:
                await self._publish(outcomes)
                outcomes = []
                await self._bring_to(lane, record.offset)
                foresee(self._lane, records[number:])
            if record.offset < lane.next:
                await self._repeated(lane)
                continue
            lane.repeats = False
            if (step := await self._step(lane, record, outcomes)) is not None:
                outcomes.append((lane, record, step))
                if live and step.received_ms.size:
                    age_s = (self._world.now_ms() - step.received_ms).astype(np.float64) / 1000.0
                    self._world.meter.observe("processed", age_s)
            await asyncio.sleep(0)  # 64 steps in a row would keep the loop from everything else
        await self._publish(outcomes)
        if live and records:
            self._world.meter.count("records_total", len(records), topic=self._family.topic)
        await self._save_due()

    async def _repeated(self, lane: Lane) -> None:
        """Make sure, once a rewind, that what comes again is a repeat and not a log that was begun anew."""
        if not lane.repeats:
            await self._restorer.still_reaches(lane.place, lane.next)
            lane.repeats = True

    async def _step(self, lane: Lane, record: Record, outcomes: list[_Outcome]) -> Step | None:
        """Run the family on one record; None where the record was set aside."""
        rest = lane.aside.get(record.offset, record)
        if rest is None:
            lane.next = record.offset + 1
            return None
        record = rest
        try:
            step: Step | None = await stepped(lane, record)
        except RegistryVersionError:
            raise
        except ContractError as error:  # raised before any change of state, so the state stays
            step = await self._step_rest(lane, record, error)
        except Exception as error:  # noqa: BLE001 - whatever it was, the state may be half changed
            await self._publish(outcomes)
            outcomes.clear()
            lane.state = None
            await self._bring_to(lane, record.offset)
            if lane.next > record.offset:
                return None  # another owner's state holds it already
            step = await self._step_rest(lane, record, error)
        lane.next = record.offset + 1
        lane.clock_ms = max(lane.clock_ms, record.append_ms)
        return step

    async def _step_rest(self, lane: Lane, record: Record, error: Exception) -> Step | None:
        """Step what of a refused record can be used, and set aside the rest of it; the state is as before it."""
        if lane.state is None:
            raise RuntimeError("A record was stepped before its partition was restored.")
        blob = await asyncio.to_thread(lane.state.snapshot)

        async def works(part: Record) -> None:
            await asyncio.to_thread(lambda: self._family.open(part.partition, blob).step(part))

        parts = await cut(self._family, record, works)
        if parts is None:
            await self._set_aside(lane, record, error)
            return None
        good, bad = parts
        await self._set_aside(lane, bad, error, rest=good)
        return await stepped(lane, good)

    async def _publish(self, outcomes: Sequence[_Outcome]) -> None:
        """Append the outputs of steps and wait; from then on the states may be saved."""
        emissions = [emission for _, _, step in outcomes for emission in step.emissions]
        try:
            if emissions:
                await self._patience.insist("publish", partial(self._world.publisher.publish, emissions))
        except ContractError:
            await self._publish_singly(outcomes)
        for lane in self._lanes.values():
            lane.durable = lane.next

    async def _publish_singly(self, outcomes: Sequence[_Outcome]) -> None:
        """Find the records whose outputs the log never takes; their lanes go on as if they had not been."""
        refused: dict[Place, Lane] = {}
        for lane, record, step in outcomes:
            if lane.place in refused:
                continue  # this step still counted what is refused: it is made anew, and told then
            try:
                await self._patience.insist("publish", partial(self._world.publisher.publish, step.emissions))
            except ContractError as error:
                await self._set_aside(lane, record, error)
                refused[lane.place] = lane
        for lane in refused.values():
            upto, lane.state = lane.next, None
            await self._bring_to(lane, upto)

    async def _set_aside(self, lane: Lane, record: Record, error: Exception, *, rest: Record | None = None) -> None:
        await self._undertaker.bury(record, error)
        lane.aside[record.offset] = rest
        lane.saved_at_ms = 0.0  # a save now spares the next restore this record

    # Restoring.

    def _lane(self, place: Place) -> Lane:
        lane = self._lanes.get(place)
        if lane is None:
            lane = self._lanes[place] = Lane(place)
        return lane

    async def _bring_to(self, lane: Lane, offset: int) -> None:
        """Restore the lane if it has no state, and supply what it lacks before `offset`."""
        if lane.lacks_state:
            await self._restore(lane)
        if lane.next >= offset:
            return
        self._restoring.add(lane.place)
        try:
            start, seen = lane.next, 0
            async for records in self._restorer.missed(lane.place, start, offset):
                seen += len(records)
                await self._advance(records, live=False)
            self._restorer.lost(lane.place, start, max(start, offset - seen))
            lane.next = max(lane.next, offset)
        finally:
            self._restoring.discard(lane.place)

    async def _restore(self, lane: Lane) -> None:
        await self._saver.settled(lane.place)
        lane.stale = False
        standing = await self._restorer.standing(lane.place)
        opened = await self._opened(lane, standing)
        row = standing.row
        lane.cluster_id = standing.cluster_id
        lane.saved = None if row is None else row.next_offset
        lane.saved_at_ms = self._world.now_ms()
        if opened and row is not None:
            lane.next, lane.clock_ms = row.next_offset, row.clock_ms
            self._world.meter.count("restored_total", topic=lane.place.topic)
            if lane.next < standing.first:
                self._restorer.lost(lane.place, lane.next, standing.first)
                lane.next = standing.first
        else:
            lane.state = await asyncio.to_thread(self._family.open, lane.place.partition, None)
            lane.next, lane.clock_ms = standing.first, 0
        lane.durable = lane.next
        lane.aside = {offset: rest for offset, rest in lane.aside.items() if offset >= lane.next}

    async def _opened(self, lane: Lane, standing: Standing) -> bool:
        """Open the saved state if there is one that this version can read; say so if there is one that it cannot."""
        row = standing.row
        if row is None:
            return False
        why = f"it is of version {row.version}"
        if row.version == self._family.version:
            why = "it is damaged"
            blob = None if row.blob is None else await asyncio.to_thread(unpack, row.blob)
            if blob is not None:
                try:
                    lane.state = await asyncio.to_thread(self._family.open, lane.place.partition, blob)
                except Exception:  # noqa: BLE001 - whatever is wrong with it, the log can replace it
                    _LOG.exception("a saved state cannot be opened")
                else:
                    return True
        _LOG.warning(
            "the saved state is not used: the partition is computed again from the log's start",
            why=why,
            family=self._family.name,
            version=self._family.version,
            topic=lane.place.topic,
            partition=lane.place.partition,
        )
        return False

    # Saving.

    async def _save_due(self) -> None:
        """Hand the saver the lane that waited longest, if it is due.

        One at a time spreads the work, and while the database is away one snapshot waits for it, not one a partition.
        """
        if self._saver.busy:
            return
        now_ms = self._world.now_ms()
        lanes = [lane for lane in self._lanes.values() if self._savable(lane)]
        interval_s = save_interval_s(self._world.save_every_s, [lane.saved_bytes for lane in self._lanes.values()])
        due = [lane for lane in lanes if now_ms - lane.saved_at_ms >= interval_s * 1000.0]
        if due:
            lane = min(due, key=lambda lane: lane.saved_at_ms)
            if not await self._followed(lane):
                await self._save(lane)

    async def _followed(self, lane: Lane) -> bool:
        """Save the state that is to follow this one, if any, and go on with it as it was saved: never before."""
        state = lane.state
        blob = await asyncio.to_thread(state.successor) if isinstance(state, SucceedingState) else None
        if blob is None:
            return False
        await self._save(lane, blob)
        try:
            async with asyncio.timeout(_SAVE_AT_REVOCATION_MOST_S):
                await self._saver.settled(lane.place)
        except TimeoutError:  # whether it was saved is not known: the row decides, once it can be read
            await self._saver.abandon()
            self._saved(lane.place, None, 0)
        if lane.saved == lane.next and not lane.stale:
            lane.state = await asyncio.to_thread(self._family.open, lane.place.partition, blob)
            _LOG.info("another state follows", topic=lane.place.topic, partition=lane.place.partition, at=lane.next)
        return True

    def _savable(self, lane: Lane) -> bool:
        return not lane.lacks_state and lane.durable == lane.next and lane.next != lane.saved

    async def _save(self, lane: Lane, blob: bytes | None = None) -> None:
        """Begin to save a state, or this blob in its stead; the state is not stepped meanwhile."""
        if lane.state is None:
            raise RuntimeError("A partition without a state cannot be saved.")
        lane.saved_at_ms = self._world.now_ms()
        snapshot = Snapshot(
            place=lane.place,
            cluster_id=lane.cluster_id,
            next_offset=lane.next,
            clock_ms=lane.clock_ms,
            blob=await asyncio.to_thread(lane.state.snapshot) if blob is None else blob,
            expected=lane.saved,
        )
        self._saver.start(snapshot, self._saved)

    def _saved(self, place: Place, offset: int | None, size: int) -> None:
        lane = self._lanes.get(place)
        if lane is None:
            return
        if offset is None:
            lane.stale = True
            self._catch_up.again(place)
        else:
            lane.saved, lane.saved_bytes = offset, size

    async def _save_now(self, lanes: Sequence[Lane]) -> None:
        try:
            async with asyncio.timeout(_SAVE_AT_REVOCATION_MOST_S):
                for lane in lanes:
                    await self._saver.settled(lane.place)
                    if self._savable(lane):
                        await self._save(lane)
                for lane in lanes:
                    await self._saver.settled(lane.place)
        except TimeoutError:
            _LOG.warning("states could not be saved in time: the next owner reads the log instead")

    async def _save_silent(self) -> None:
        """Save what no new record would."""
        while True:
            await asyncio.sleep(min(1.0, self._world.save_every_s))
            async with self._lock:
                await self._save_due()
