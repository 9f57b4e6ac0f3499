"""Faust as a thin host: it subscribes, keeps the membership, and hands us records; everything else is the runner's."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

import faust
import structlog
from faust.app.base import BootStrategy

from schemas.errors import BrokerAwayError
from stream_processors.hosts.membership import Membership
from stream_processors.hosts.runner import Place, Runner
from stream_processors.ports import Meter, Record

_LOG = structlog.get_logger(__name__)

MOST_RECORDS: Final = 64
_BUFFERED_RECORDS: Final = 256
_FETCH_BYTES: Final = 4 * 1_048_576
_DRAIN_MOST_S: Final = 8.0
_LEAVE_MOST_S: Final = 15.0
_WATCH_EVERY_S: Final = 1.0
_POLL_INTERVAL_MOST_S: Final = 24 * 3600.0
"""A worker that waits for a database that is away must not be taken for dead; its heartbeat says that it lives."""


class _Boot(BootStrategy):
    enable_web = False


class _App(faust.App):
    BootStrategy = _Boot

    async def on_first_start(self) -> None:
        """Leave out the folders that Faust would make for tables: there are none."""


class FaustHost:
    """One member of a family's consumer group, run inside this process's loop."""

    def __init__(self, runner: Runner, membership: Membership, meter: Meter) -> None:
        self._runner = runner
        self._membership = membership
        self._meter = meter
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then finish the batch, save, commit and leave.

        Raises:
            PulseraError: What made the worker stop; nothing of the batch in hand was committed.
        """
        app = self._app()
        background = asyncio.create_task(self._runner.run(), name="runner")
        watching = asyncio.create_task(self._watch(app), name="watch faust")
        stop = asyncio.create_task(stopping.wait(), name="wait for stop")
        try:
            await app.start()
            ends: list[asyncio.Future[Any]] = [background, watching, stop, self._failed]
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._draining = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._idle.wait(), 0.0 if self._failed.done() else _DRAIN_MOST_S)
            await _end(stop, watching, background)
            if self._idle.is_set():
                await self._runner.stop()
            app.consumer.unacked.clear()  # what is in hand stays uncommitted; Faust would wait for it for ever
            leaving = asyncio.create_task(app.stop(), name="leave the group")
            await asyncio.wait({leaving}, timeout=_LEAVE_MOST_S)  # not wait_for: it would wait for the cancelled stop
            if not leaving.done():
                _LOG.warning("Faust did not leave the group in time: the others take over after the session timeout")
        for task in (self._failed, background, watching):
            if task.done() and not task.cancelled() and (error := task.exception()) is not None:
                raise error

    def _app(self) -> Any:
        member = self._membership
        app: Any = _App(
            member.group,
            broker=f"kafka://{member.bootstrap}",
            store="memory://",
            autodiscover=False,
            web_enabled=False,
            topic_allow_declare=False,
            topic_disable_leader=True,
            processing_guarantee="at_least_once",
            key_serializer="raw",
            value_serializer="raw",
            consumer_auto_offset_reset="earliest",
            consumer_group_instance_id=member.instance,
            consumer_max_fetch_size=_FETCH_BYTES,
            broker_session_timeout=member.session_timeout_s,
            broker_heartbeat_interval=member.heartbeat_s,
            broker_commit_interval=member.commit_interval_s,
            broker_commit_every=1_000,
            broker_max_poll_records=200,
            broker_max_poll_interval=_POLL_INTERVAL_MOST_S,
            stream_buffer_maxsize=_BUFFERED_RECORDS,
            stream_wait_empty=True,
            stream_processing_timeout=_POLL_INTERVAL_MOST_S,
            table_standby_replicas=0,
        )
        topics = app.topic(*self._runner.topics, key_type=bytes, value_type=bytes)
        app.agent(topics, concurrency=1, name=f"{member.group}.records")(self._agent)
        app.on_partitions_assigned.connect(self._assigned)
        app.on_partitions_revoked.connect(self._revoked)
        return app

    async def _agent(self, stream: Any) -> None:
        """Hand batches to the runner; an exception that escaped from here would acknowledge what it failed on."""
        try:
            async for events in self._batches(stream):
                await self._runner.handle([_record(event.message) for event in events])
                for event in events:
                    await stream.ack(event)
                self._idle.set()
        except asyncio.CancelledError:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever it is, the process must end before the offset moves
            self._fail(error)
        await asyncio.Event().wait()  # until Faust stops

    async def _batches(self, stream: Any) -> AsyncIterator[list[Any]]:
        """Yield what is ready at once, at most `MOST_RECORDS` events; wait only where nothing is.

        Acknowledging is left to `_agent`, in order and whole batches, so that no commit can pass work in flight.
        """
        events = aiter(stream.noack().events())
        queue = stream.channel.queue
        upcoming = asyncio.ensure_future(anext(events))
        try:
            while not self._draining:
                await asyncio.wait({upcoming})
                if self._draining:
                    return
                self._idle.clear()
                batch = [upcoming.result()]
                upcoming = asyncio.ensure_future(anext(events))
                while len(batch) < MOST_RECORDS:
                    if not upcoming.done() and not queue.empty():
                        await asyncio.wait({upcoming}, timeout=0.001)
                    if not upcoming.done():
                        break
                    batch.append(upcoming.result())
                    upcoming = asyncio.ensure_future(anext(events))
                yield batch
        finally:
            upcoming.cancel()

    async def _assigned(self, _app: Any, assigned: Iterable[Any], **_: Any) -> None:
        places = [Place(tp.topic, tp.partition) for tp in assigned]
        _LOG.info("partitions assigned", group=self._membership.group, count=len(places))
        await self._runner.assigned(places)

    async def _revoked(self, _app: Any, revoked: Iterable[Any], **_: Any) -> None:
        try:
            await self._runner.revoked([Place(tp.topic, tp.partition) for tp in revoked])
        except Exception as error:  # noqa: BLE001 - Faust would only log it
            self._fail(error)

    async def _watch(self, app: Any) -> None:
        """Measure the lag, and end the process when Faust gave up: it is started again from what is saved."""
        while True:
            await asyncio.sleep(_WATCH_EVERY_S)
            if app.crashed:
                raise BrokerAwayError(f"Faust gave up: {app.crash_reason!r}")
            for topic, lag in self._lag(app).items():
                self._meter.gauge("lag_records", lag, topic=topic)

    def _lag(self, app: Any) -> dict[str, int]:
        lag = dict.fromkeys(self._runner.topics, 0)
        for tp, end in app.monitor.tp_end_offsets.items():
            position = self._runner.position(Place(tp.topic, tp.partition))
            if position is not None:
                lag[tp.topic] += max(0, end - position)
        return lag

    def _fail(self, error: BaseException) -> None:
        if not self._failed.done():
            self._failed.set_exception(error)


def _record(message: Any) -> Record:
    return Record(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        append_ms=round(message.timestamp * 1000.0),
        key=message.key,
        value=message.value or b"",
    )


async def _end(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
