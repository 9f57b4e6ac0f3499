"""Follows whole topics from a moment ago, without a consumer group, and goes on where it was when Kafka returns."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import KafkaError

from schemas.topics import PARTITIONS
from stream_processors.hosts.kafka_record import record_of
from stream_processors.hosts.kafka_start import started
from stream_processors.ports import Record

_LOG = structlog.get_logger(__name__)
_POLL_MS: Final = 200
_MOST_RECORDS: Final = 50
"""The consumer unpacks so many in one turn of the loop before the first is handed on."""
_RETRY_S: Final = 1.0
_GATHER_S: Final = 0.02
"""So long records gather between two looks: under load each look takes what several partitions appended meanwhile."""
_SLICE_S: Final = 0.004
"""So long the loop may be held before others get their turn."""
_HEARD_MOST_MS: Final = 2_000
"""The broker answers for each partition at least every `_POLL_MS`; one that did not for so long may have more."""


class KafkaFollower:
    """Hands every record of the topics on, in order within a partition, each once."""

    def __init__(
        self,
        bootstrap: str,
        topics: Sequence[str],
        *,
        begin: Callable[[str, int, int], None],
        take: Callable[[Record], None],
        clock_s: Callable[[], float] = time.time,
    ) -> None:
        """`begin` is told where each partition starts, and again where it could not go on; `take` gets the records.

        `clock_s` is the wall clock (Unix s) by which the client notes when the broker answered.
        """
        self.attached = asyncio.Event()
        self._bootstrap = bootstrap
        self._places = [TopicPartition(topic, partition) for topic in topics for partition in range(PARTITIONS)]
        self._begin = begin
        self._take = take
        self._clock_s = clock_s
        self._next: dict[TopicPartition, int] = {}
        self._consumer: AIOKafkaConsumer | None = None

    def is_current(self, topic: str, partition: int) -> bool:
        """Return whether the broker answered for the partition within 2 s and all that it held was handed on."""
        place = TopicPartition(topic, partition)
        if self._consumer is None or place not in self._next:
            return False
        heard_ms, end = self._consumer.last_poll_timestamp(place), self._consumer.highwater(place)
        if heard_ms is None or end is None or self._next[place] < end:
            return False
        # A clock that was set back makes the answer one of the future: nobody knows how old it is.
        return bool(0 <= self._clock_s() * 1000 - heard_ms <= _HEARD_MOST_MS)

    async def run(self, *, from_ms: int) -> None:
        """Follow from the first record appended at or after a time, until cancelled."""
        said = False
        while True:
            consumer = AIOKafkaConsumer(
                bootstrap_servers=self._bootstrap,
                group_id=None,
                enable_auto_commit=False,
                auto_offset_reset="none",
                fetch_max_wait_ms=_POLL_MS,
                max_partition_fetch_bytes=4 * 1_048_576,
            )
            try:
                await started(consumer)
                await self._attach(consumer, from_ms)
                if said:
                    _LOG.info("Kafka answers again")
                said = False
                self._consumer = consumer
                await self._follow(consumer)
            except (KafkaError, OSError, TimeoutError) as error:
                if not said:
                    _LOG.warning("waiting for Kafka and its topics", reason=type(error).__name__)
                said = True
                await asyncio.sleep(_RETRY_S)
            finally:
                self._consumer = None
                await consumer.stop()

    async def _attach(self, consumer: AIOKafkaConsumer, from_ms: int) -> None:
        firsts = await consumer.beginning_offsets(self._places)
        ends = await consumer.end_offsets(self._places)
        fresh = [place for place in self._places if place not in self._next]
        found = await consumer.offsets_for_times(dict.fromkeys(fresh, from_ms)) if fresh else {}
        consumer.assign(self._places)
        for place in self._places:
            offset = self._start(place, found, firsts[place], ends[place])
            consumer.seek(place, offset)
            self._next[place] = offset
            self._begin(place.topic, place.partition, offset)
        self.attached.set()

    def _start(self, place: TopicPartition, found: Mapping[TopicPartition, Any], first: int, end: int) -> int:
        known = self._next.get(place)
        if known is None:
            at = found.get(place)
            return end if at is None else int(at.offset)
        return known if first <= known <= end else end if known > end else first

    async def _follow(self, consumer: AIOKafkaConsumer) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batches = await consumer.getmany(timeout_ms=_POLL_MS, max_records=_MOST_RECORDS)
            began = loop.time()
            for place, raws in batches.items():
                for raw in raws:
                    self._take(record_of(raw))
                    self._next[place] = raw.offset + 1
                    if loop.time() - began > _SLICE_S:
                        await asyncio.sleep(0)
                        began = loop.time()
            if sum(map(len, batches.values())) < _MOST_RECORDS:
                await asyncio.sleep(_GATHER_S)
