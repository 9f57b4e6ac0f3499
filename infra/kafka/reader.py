"""Reads a partition beside the consumer groups, to supply what a saved state has missed."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Sequence
from typing import Final, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from schemas.errors import BrokerAwayError
from stream_processors.hosts.kafka_record import record_of
from stream_processors.hosts.kafka_start import started
from stream_processors.ports import Record

_POLL_MS: Final = 1_000
_MOST_RECORDS: Final = 64
_SILENCE_MOST_S: Final = 30.0

_T = TypeVar("_T")


class KafkaReader:
    """Plain assigned consumers, no group, nothing committed; a `LogReader`."""

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap = bootstrap
        self._consumer: AIOKafkaConsumer | None = None
        self._opening = asyncio.Lock()

    async def cluster_id(self) -> str:
        """Return the id of the Kafka cluster.

        Raises:
            BrokerAwayError: Kafka does not answer.
        """
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap)
        try:
            await _answer(admin.start())
            return str((await _answer(admin.describe_cluster()))["cluster_id"])
        finally:
            await admin.close()

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """Return the first offset that the log holds and the one after its last.

        Raises:
            BrokerAwayError: Kafka does not answer.
        """
        place = TopicPartition(topic, partition)
        consumer = await self._shared()
        first = await _answer(consumer.beginning_offsets([place]))
        end = await _answer(consumer.end_offsets([place]))
        return first[place], end[place]

    async def read(self, topic: str, partition: int, start: int, end: int) -> AsyncGenerator[Sequence[Record], None]:
        """Yield the records with start <= offset < end, in order; offsets that the log no longer holds are left out.

        Raises:
            BrokerAwayError: Kafka stopped answering before `end`; what was yielded stands.
        """
        if start >= end:
            return
        place = TopicPartition(topic, partition)
        consumer = self._new(auto_offset_reset="earliest")
        try:
            await _answer(started(consumer))
            consumer.assign([place])
            consumer.seek(place, start)
            silent_since = asyncio.get_running_loop().time()
            while await _answer(consumer.position(place)) < end:
                batches = await _answer(consumer.getmany(place, timeout_ms=_POLL_MS, max_records=_MOST_RECORDS))
                records = [record_of(raw) for raw in batches.get(place, ()) if raw.offset < end]
                now = asyncio.get_running_loop().time()
                if records:
                    silent_since = now
                    yield records
                elif now - silent_since > _SILENCE_MOST_S:
                    raise BrokerAwayError(f"Kafka gives no records of {topic}/{partition} below {end}.")
        finally:
            await consumer.stop()

    async def close(self) -> None:
        """Close the connection."""
        consumer, self._consumer = self._consumer, None
        if consumer is not None:
            await consumer.stop()

    async def _shared(self) -> AIOKafkaConsumer:
        async with self._opening:
            if self._consumer is None:
                consumer = self._new(auto_offset_reset="none")
                await _answer(started(consumer))
                self._consumer = consumer
            return self._consumer

    def _new(self, *, auto_offset_reset: str) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset=auto_offset_reset,
            fetch_max_wait_ms=_POLL_MS,
            max_partition_fetch_bytes=8 * 1_048_576,
        )


async def _answer(call: Awaitable[_T]) -> _T:
    """Return what Kafka answers; its errors become ours."""
    try:
        return await call
    except (KafkaError, OSError, TimeoutError) as error:
        raise BrokerAwayError(f"Kafka does not answer: {type(error).__name__}.") from error
