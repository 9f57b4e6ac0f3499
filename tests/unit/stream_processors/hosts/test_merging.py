"""Records of all partitions in the order of the log's time, without waiting for a partition that has ended."""

from stream_processors.hosts.merging import AHEAD_MOST_MS, WAITING_MOST, Merge
from stream_processors.ports import Record


def record(partition: int, append_ms: int, offset: int = 0) -> Record:
    """Return a record of one partition."""
    return Record(topic="scores.v1", partition=partition, offset=offset, append_ms=append_ms, key=None, value=b"")


def times(records: list[Record]) -> list[int]:
    """Return when the records were appended."""
    return [one.append_ms for one in records]


def test_the_oldest_comes_first_whatever_was_read_first() -> None:
    """Records come in the order of their times, of equals in that of partitions."""
    merge = Merge(2)
    for one in (record(1, 5), record(1, 7), record(0, 4), record(0, 7)):
        merge.add(one)
    assert times(merge.take(3, at_end={0, 1})) == [4, 5, 7]
    assert merge.take(3, at_end={0, 1})[0].partition == 1


def test_nothing_comes_while_something_older_may_still_be_read() -> None:
    """A partition of which more lies in the log holds the others back, one at its end does not."""
    merge = Merge(2)
    merge.add(record(1, 5))
    assert merge.take(9, at_end=set()) == []
    assert times(merge.take(9, at_end={0})) == [5]


def test_a_silent_partition_lets_the_others_go_an_hour_ahead() -> None:
    """What lies more than an hour beyond the last record of a silent partition waits for it."""
    merge = Merge(2)
    merge.add(record(0, 1_000))
    merge.add(record(1, 2_000 + AHEAD_MOST_MS))
    merge.add(record(1, 3_000 + AHEAD_MOST_MS))
    assert times(merge.take(9, at_end={0, 1})) == [1_000]
    merge.add(record(0, 2_500))
    assert times(merge.take(9, at_end={0, 1})) == [2_500, 2_000 + AHEAD_MOST_MS]


def test_a_partition_is_full_when_enough_of_it_waits() -> None:
    """No more is read of a partition of which many records wait."""
    merge = Merge(2)
    for offset in range(WAITING_MOST):
        assert merge.full() == set()
        merge.add(record(1, 5, offset))
    assert merge.full() == {1}
