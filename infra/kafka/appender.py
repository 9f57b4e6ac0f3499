"""Appends frames of readings to Kafka: idempotent, on all replicas, in order within a partition, retried for ever."""

import asyncio
from collections import deque
from functools import partial
from itertools import islice
from types import TracebackType
from typing import Any, Final, Self

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    InvalidTopicError,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    RecordListTooLargeError,
    TopicAuthorizationFailedError,
)

from schemas.errors import BrokerAwayError, ContractError
from schemas.topics import PARTITIONS, READINGS, Topic
from stream_processors.hosts.kafka_start import started

_LOG: Final = structlog.get_logger(__name__)
_NEVER: Final = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidTopicError, TopicAuthorizationFailedError)
_BATCH_BYTES: Final = 524_288
"""Frames that wait for one partition travel together up to this size; the broker takes twice as much."""
_BACKOFF_S: Final = 0.2
_BACKOFF_MOST_S: Final = 5.0
_STOP_S: Final = 5.0


class _Waiting:
    """A frame and the future of whoever waits for it."""

    __slots__ = ("data", "done")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()


class KafkaAppender:
    """One worker a partition keeps the order: it has one batch on its way and takes the next when that is durable.

    The idempotent producer of aiokafka retries for ever by itself, with two exceptions: a batch that never found a
    leader expires and leaves a hole in the sequence numbers of its partition, and a broker that lost its tail answers
    every later batch with an error about sequence numbers. In both cases the producer is replaced by one with a
    fresh id and what was in hand is appended again; readings count once by their identity.
    """

    def __init__(
        self, bootstrap: str, *, topic: Topic = READINGS, client_id: str = "pulsera-gateway", compress: bool = True
    ) -> None:
        """`compress` is for what becomes smaller by it: pictures do not."""
        self._bootstrap = bootstrap
        self._topic = topic
        self._client_id = client_id
        self._compression = "zstd" if compress else None
        self._producer: Any = None
        self._generation = 0
        self._retired: asyncio.Future[None]
        self._replacing = asyncio.Lock()
        self._queues: list[deque[_Waiting]] = [deque() for _ in range(PARTITIONS)]
        self._wakes = [asyncio.Event() for _ in range(PARTITIONS)]
        self._workers: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        """Wait for Kafka and the topic, then start the workers."""
        self._producer = await self._connect()
        self._retired = asyncio.get_running_loop().create_future()
        for partition in range(PARTITIONS):
            worker = asyncio.create_task(self._work(partition))
            worker.add_done_callback(partial(self._ended, partition))
            self._workers.append(worker)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the workers and the producer; whoever still waits is cancelled."""
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*self._workers, return_exceptions=True)
        await self._discard(self._producer)

    async def append(self, partition: int, frame: bytes) -> None:
        """Return when the frame is durable on all replicas.

        Raises:
            ContractError: The broker will never take this frame.
        """
        waiting = _Waiting(frame)
        self._queues[partition].append(waiting)
        self._wakes[partition].set()
        await waiting.done

    async def _work(self, partition: int) -> None:
        queue, wake = self._queues[partition], self._wakes[partition]
        while True:
            if not queue:
                wake.clear()
                await wake.wait()
            batch, size = [queue[0]], len(queue[0].data)
            for waiting in islice(queue, 1, None):
                size += len(waiting.data)
                if size > _BATCH_BYTES:
                    break
                batch.append(waiting)
            await self._deliver(partition, batch)
            for _ in batch:
                queue.popleft()

    def _ended(self, partition: int, worker: asyncio.Task[None]) -> None:
        """Tell everybody who waits for a partition that its worker is no more, and why."""
        for waiting in self._queues[partition]:
            if worker.cancelled():
                waiting.done.cancel()
            elif not waiting.done.done():
                waiting.done.set_exception(worker.exception() or BrokerAwayError("The appender has stopped."))

    async def _deliver(self, partition: int, batch: list[_Waiting]) -> None:
        """See a batch to its end, in order, whatever the broker does meanwhile."""
        backoff_s = _BACKOFF_S
        left = batch
        while left:
            generation = self._generation
            error = await self._try(partition, left)
            left = [waiting for waiting in left if not waiting.done.done()]
            if error is None:
                continue
            _LOG.warning("append_retried", partition=partition, frames=len(left), error=type(error).__name__)
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _BACKOFF_MOST_S)
            await self._replace(generation)

    async def _try(self, partition: int, batch: list[_Waiting]) -> KafkaError | OSError | None:
        """Append a batch once; return the error after which the rest of it must be appended again."""
        futures: list[asyncio.Future[Any]] = []
        producer, retired = self._producer, self._retired
        try:
            for waiting in batch:
                future = await producer.send(self._topic.name, value=waiting.data, partition=partition)
                futures.append(future)
        except (KafkaError, OSError) as error:
            failed: KafkaError | OSError | None = error
        else:
            failed = None
        for waiting, future in zip(batch, futures, strict=False):
            try:
                await _answer(future, retired)
            except _NEVER as error:
                _settle(waiting, ContractError(f"Kafka will never take this frame: {type(error).__name__}."))
            except (KafkaError, OSError) as error:
                failed = failed or error
            else:
                if failed is None:
                    _settle(waiting, None)
        if isinstance(failed, _NEVER) and len(futures) < len(batch):
            _settle(batch[len(futures)], ContractError(f"Kafka will never take this frame: {type(failed).__name__}."))
            return None
        return failed

    async def _replace(self, generation: int) -> None:
        """Put a new producer in the place of the one that failed, once for all partitions."""
        async with self._replacing:
            if self._generation != generation:
                return
            old, retired = self._producer, self._retired
            self._producer = await self._connect()
            self._generation += 1
            self._retired = asyncio.get_running_loop().create_future()
            retired.set_result(None)
            _LOG.info("producer_replaced")
            await self._discard(old)

    async def _connect(self) -> Any:
        """Return a started producer that knows the topic; waits for Kafka, and says so."""
        backoff_s = _BACKOFF_S
        while True:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                client_id=self._client_id,
                acks="all",
                enable_idempotence=True,
                linger_ms=0,
                # A frame of few readings is mostly its schema, which is always the same: a quarter is left of it.
                compression_type=self._compression,
                max_batch_size=_BATCH_BYTES + 65_536,
                max_request_size=self._topic.max_message_bytes,
                request_timeout_ms=30_000,
                retry_backoff_ms=100,
            )
            try:
                await started(producer)
                known = await producer.partitions_for(self._topic.name)
                if len(known) == PARTITIONS:
                    return producer
                reason = f"the topic {self._topic.name} has {len(known)} partitions, not {PARTITIONS}"
            except (KafkaError, OSError) as error:
                reason = str(error) or type(error).__name__
            except BaseException:  # cancelled it would keep its connections open
                await self._discard(producer)
                raise
            await self._discard(producer)
            _LOG.warning("waiting_for_kafka", bootstrap=self._bootstrap, reason=reason)
            await asyncio.sleep(backoff_s)
            backoff_s = min(backoff_s * 2, _BACKOFF_MOST_S)

    @staticmethod
    async def _discard(producer: Any) -> None:
        """Stop a producer, also where whoever asks for it is cancelled meanwhile: half stopped it stays connected."""
        stopping = asyncio.create_task(_stop(producer))
        try:
            await asyncio.shield(stopping)
        except asyncio.CancelledError:
            await stopping
            raise


async def _stop(producer: Any) -> None:
    try:
        await asyncio.wait_for(producer.stop(), _STOP_S)
    except (KafkaError, TimeoutError, OSError) as error:
        _LOG.warning("producer_not_stopped", error=type(error).__name__)


async def _answer(sent: asyncio.Future[Any], retired: asyncio.Future[None]) -> None:
    """Return when a batch is durable; one whose producer was replaced meanwhile is never answered, and is a failure."""
    # A future that both share costs a callback; a task that waits for an event would cost a task a frame.
    await asyncio.wait({sent, retired}, return_when=asyncio.FIRST_COMPLETED)
    if not sent.done():
        sent.cancel()
        raise KafkaConnectionError("The producer was replaced.")
    await sent


def _settle(waiting: _Waiting, error: ContractError | None) -> None:
    if waiting.done.done():
        return
    if error is None:
        waiting.done.set_result(None)
    else:
        waiting.done.set_exception(error)
