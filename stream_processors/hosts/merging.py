"""Puts records of all partitions in the order of the log's time, as far as that is known, in bounded memory."""

from collections import deque
from typing import Final

from stream_processors.ports import Record

WAITING_MOST: Final = 32
"""Records of one partition that wait here before no more of it are read."""
AHEAD_MOST_MS: Final = 3_600_000
"""How far others may be read beyond a partition that is silent: what they tell meanwhile lies in open bins."""


class Merge:
    """Hands out the oldest record first, unless one that is older may still come.

    A partition that was read to the log's end keeps nobody waiting, until the others are an hour beyond it.
    """

    def __init__(self, partitions: int) -> None:
        self._waiting: list[deque[Record]] = [deque() for _ in range(partitions)]
        self._reached_ms: list[int | None] = [None] * partitions
        self._start_ms: int | None = None

    def add(self, record: Record) -> None:
        """Take a record that was read; those of one partition come in order."""
        self._waiting[record.partition].append(record)

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
        while len(taken) < most and (record := self._next(at_end)) is not None:
            self._waiting[record.partition].popleft()
            self._reached_ms[record.partition] = record.append_ms
            taken.append(record)
        return taken

    def _next(self, at_end: set[int]) -> Record | None:
        if any(not records and number not in at_end for number, records in enumerate(self._waiting)):
            return None
        heads = [records[0] for records in self._waiting if records]
        if not heads:
            return None
        oldest = min(heads, key=lambda record: (record.append_ms, record.partition))
        if self._start_ms is None:
            self._start_ms = oldest.append_ms
        silent = [
            self._start_ms if reached is None else reached
            for reached, records in zip(self._reached_ms, self._waiting, strict=True)
            if not records
        ]
        return oldest if oldest.append_ms - min(silent, default=oldest.append_ms) <= AHEAD_MOST_MS else None
