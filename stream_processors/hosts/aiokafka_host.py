"""Plain aiokafka as a thin host: it keeps the membership and hands over what is ready; all else is the runner's.

A rebalance never waits for a database: what is in hand gets a few seconds, then it is dropped before its commit, and
whoever owns the partition next does it again.
"""

import asyncio
import contextlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.errors import IllegalStateError, InconsistentGroupProtocolError, KafkaError

from schemas.errors import BrokerAwayError, PulseraError
from stream_processors.hosts.kafka_record import record_of
from stream_processors.hosts.kafka_start import started
from stream_processors.hosts.membership import Membership
from stream_processors.hosts.runner import Place, Runner
from stream_processors.ports import Meter

_LOG = structlog.get_logger(__name__)

MOST_RECORDS: Final = 64
_POLL_MS: Final = 1_000
_FETCH_WAIT_MS: Final = 200
"""A partition that was just emptied may wait so long for the poll of its silent neighbours."""
_FETCH_BYTES: Final = 8 * 1_048_576
_PARTITION_BYTES: Final = 1_048_576
"""What a backlog may take in memory; Kafka gives a larger record all the same when it is the first."""
_POLL_INTERVAL_MOST_MS: Final = 24 * 3_600_000
"""A worker that waits for a database must not be taken for dead; its heartbeat says that it lives."""
_REBALANCE_MOST_MS: Final = 30_000
"""Kafka's patience with a member that does not come back from a rebalance; the others then go on without it."""
_FINISH_MOST_S: Final = 5.0
_LET_GO_MOST_S: Final = 20.0
_DRAIN_MOST_S: Final = 8.0
_COMMIT_MOST_S: Final = 5.0
_LEAVE_MOST_S: Final = 15.0
_WATCH_EVERY_S: Final = 1.0
_AGAIN_S: Final = 1.0


class _Listener(ConsumerRebalanceListener):  # type: ignore[misc]  # aiokafka has no types
    """Tells the host about its partitions."""

    def __init__(self, host: "AiokafkaHost") -> None:
        self._host = host

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        """Give partitions back."""
        await self._host.revoked([Place(tp.topic, tp.partition) for tp in revoked])

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        """Take partitions over."""
        await self._host.assigned([Place(tp.topic, tp.partition) for tp in assigned])


class AiokafkaHost:
    """One member of a family's consumer group, run inside this process's loop."""

    def __init__(self, runner: Runner, membership: Membership, meter: Meter) -> None:
        self._runner = runner
        self._membership = membership
        self._meter = meter
        self._consumer = self._new_consumer()
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._work: asyncio.Task[None] | None = None
        self._background: asyncio.Task[None] | None = None
        self._handled: dict[TopicPartition, int] = {}
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then finish the batch, save, commit and leave.

        Raises:
            PulseraError: What made the worker stop; nothing of the batch in hand was committed.
        """
        self._consumer.subscribe(topics=list(self._runner.topics), listener=_Listener(self))
        try:
            await started(self._consumer)
        except (KafkaError, OSError, TimeoutError) as error:
            raise BrokerAwayError(f"Kafka does not answer: {type(error).__name__}.") from error
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._consume(), name="consume"),
            asyncio.create_task(self._commit_regularly(), name="commit"),
            asyncio.create_task(self._watch(), name="watch"),
            asyncio.create_task(stopping.wait(), name="wait for stop"),
        ]
        try:
            await asyncio.wait([*tasks, self._failed], return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                if task.done() and (reason := task.exception()) is not None:
                    self._fail(reason)
        finally:
            await self._leave(tasks)
        if self._failed.done():
            self._failed.result()

    async def assigned(self, places: Collection[Place]) -> None:
        """Take partitions over; what runs in the background runs from here to their revocation."""
        _LOG.info("partitions assigned", group=self._membership.group, count=len(places))
        await self._rest()
        if self._draining:
            return
        await self._runner.assigned(places)
        self._background = asyncio.create_task(self._runner.run(), name="runner")
        self._background.add_done_callback(self._ended)

    async def revoked(self, places: Collection[Place]) -> None:
        """Finish or drop what is in hand, then save and forget; a worker that cannot let go in time ends."""
        if not places:
            return
        try:
            async with asyncio.timeout(_LET_GO_MOST_S):
                await self._finish()
                await self._commit()
                await self._rest()
                await self._runner.revoked(places)
        except TimeoutError:
            self._fail(PulseraError("Partitions could not be given back in time: this worker starts anew."))
        except Exception as error:  # noqa: BLE001 - aiokafka would only log it
            self._fail(error)
        self._handled.clear()

    def _new_consumer(self) -> AIOKafkaConsumer:
        member = self._membership
        return AIOKafkaConsumer(
            bootstrap_servers=member.bootstrap,
            group_id=member.group,
            group_instance_id=member.instance,
            session_timeout_ms=int(member.session_timeout_s * 1000),
            heartbeat_interval_ms=int(member.heartbeat_s * 1000),
            rebalance_timeout_ms=_REBALANCE_MOST_MS,
            max_poll_interval_ms=_POLL_INTERVAL_MOST_MS,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            fetch_max_wait_ms=_FETCH_WAIT_MS,
            fetch_max_bytes=_FETCH_BYTES,
            max_partition_fetch_bytes=_PARTITION_BYTES,
        )

    # Records.

    async def _consume(self) -> None:
        said = False
        while not self._draining:
            try:
                fetched = await self._consumer.getmany(timeout_ms=_POLL_MS, max_records=MOST_RECORDS)
            except InconsistentGroupProtocolError:
                if not said:
                    _LOG.warning("waiting for members of another host to leave the group", group=self._membership.group)
                said = True
                await asyncio.sleep(_AGAIN_S)
            except KafkaError as error:
                raise BrokerAwayError(f"Kafka does not serve this member: {error!r}") from error
            else:
                if fetched and not self._draining:
                    await self._handle(fetched)

    async def _handle(self, fetched: Mapping[TopicPartition, Sequence[Any]]) -> None:
        """Hand a batch to the runner, in a task of its own, so that a rebalance can drop it."""
        self._idle.clear()
        work = asyncio.create_task(
            self._runner.handle([record_of(raw) for raws in fetched.values() for raw in raws]), name="handle"
        )
        self._work = work
        try:
            await asyncio.wait({work})
            if not work.cancelled():
                work.result()
                self._handled.update({place: raws[-1].offset + 1 for place, raws in fetched.items()})
        finally:
            work.cancel()
            await asyncio.wait({work}, timeout=_FINISH_MOST_S)
            self._work = None
            self._idle.set()

    async def _finish(self) -> None:
        """Return when nothing is in hand: finished, or dropped where that takes too long."""
        work = self._work
        if work is None:
            return
        await asyncio.wait({work}, timeout=_FINISH_MOST_S)
        if not work.done():
            _LOG.warning("a batch is dropped, so that the group need not wait for it", group=self._membership.group)
            work.cancel()
        await self._idle.wait()

    # Offsets.

    async def _commit_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._membership.commit_interval_s)
            await self._commit()

    async def _commit(self) -> None:
        """Commit what was handled; it decides only what is delivered again, so a failure is left to the next time."""
        handled = dict(self._handled)
        if not handled:
            return
        try:
            async with asyncio.timeout(_COMMIT_MOST_S):
                await self._consumer.commit(handled)
        except (KafkaError, IllegalStateError, TimeoutError) as error:
            _LOG.debug("offsets were not committed", group=self._membership.group, reason=type(error).__name__)
            return
        for place, offset in handled.items():
            if self._handled.get(place) == offset:
                del self._handled[place]

    # Lag.

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            lag = dict.fromkeys(self._runner.topics, 0)
            for place in self._consumer.assignment():
                end, position = self._consumer.highwater(place), self._runner.position(Place(*place))
                if end is not None and position is not None:
                    lag[place.topic] += max(0, end - position)
            for topic, records in lag.items():
                self._meter.gauge("lag_records", records, topic=topic)

    # The end.

    async def _leave(self, tasks: Sequence["asyncio.Task[Any]"]) -> None:
        self._draining = True
        if not self._failed.done():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), _DRAIN_MOST_S)
        finished = self._idle.is_set() and not self._failed.done()
        await _end(tasks)
        await self._rest()
        if finished:
            await self._commit()
            await self._runner.stop()
        leaving = asyncio.create_task(self._consumer.stop(), name="leave the group")
        await asyncio.wait({leaving}, timeout=_LEAVE_MOST_S)  # not wait_for: it would wait for the cancelled stop
        if not leaving.done():
            _LOG.warning("aiokafka did not leave the group in time: the others take over after the session timeout")

    async def _rest(self) -> None:
        """End what runs in the background; it may hold what a revocation needs."""
        background, self._background = self._background, None
        if background is not None:
            await _end([background])

    def _ended(self, background: "asyncio.Task[None]") -> None:
        if not background.cancelled() and (error := background.exception()) is not None:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)


async def _end(tasks: Sequence["asyncio.Task[Any]"]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
