"""What follows the log says that nothing is missing only while it can know."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaConnectionError
from aiokafka.structs import OffsetAndTimestamp

from infra.kafka.follower import KafkaFollower
from schemas.topics import READINGS, ZONES
from stream_processors.ports import Record

PLACE = TopicPartition(ZONES.name, 3)
HEARD_MS = 1_700_000_000_000


@dataclass
class Consumer:
    """A consumer that was answered once: when, and up to which offset the partition reaches."""

    heard_ms: int | None = HEARD_MS
    end: int | None = 7

    def last_poll_timestamp(self, place: TopicPartition) -> int | None:
        """Return when the broker answered for the partition."""
        assert place == PLACE
        return self.heard_ms

    def highwater(self, place: TopicPartition) -> int | None:
        """Return the offset after the partition's last record, as the broker told it."""
        assert place == PLACE
        return self.end


def is_current(consumer: Consumer, *, now_ms: int, next_offset: int = 7) -> bool:
    """Return what a follower says at a moment that has handed on everything before an offset."""
    follower = KafkaFollower(
        "nowhere:1", [ZONES.name], begin=lambda *_: None, take=lambda _: None, clock_s=lambda: now_ms / 1000
    )
    follower._consumer, follower._next[PLACE] = cast(Any, consumer), next_offset
    return follower.is_current(*PLACE)


@pytest.mark.parametrize(
    ("since_ms", "current"), [(0, True), (2_000, True), (2_001, False), (-1, False), (-3_600_000, False)]
)
def test_an_answer_counts_for_two_seconds_and_none_of_the_future_does(since_ms: int, *, current: bool) -> None:
    """Where the wall clock was set back nobody knows how old the broker's answer is."""
    assert is_current(Consumer(), now_ms=HEARD_MS + since_ms) == current


def test_who_was_never_answered_or_has_more_to_hand_on_is_behind() -> None:
    """Without an answer, an end, or the last record nothing is said to be complete."""
    assert not is_current(Consumer(heard_ms=None), now_ms=HEARD_MS)
    assert not is_current(Consumer(end=None), now_ms=HEARD_MS)
    assert not is_current(Consumer(end=8), now_ms=HEARD_MS)


def test_who_does_not_follow_is_behind() -> None:
    """Before it is attached, and of a partition that it does not follow, a follower knows nothing."""
    follower = KafkaFollower("nowhere:1", [ZONES.name], begin=lambda *_: None, take=lambda _: None)
    assert not follower.is_current(*PLACE)


class Raw(NamedTuple):
    """A record as the client of the log gives it."""

    topic: str
    partition: int
    offset: int
    timestamp: int = HEARD_MS
    key: bytes | None = None
    value: bytes = b""


class Broker:
    """A log of three records in the first partition of each topic; the first of its consumers fails half way."""

    def __init__(self) -> None:
        self.consumers: list[LogConsumer] = []

    def consumer(self, **_: object) -> "LogConsumer":
        """Return one more consumer."""
        self.consumers.append(LogConsumer(fails_at=0 if self.consumers else 4))
        return self.consumers[-1]


class LogConsumer:
    """A consumer that gives a record of each topic a call, and fails before it would give one past a number."""

    def __init__(self, *, fails_at: int) -> None:
        self.fails_at = fails_at
        self.given = 0
        self.running = False
        self.positions: dict[TopicPartition, int] = {}

    async def start(self) -> None:
        """Connect."""
        self.running = True

    async def stop(self) -> None:
        """Disconnect."""
        self.running = False

    async def beginning_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return where the partitions begin."""
        return dict.fromkeys(places, 0)

    async def end_offsets(self, places: Sequence[TopicPartition]) -> dict[TopicPartition, int]:
        """Return where the partitions end."""
        return dict.fromkeys(places, 3)

    async def offsets_for_times(self, times: dict[TopicPartition, int]) -> dict[TopicPartition, OffsetAndTimestamp]:
        """Return the first record after a time: all are."""
        return dict.fromkeys(times, OffsetAndTimestamp(0, HEARD_MS))

    def assign(self, places: Sequence[TopicPartition]) -> None:
        """Follow these, from where a seek says."""

    def seek(self, place: TopicPartition, offset: int) -> None:
        """Go on at an offset."""
        self.positions[place] = offset

    async def getmany(self, **_: object) -> dict[TopicPartition, list[Raw]]:
        """Return the next record of the first partition of each topic."""
        if self.fails_at and self.given >= self.fails_at:
            raise KafkaConnectionError
        await asyncio.sleep(0)
        due = {place: at for place, at in self.positions.items() if place.partition == 0 and at < 3}
        for place, at in due.items():
            self.given += 1
            self.positions[place] = at + 1
        return {place: [Raw(place.topic, 0, at)] for place, at in due.items()}


async def test_who_lost_the_broker_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """The consumer that failed is stopped; the next begins after what was handed on: each record is told once."""
    broker, taken = Broker(), list[Record]()
    monkeypatch.setattr("infra.kafka.follower.AIOKafkaConsumer", broker.consumer)
    monkeypatch.setattr("infra.kafka.follower._RETRY_S", 0.0)
    follower = KafkaFollower("nowhere:1", [READINGS.name, ZONES.name], begin=lambda *_: None, take=taken.append)
    running = asyncio.create_task(follower.run(from_ms=0))
    async with asyncio.timeout(5):
        while len(taken) < 6:  # noqa: ASYNC110 - three of each topic
            await asyncio.sleep(0.01)
    assert [consumer.running for consumer in broker.consumers] == [False, True]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert not any(consumer.running for consumer in broker.consumers)
    for topic in (READINGS.name, ZONES.name):
        assert [record.offset for record in taken if record.topic == topic] == [0, 1, 2]
