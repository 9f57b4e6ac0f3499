"""Puts records of all partitions in the order of the clocks that they carry, as far as known, in bounded memory."""

from collections import deque
from collections.abc import Mapping
from typing import Final

from stream_processors.ports import Record

WAITING_MOST: Final = 32
"""Records of one partition that wait here before no more of it are read."""
AHEAD_MOST_MS: Final = 3_600_000
"""How far others may be read beyond a partition that is silent: what they tell meanwhile lies in open bins."""
_UNKNOWN: Final = 0


class Merge:
    """Hands out the oldest record first, unless one that is older may still come.

    Age is that of the writer's clock: a writer that was away appends now what it tells of hours ago, and everybody
    else waits for it. A partition that was read to the log's end keeps nobody waiting, until the others are an hour
    beyond it.
    """

    def __init__(self, partitions: int, *, reached: Mapping[int, int]) -> None:
        """Begin where a state stands.

        Args:
            partitions: How many there are.
            reached: Clock of the newest record of each that was taken before, Unix milliseconds.
        """
        self._waiting: list[deque[tuple[int, Record]]] = [deque() for _ in range(partitions)]
        self._reached_ms = [reached.get(number, _UNKNOWN) for number in range(partitions)]
        self._read_ms = list(self._reached_ms)
        self._start_ms = _UNKNOWN

    def add(self, record: Record, clock_ms: int | None) -> None:
        """Take a record that was read; those of one partition come in order.

        A clock that is ahead of the log's own counts as the log's, and one that is not known as that before.
        """
        at_ms = max(self._read_ms[record.partition], min(clock_ms or _UNKNOWN, record.append_ms))
        self._read_ms[record.partition] = at_ms
        self._waiting[record.partition].append((at_ms, record))

    def full(self) -> set[int]:
        """Return the partitions of which enough is waiting."""
        return {number for number, records in enumerate(self._waiting) if len(records) >= WAITING_MOST}

    def take(self, most: int, *, at_end: set[int]) -> list[Record]:
        """Return the records that are next.

        Args:
            most: Not more than so many.
            at_end: Partitions of which nothing lies in the log beyond what was added.
        """
        taken: list[Record] = []
        while len(taken) < most and (number := self._next(at_end)) is not None:
            self._reached_ms[number], record = self._waiting[number].popleft()
            taken.append(record)
        return taken

    def _next(self, at_end: set[int]) -> int | None:
        """Return the partition whose first record is next."""
        if any(not records and number not in at_end for number, records in enumerate(self._waiting)):
            return None
        heads = [(records[0][0], number) for number, records in enumerate(self._waiting) if records]
        if not heads:
            return None
        oldest_ms, number = min(heads)
        self._start_ms = self._start_ms or oldest_ms
        silent = [
            reached_ms or self._start_ms
            for reached_ms, records in zip(self._reached_ms, self._waiting, strict=True)
            if not records
        ]
        return number if oldest_ms - min(silent, default=oldest_ms) <= AHEAD_MOST_MS else None
