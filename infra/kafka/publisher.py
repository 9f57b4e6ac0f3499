"""Appends records and waits until every one is durable."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaProducer
from aiokafka.errors import InvalidTopicError, KafkaError, MessageSizeTooLargeError, RecordListTooLargeError

from schemas.errors import BrokerAwayError, ContractError
from schemas.topics import BY_NAME, TOPICS
from stream_processors.hosts.kafka_start import started
from stream_processors.ports import Emission

_LOG = structlog.get_logger(__name__)

_BATCH_BYTES: Final = 131_072
_ENVELOPE_BYTES: Final = 256
"""More than what Kafka's record batch adds around one record."""
_MOST_BYTES: Final = max(topic.max_message_bytes for topic in TOPICS)
_SAY_AFTER_S: Final = 5.0
_REFUSED: Final = (MessageSizeTooLargeError, RecordListTooLargeError, InvalidTopicError)


class KafkaPublisher:
    """An idempotent producer with `acks=all`; a `Publisher`.

    The producer itself retries for ever while the broker is away and keeps the order meanwhile. Where it gives up all
    the same, its sequence numbers can no longer be trusted, so the next call starts a new one.
    """

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def publish(self, emissions: Sequence[Emission]) -> None:
        """Append all, in order within a partition, and return when every one is acknowledged by all replicas.

        Raises:
            BrokerAwayError: Not all are known to be durable; publishing all again is allowed.
            ContractError: One is too large for its topic; nothing, or everything else, was appended.
        """
        if not emissions:
            return
        for emission in emissions:
            _check_size(emission)
        producer = await self._open()
        futures: list[asyncio.Future[Any]] = []
        failure: BaseException | None = None
        try:
            for emission in emissions:
                sent = await producer.send(
                    emission.topic, value=emission.value or None, key=emission.key, partition=emission.partition
                )
                futures.append(sent)
        except (KafkaError, OSError) as error:
            failure = error
        await _settled(futures)
        for future in futures:
            failure = failure or future.exception()
        if failure is not None:
            await self._drop(producer)
            if isinstance(failure, _REFUSED):
                raise ContractError(f"Kafka refuses a record: {type(failure).__name__}.") from failure
            raise BrokerAwayError(f"Kafka did not take a record: {type(failure).__name__}.") from failure

    async def close(self) -> None:
        """Send what waits and close the connection."""
        if self._producer is not None:
            await self._drop(self._producer)

    async def _open(self) -> AIOKafkaProducer:
        async with self._starting:
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap,
                    acks="all",
                    enable_idempotence=True,
                    compression_type="zstd",
                    max_batch_size=_BATCH_BYTES,
                    max_request_size=_MOST_BYTES,
                )
                try:
                    await started(producer)
                except (KafkaError, OSError, TimeoutError) as error:
                    raise BrokerAwayError(f"Kafka does not answer: {type(error).__name__}.") from error
                self._producer = producer
            return self._producer

    async def _drop(self, producer: AIOKafkaProducer) -> None:
        is_ours = self._producer is producer
        if is_ours:
            self._producer = None
            await producer.stop()


def _check_size(emission: Emission) -> None:
    topic = BY_NAME.get(emission.topic)
    most = _MOST_BYTES if topic is None else topic.max_message_bytes
    size = len(emission.value) + len(emission.key or b"") + _ENVELOPE_BYTES
    if size > most:
        raise ContractError(f"A record of {size} bytes is larger than {emission.topic} takes ({most} bytes).")


async def _settled(futures: Sequence[asyncio.Future[Any]]) -> None:
    """Wait until no record of the call is under way any more, so that appending again cannot overtake one."""
    waiting: set[asyncio.Future[Any]] = set(futures)
    said = False
    while waiting:
        _, waiting = await asyncio.wait(waiting, timeout=_SAY_AFTER_S)
        if waiting and not said:
            _LOG.warning("waiting for Kafka to take records", records=len(waiting))
            said = True
    if said:
        _LOG.info("Kafka takes records again")
