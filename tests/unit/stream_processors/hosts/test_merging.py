"""Records of all partitions in the order of their writers' clocks, without waiting for a partition that has ended."""

from stream_processors.hosts.merging import AHEAD_MOST_MS, WAITING_MOST, Merge
from stream_processors.ports import Record

HOUR_MS = 3_600_000


def record(partition: int, append_ms: int, offset: int = 0) -> Record:
    """Return a record of one partition."""
    return Record(topic="scores.v1", partition=partition, offset=offset, append_ms=append_ms, key=None, value=b"")


def add(merge: Merge, one: Record) -> None:
    """Let a record be read whose writer's clock was that of the log."""
    merge.add(one, one.append_ms)


def times(records: list[Record]) -> list[int]:
    """Return when the records were appended."""
    return [one.append_ms for one in records]


def test_the_oldest_comes_first_whatever_was_read_first() -> None:
    """Records come in the order of their times, of equals in that of partitions."""
    merge = Merge(2, reached={})
    for one in (record(1, 5), record(1, 7), record(0, 4), record(0, 7)):
        add(merge, one)
    assert times(merge.take(3, at_end={0, 1})) == [4, 5, 7]
    assert merge.take(3, at_end={0, 1})[0].partition == 1


def test_nothing_comes_while_something_older_may_still_be_read() -> None:
    """A partition of which more lies in the log holds the others back, one at its end does not."""
    merge = Merge(2, reached={})
    add(merge, record(1, 5))
    assert merge.take(9, at_end=set()) == []
    assert times(merge.take(9, at_end={0})) == [5]


def test_a_silent_partition_lets_the_others_go_an_hour_ahead() -> None:
    """What lies more than an hour beyond the last record of a silent partition waits for it."""
    merge = Merge(2, reached={})
    add(merge, record(0, 1_000))
    add(merge, record(1, 2_000 + AHEAD_MOST_MS))
    add(merge, record(1, 3_000 + AHEAD_MOST_MS))
    assert times(merge.take(9, at_end={0, 1})) == [1_000]
    add(merge, record(0, 2_500))
    assert times(merge.take(9, at_end={0, 1})) == [2_500, 2_000 + AHEAD_MOST_MS]


def test_who_was_away_is_heard_before_the_others_go_on() -> None:
    """What a writer appends after a day away, of hours that are long past, comes where its clock says, not at last."""
    merge, clocks = Merge(2, reached={}), dict[int, int]()
    for hour in range(24):
        merge.add(record(0, hour * HOUR_MS + 1, offset=hour), hour * HOUR_MS + 1)
    merge.add(record(1, 2, offset=0), 2)
    assert len(merge.take(99, at_end={0, 1})) == 3
    for hour in range(1, 24):
        merge.add(record(1, 24 * HOUR_MS, offset=hour), hour * HOUR_MS)
    for one in merge.take(99, at_end={0, 1}):
        clocks[one.partition] = one.offset * HOUR_MS
        assert max(clocks.values()) - min(clocks.values()) <= AHEAD_MOST_MS
    assert len(clocks) == 2
    assert merge.take(99, at_end={0, 1}) == []


def test_a_silent_partition_is_as_far_behind_after_a_restart() -> None:
    """Who begins with a state that is an hour ahead of a partition goes no further, and as far as one that was not."""
    for ahead_ms, taken in ((AHEAD_MOST_MS + 1, 0), (AHEAD_MOST_MS, 1)):
        merge = Merge(2, reached={0: HOUR_MS + AHEAD_MOST_MS, 1: HOUR_MS})
        add(merge, record(0, HOUR_MS + ahead_ms))
        assert len(merge.take(9, at_end={0, 1})) == taken


def test_a_record_without_a_clock_comes_with_the_one_before() -> None:
    """It keeps its place in its partition, and is no reason for anybody to wait; nor is a clock ahead of the log's."""
    merge = Merge(2, reached={})
    merge.add(record(0, 9_000_000, offset=0), None)
    merge.add(record(0, 9_000_000, offset=1), 5)
    merge.add(record(0, 9_000_000, offset=2), None)
    merge.add(record(1, 8, offset=3), 9_999_999_999)
    assert [one.offset for one in merge.take(9, at_end={0, 1})] == [0, 1, 2, 3]


def test_a_partition_is_full_when_enough_of_it_waits() -> None:
    """No more is read of a partition of which many records wait."""
    merge = Merge(2, reached={})
    for offset in range(WAITING_MOST):
        assert merge.full() == set()
        add(merge, record(1, 5, offset))
    assert merge.full() == {1}
