"""The one state of a family that reads all partitions: restored, stepped, published, and saved under a lease."""

import asyncio
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import structlog

from schemas.errors import ContractError, LeaseLostError, RegistryVersionError
from schemas.topics import PARTITIONS
from stream_processors.hosts.dead_letters import Undertaker
from stream_processors.hosts.leases import Lease, WholeFamily, WholeState
from stream_processors.hosts.restore import Restorer, Standing
from stream_processors.hosts.retry import Patience
from stream_processors.hosts.runner import Place, Surroundings
from stream_processors.hosts.saving import pack, save_interval_s, unpack
from stream_processors.ports import Emission, OffsetMove, PartitionState, Record, SavedState

_LOG = structlog.get_logger(__name__)

_AT_ONCE: Final = 2_000
"""Records appended together: after a long silence a step may tell of days."""
_HOME: Final = 0
"""The partition in whose row the state lies; the other rows hold their offsets alone."""


class _BrokenStepError(Exception):
    """A step failed with the state perhaps half changed."""


class Whole:
    """What the active process holds.

    Attributes:
        next: Next offset of each partition that the state has not taken.
        reign: Changes whenever the state was restored, so that what was read for the one before is not used.
    """

    def __init__(self, family: WholeFamily, world: Surroundings, patience: Patience) -> None:
        self._family = family
        self._world = world
        self._patience = patience
        self._restorer = Restorer(family.name, world, patience)
        self._undertaker = Undertaker(
            family=family.name,
            version=family.version,
            publisher=world.publisher,
            meter=world.meter,
            patience=patience,
        )
        self.next: dict[int, int] = {}
        self.reign = 0
        self._state: WholeState | None = None
        self._saved: dict[int, int | None] = {}
        self._clock_ms: dict[int, int] = {}
        self._saved_at_ms = 0.0
        self._saved_bytes = 0
        self._cluster_id = ""
        self._aside: set[tuple[int, int]] = set()
        self._told_before: dict[int, int] = {}

    @property
    def lost_records(self) -> int:
        """Records that the log dropped before they were read."""
        return self._restorer.lost_records

    def clocks(self) -> Mapping[int, int]:
        """Return how far each partition is taken in, by the clock that its records carry; any thread may ask."""
        state = self._state
        return {} if state is None else state.clocks()

    def drop(self) -> None:
        """Forget the state: somebody else goes on with what was saved."""
        self._state = None
        self._aside.clear()

    async def restore(self, lease: Lease) -> None:
        """Load what was saved, and take in what changed outside the log, unless another has told of what follows.

        What it told of it told without the change: there the change waits until all of that is told again, alike.

        Raises:
            LogMismatchError: What was saved belongs to another log.
            StaleOwnerError: As `save`.
            LeaseLostError: As `save`.
        """
        places = [Place(self._family.topic, number) for number in range(PARTITIONS)]
        standings = await asyncio.gather(*map(self._restorer.standing, places))
        opened = await self._opened(standings[_HOME])
        self._cluster_id = standings[_HOME].cluster_id
        for number, standing in enumerate(standings):
            row = standing.row
            self._saved[number] = None if row is None else row.next_offset
            self._clock_ms[number] = row.clock_ms if opened and row is not None else 0
            if opened and row is not None:
                self._restorer.lost(Place(self._family.topic, number), row.next_offset, standing.first)
                self.next[number] = max(row.next_offset, standing.first)
            else:
                self.next[number] = standing.first
        self._saved_at_ms = self._world.now_ms()
        self.reign += 1
        if opened:
            self._world.meter.count("restored_total", topic=self._family.topic)
        ends = {number: standing.end for number, standing in enumerate(standings)}
        self._told_before = ends if opened else {}
        if not self._repeats():
            await self._succeed(lease)

    async def recheck(self) -> None:
        """Return if the log is still the one that was read, after Kafka was away; what it dropped is counted.

        Raises:
            LogMismatchError: It is not.
        """
        for number, offset in list(self.next.items()):
            place = Place(self._family.topic, number)
            await self._restorer.still_reaches(place, offset)
            first, _ = await self._patience.insist("log", partial(self._world.reader.bounds, *place))
            self._restorer.lost(place, offset, first)
            self.next[number] = max(offset, first)

    async def handle(self, records: Sequence[Record], lease: Lease) -> None:
        """Return when every effect of the records is durable; save where that is due.

        Raises:
            LeaseLostError: Another process may be the active one: nothing more may be told.
            StaleOwnerError: Another process has saved.
        """
        try:
            await self._advance(records, lease)
        except _BrokenStepError:
            await self.restore(lease)  # what follows is read again from there
            return
        self._world.meter.count("records_total", len(records), topic=self._family.topic)
        repeated, repeats = bool(self._told_before), self._repeats()
        if repeated and not repeats and await self._succeed(lease):
            return
        age_ms = self._world.now_ms() - self._saved_at_ms
        is_due = age_ms >= 1000.0 * save_interval_s(self._world.save_every_s, [self._saved_bytes])
        if is_due and (repeats or not await self._succeed(lease)):
            await self.save(lease)

    async def save(self, lease: Lease, blob: bytes | None = None) -> None:
        """Save the state, or what takes its place, with the offsets.

        Raises:
            StaleOwnerError: Another process has saved.
            LeaseLostError: The lease is lost.
        """
        if self._state is None:
            return
        raw = blob if blob is not None else await asyncio.to_thread(self._state.snapshot)
        packed = await asyncio.to_thread(pack, raw)
        row = SavedState(
            family=self._family.name,
            topic=self._family.topic,
            partition=_HOME,
            cluster_id=self._cluster_id,
            next_offset=self.next[_HOME],
            clock_ms=self._clock_ms[_HOME],
            version=self._family.version,
            blob=packed,
        )
        moves = [
            OffsetMove(
                topic=self._family.topic,
                partition=number,
                expected=self._saved[number],
                next=offset,
                clock_ms=self._clock_ms[number],
            )
            for number, offset in sorted(self.next.items())
        ]
        self._saved_at_ms = self._world.now_ms()
        try:
            await lease.save(row, moves)
        except ContractError as refused:
            _LOG.error("the database refuses a state: a restart would read the log instead", reason=str(refused))
            return
        self._saved = {move.partition: move.next for move in moves}
        self._aside = {(number, offset) for number, offset in self._aside if offset >= self.next[number]}
        self._saved_bytes = len(packed)
        self._world.meter.count("saved_bytes_total", len(packed))

    async def _succeed(self, lease: Lease) -> bool:
        """Save and become the state with what changed outside the log, if anything did."""
        state = self._state
        if state is None:
            return False
        blob = await self._patience.insist("definitions", partial(self._family.successor, state))
        if blob is None:
            return False
        await self.save(lease, blob)
        self._state = await asyncio.to_thread(self._family.open, blob)
        _LOG.info("goes on with what was changed outside the log", family=self._family.name)
        return True

    async def _advance(self, records: Sequence[Record], lease: Lease) -> None:
        waiting = [record for record in records if self._is_next(record)]
        while waiting:
            if self._state is None:
                raise RuntimeError("Records were handed over before the state was restored.")
            emissions, error = await asyncio.to_thread(_stepped, self._state, waiting)
            done = len(emissions)
            await self._publish([one for told in emissions for one in told], lease)
            for record in waiting[:done]:
                self._passed(record)
            if error is None:
                return
            if isinstance(error, RegistryVersionError):
                raise error
            await self._undertaker.bury(waiting[done], error)
            self._passed(waiting[done])
            if not isinstance(error, ContractError):
                self._aside.add((waiting[done].partition, waiting[done].offset))
                raise _BrokenStepError from error
            waiting = waiting[done + 1 :]

    def _passed(self, record: Record) -> None:
        self.next[record.partition] = record.offset + 1
        self._clock_ms[record.partition] = max(self._clock_ms[record.partition], record.append_ms)

    def _repeats(self) -> bool:
        """Whether records are still to be taken that the log held when the state was restored."""
        if all(self.next[number] >= end for number, end in self._told_before.items()):
            self._told_before = {}
        return bool(self._told_before)

    def _is_next(self, record: Record) -> bool:
        """Whether a record is to be stepped; offsets that the log leaves out are passed over."""
        return record.offset >= self.next[record.partition] and (record.partition, record.offset) not in self._aside

    async def _publish(self, emissions: Sequence[Emission], lease: Lease) -> None:
        for start in range(0, len(emissions), _AT_ONCE):
            some = emissions[start : start + _AT_ONCE]
            try:
                await self._patience.insist("publish", partial(self._append, some, lease))
            except ContractError:
                for one in some:
                    await self._publish_one(one, lease)

    async def _publish_one(self, emission: Emission, lease: Lease) -> None:
        try:
            await self._patience.insist("publish", partial(self._append, [emission], lease))
        except ContractError as error:
            _LOG.error("the log never takes a status", topic=emission.topic, reason=str(error))

    async def _append(self, emissions: Sequence[Emission], lease: Lease) -> None:
        if not lease.held:
            raise LeaseLostError("The database has not answered for too long.")
        await self._world.publisher.publish(emissions)

    async def _opened(self, standing: Standing) -> bool:
        """Open the saved state if there is one that this version can read; say so if there is one that it cannot."""
        row = standing.row
        if row is not None:
            why = f"it is of version {row.version}"
            blob = None
            if row.version in {self._family.version, *self._family.earlier}:
                why = "it is damaged"
                blob = None if row.blob is None else await asyncio.to_thread(unpack, row.blob)
            if blob is not None:
                try:
                    self._state = await asyncio.to_thread(self._family.open, blob)
                except Exception:  # noqa: BLE001 - whatever is wrong with it, the log can replace it
                    _LOG.exception("a saved state cannot be opened")
                else:
                    return True
            _LOG.warning("the saved state is not used: all is computed again from the log's start", why=why)
        self._state = await asyncio.to_thread(self._family.open, None)
        return False


def _stepped(state: PartitionState, records: Sequence[Record]) -> tuple[list[Sequence[Emission]], Exception | None]:
    """Step records in a thread; return what each told, up to one that failed, and why that one did."""
    told: list[Sequence[Emission]] = []
    for record in records:
        try:
            told.append(state.step(record).emissions)
        except Exception as error:  # noqa: BLE001 - which it was decides what becomes of the record
            return told, error
    return told, None
