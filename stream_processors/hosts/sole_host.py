"""One active process for a whole topic, the others on standby: plain assigned consumers under a lease, no group.

The order is that of every host: step, publish and await, save. Offsets are kept with the state alone. Whoever loses the
lease stops at once and drops the state; a standby loads what was saved and goes on from there, which repeats what was
published since: ids and revisions follow from the log, so that nobody sees the repeats.
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.errors import BrokerAwayError, LeaseLostError, StaleOwnerError
from schemas.topics import PARTITIONS
from stream_processors.hosts.kafka_record import record_of
from stream_processors.hosts.kafka_start import started
from stream_processors.hosts.leases import Lease, Leases, WholeFamily
from stream_processors.hosts.merging import Merge
from stream_processors.hosts.retry import Patience
from stream_processors.hosts.runner import Surroundings
from stream_processors.hosts.whole import Whole
from stream_processors.ports import Record

_LOG = structlog.get_logger(__name__)

TRY_EVERY_S: Final = 0.5
BATCH: Final = 64
_POLL_MS: Final = 200
_FETCH_BYTES: Final = 1_048_576
_REST_S: Final = 0.5
"""So long records gather once all that lay in the log was taken: a look costs the same for one record or for many."""
_FINISH_MOST_S: Final = 8.0
"""So long a worker that ends may take to finish and save; what it did not, its successor does again."""


class SoleHost:
    """Competes for the lease; while it is held, feeds the family's state from all partitions."""

    def __init__(self, family: WholeFamily, world: Surroundings, leases: Leases, *, bootstrap: str) -> None:
        self._family = family
        self._world = world
        self._leases = leases
        self._bootstrap = bootstrap
        self._patience = Patience(world.meter, world.backoff)
        self._whole = Whole(family, world, self._patience)
        self._role = "starting"
        self._is_warm = False

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics that are followed."""
        return (self._family.topic,)

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then finish the batch, save and give the lease back.

        Raises:
            PulseraError: What made the worker stop; nothing of the batch in hand was saved.
        """
        ended = asyncio.create_task(stopping.wait(), name="wait for stop")
        try:
            while not stopping.is_set():
                trying = asyncio.create_task(self._patience.insist("lock", self._leases.win), name="try the lock")
                await asyncio.wait({trying, ended}, return_when=asyncio.FIRST_COMPLETED)
                if not trying.done():
                    trying.cancel()
                    await asyncio.wait({trying})
                    break
                lease = trying.result()
                self._tell("standby" if lease is None else "active")
                if lease is None:
                    await self._warm()
                    await asyncio.wait({ended}, timeout=TRY_EVERY_S)
                else:
                    await self._reign(lease, ended)
        finally:
            ended.cancel()
            await self._leases.close()

    def status(self) -> Mapping[str, Any]:
        """Return what the health answer says."""
        active = self._role == "active"
        return {
            "status": "starting" if self._role == "starting" else "ok",
            "role": self._role,
            "waiting": dict(self._patience.waiting),
            "lost_records": self._whole.lost_records,
            "partitions": PARTITIONS if active else 0,
            "reached_ms": min(self._whole.clocks().values(), default=None),
        }

    def _tell(self, role: str) -> None:
        if role != self._role:
            _LOG.info("the lock is ours" if role == "active" else "on standby", family=self._family.name)
        self._role = role
        self._world.meter.gauge("active", float(role == "active"))

    async def _warm(self) -> None:
        """Load what judges before it is needed: half a second of a core, on a busy machine much of a takeover."""
        if not self._is_warm:
            self._is_warm = True
            await asyncio.to_thread(self._family.open, None)

    async def _reign(self, lease: Lease, ended: "asyncio.Task[Any]") -> None:
        """Be the active process until the lease is lost, another was faster, or the worker ends."""
        keeping = asyncio.create_task(lease.keep(), name="keep the lease")
        working = asyncio.create_task(self._work(lease, ended), name="work under the lease")
        try:
            await asyncio.wait({keeping, working, ended}, return_when=asyncio.FIRST_COMPLETED)
            if ended.done():
                await asyncio.wait({keeping, working}, timeout=_FINISH_MOST_S, return_when=asyncio.FIRST_COMPLETED)
            for task in (working, keeping):
                if task.done():
                    task.result()
        except (LeaseLostError, StaleOwnerError) as error:
            _LOG.warning("no longer the active one: the state is dropped", family=self._family.name, reason=str(error))
            self._tell("standby")
        finally:
            keeping.cancel()
            working.cancel()
            await asyncio.wait({keeping, working})
            self._whole.drop()
            await lease.release()

    async def _work(self, lease: Lease, ended: "asyncio.Task[Any]") -> None:
        await self._whole.restore(lease)
        while not ended.done():
            consumer = self._consumer()
            try:
                await self._follow(consumer, lease, ended)
            except (KafkaError, OSError, TimeoutError) as error:
                away = BrokerAwayError(f"Kafka does not answer: {type(error).__name__}.")
                await self._patience.pause("log", away, self._world.backoff.most_s)
                await self._whole.recheck()
            finally:
                await consumer.stop()
        await self._whole.save(lease)

    async def _follow(self, consumer: AIOKafkaConsumer, lease: Lease, ended: "asyncio.Task[Any]") -> None:
        """Read, merge and step until the worker ends, the state had to be restored, or Kafka goes away."""
        await started(consumer)
        places = {number: TopicPartition(self._family.topic, number) for number in range(PARTITIONS)}
        consumer.assign(list(places.values()))
        read = dict(self._whole.next)
        for number, place in places.items():
            consumer.seek(place, read[number])
        merge, paused = Merge(PARTITIONS, reached=self._whole.clocks()), set[int]()
        reign = self._whole.reign
        while not ended.done() and self._whole.reign == reign:
            batches = await consumer.getmany(timeout_ms=_POLL_MS, max_records=BATCH)
            self._patience.resumed("log")
            records = [record_of(raw) for raws in batches.values() for raw in raws]
            clocks_ms = await asyncio.to_thread(self._clocks_ms, records)
            for record, clock_ms in zip(records, clocks_ms, strict=True):
                merge.add(record, clock_ms)
                read[record.partition] = record.offset + 1
            ends = {number: consumer.highwater(place) for number, place in places.items()}
            at_end = {number for number, end in ends.items() if end is not None and read[number] >= end}
            await self._take(merge, at_end, lease, reign)
            full = merge.full()
            consumer.pause(*(places[number] for number in full - paused))
            consumer.resume(*(places[number] for number in paused - full))
            paused = full
            known = {number: end for number, end in ends.items() if end is not None}
            lag = sum(max(0, end - self._whole.next[number]) for number, end in known.items())
            self._world.meter.gauge("lag_records", float(lag), topic=self._family.topic)
            if len(at_end) == PARTITIONS:
                await asyncio.wait({ended}, timeout=_REST_S)

    def _clocks_ms(self, records: Sequence[Record]) -> list[int | None]:
        return [self._family.clock_ms(record) for record in records]

    async def _take(self, merge: Merge, at_end: set[int], lease: Lease, reign: int) -> None:
        """Hand over all that is in order."""
        while self._whole.reign == reign:
            records: Sequence[Record] = merge.take(BATCH, at_end=at_end)
            await self._whole.handle(records, lease)
            if not records:
                return

    def _consumer(self) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            fetch_max_wait_ms=_POLL_MS,
            max_partition_fetch_bytes=_FETCH_BYTES,
        )
