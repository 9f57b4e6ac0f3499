"""What follows the log says that nothing is missing only while it can know."""

from dataclasses import dataclass
from typing import Any, cast

import pytest
from aiokafka import TopicPartition

from infra.kafka.follower import KafkaFollower
from schemas.topics import ZONES

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
