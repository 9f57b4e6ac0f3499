"""The newest stretch of the followed topics, in memory, so that a snapshot and the updates after it meet."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Final

from api.live.entries import Entry
from api.records import Positions
from schemas.topics import ALERTS, EPISODES, PARTITIONS, READINGS, SCORES, ZONES

KEEP_MS: Final = 60_000
_WARM: Final = 64
"""So many of the newest entries of a partition keep what was read from them: who subscribes now asks for those."""

_MIB: Final = 1_048_576
FOLLOWED: Final[Mapping[str, int]] = {
    READINGS.name: 96 * _MIB,
    SCORES.name: 24 * _MIB,
    EPISODES.name: 12 * _MIB,
    ALERTS.name: 12 * _MIB,
    ZONES.name: 12 * _MIB,
}
"""The topics that the hub follows, and how many bytes of each are kept at most."""


class RecentLog:
    """Entries of one partition from `first` up to `next`, at most a minute and so many bytes of them."""

    def __init__(self, most_bytes: int) -> None:
        self.next: int | None = None
        self.began_ms: int | None = None
        self.newest_ms: int | None = None
        self._most_bytes = most_bytes
        self._bytes = 0
        self._entries: deque[Entry] = deque()

    @property
    def first(self) -> int | None:
        """The lowest offset that is held; `next` when nothing is."""
        return self._entries[0].offset if self._entries else self.next

    @property
    def oldest_ms(self) -> int | None:
        """Append time of the lowest offset that is held, None when nothing is."""
        return self._entries[0].append_ms if self._entries else None

    @property
    def newest(self) -> Entry | None:
        """The entry before `next`."""
        return self._entries[-1] if self._entries else None

    def begin(self, offset: int) -> None:
        """Forget everything and go on at an offset."""
        self._entries.clear()
        self._bytes = 0
        self.next = offset

    def append(self, entry: Entry) -> None:
        """Take the entry at `next`."""
        self._entries.append(entry)
        self._bytes += len(entry.value)
        self.next = entry.offset + 1
        self.newest_ms = entry.append_ms
        if self.began_ms is None:
            self.began_ms = entry.append_ms
        if len(self._entries) > _WARM:
            self._entries[-_WARM - 1].forget()
        oldest_ms = entry.append_ms - KEEP_MS
        while len(self._entries) > 1 and (self._bytes > self._most_bytes or self._entries[0].append_ms < oldest_ms):
            self._bytes -= len(self._entries.popleft().value)

    def since(self, offset: int) -> Iterator[Entry]:
        """Return what is held from an offset on, in order."""
        # From the newest back: what is asked for is nearly always short.
        tail: list[Entry] = []
        for entry in reversed(self._entries):
            if entry.offset < offset:
                break
            tail.append(entry)
        return reversed(tail)

    def append_ms_of(self, offset: int) -> int | None:
        """Return the append time of an offset, or of the oldest held one after it; None where nothing is after it."""
        if self.next is None or offset >= self.next:
            return None
        return next((entry.append_ms for entry in self._entries if entry.offset >= offset), None)


class RecentLogs:
    """The newest stretch of every partition of every followed topic."""

    def __init__(self) -> None:
        self._logs = {
            topic: [RecentLog(most // PARTITIONS) for _ in range(PARTITIONS)] for topic, most in FOLLOWED.items()
        }

    def of(self, topic: str, partition: int) -> RecentLog:
        """Return the stretch of one partition."""
        return self._logs[topic][partition]

    def positions(self, topic: str) -> dict[int, int]:
        """Return the next offset of each partition that is known."""
        return {number: log.next for number, log in enumerate(self._logs[topic]) if log.next is not None}

    def covers(self, topic: str, offsets: Mapping[int, int]) -> bool:
        """Return whether everything from these offsets on is held."""
        firsts = ((self._logs[topic][partition].first, offset) for partition, offset in offsets.items())
        return all(first is not None and first <= offset for first, offset in firsts)

    def behind_s(self, topic: str, positions: Positions) -> float | None:
        """Return how many seconds of the log lie between these positions and what is held; None where they meet."""
        gaps = []
        for partition, place in positions.items():
            log = self._logs[topic][partition]
            if log.first is not None and log.first > place.next_offset:
                gaps.append(max(0.0, ((log.oldest_ms or place.clock_ms) - place.clock_ms) / 1000))
        return max(gaps) if gaps else None
