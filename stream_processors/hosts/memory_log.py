"""A log, a publisher, a reader and a state store in memory: the same contracts as Kafka and the database keep."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import Final

from schemas.errors import ContractError, StaleOwnerError
from schemas.topics import BY_NAME, TOPICS
from stream_processors.hosts.runner import Place
from stream_processors.ports import Emission, Record, SavedState

_CHUNK: Final = 64
_MOST_BYTES: Final = max(topic.max_message_bytes for topic in TOPICS)


class MemoryLog:
    """Partitions of records that are only ever added to, or dropped from the start; a `Publisher` and a `LogReader`."""

    def __init__(self, now_ms: Callable[[], float], *, cluster_id: str = "memory") -> None:
        self._now_ms = now_ms
        self._cluster_id = cluster_id
        self._records: defaultdict[Place, list[Record]] = defaultdict(list)
        self._first: defaultdict[Place, int] = defaultdict(int)
        self.grown = asyncio.Event()

    def append(self, emission: Emission) -> Record:
        """Append one record and return it.

        Raises:
            ContractError: It is larger than its topic takes.
        """
        topic = BY_NAME.get(emission.topic)
        most = _MOST_BYTES if topic is None else topic.max_message_bytes
        if len(emission.value) > most:
            raise ContractError(f"A record of {len(emission.value)} bytes is larger than {emission.topic} takes.")
        place = Place(emission.topic, emission.partition)
        record = Record(
            topic=emission.topic,
            partition=emission.partition,
            offset=self._first[place] + len(self._records[place]),
            append_ms=int(self._now_ms()),
            key=emission.key,
            value=emission.value,
        )
        self._records[place].append(record)
        self.grown.set()
        return record

    def drop_before(self, place: Place, offset: int) -> None:
        """Forget the records before `offset`, as retention does."""
        del self._records[place][: offset - self._first[place]]
        self._first[place] = offset

    def slice(self, place: Place, start: int, end: int | None = None) -> Sequence[Record]:
        """Return the records that are there with start <= offset < end."""
        first = self._first[place]
        stop = None if end is None else max(0, end - first)
        return self._records[place][max(0, start - first) : stop]

    async def publish(self, emissions: Sequence[Emission]) -> None:
        """Append all; what is in memory is as durable as it gets."""
        for emission in emissions:
            self.append(emission)

    async def cluster_id(self) -> str:
        """Return the id of this log."""
        return self._cluster_id

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """Return the first offset that the log holds and the one after its last."""
        place = Place(topic, partition)
        return self._first[place], self._first[place] + len(self._records[place])

    async def read(self, topic: str, partition: int, start: int, end: int) -> AsyncGenerator[Sequence[Record], None]:
        """Yield the records with start <= offset < end, in order."""
        records = self.slice(Place(topic, partition), start, end)
        for at in range(0, len(records), _CHUNK):
            yield records[at : at + _CHUNK]


class MemoryStateStore:
    """Keeps `processor_state` in a dictionary; a `StateStore`."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, int], SavedState] = {}

    async def load(self, family: str, topic: str, partition: int) -> SavedState | None:
        """Return the saved row."""
        return self.rows.get((family, topic, partition))

    async def save(self, state: SavedState, *, expected: int | None) -> None:
        """Replace the row if its next offset is still `expected`.

        Raises:
            StaleOwnerError: It is not.
        """
        key = (state.family, state.topic, state.partition)
        row = self.rows.get(key)
        if (None if row is None else row.next_offset) != expected:
            raise StaleOwnerError(f"{key}: the saved offset is no longer {expected}.")
        self.rows[key] = state
