"""Two small families that tell exactly what reached them: a counting one with state, and a sink that keeps rows."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from schemas.errors import ContractError
from stream_processors.ports import Emission, OffsetMove, Record, Step

BAD = b"bad"
BOOM = b"boom"
HUGE = b"huge"
REFUSED = b"refused"


class Words:
    """Records whose rows are the words of their value, divided by a stroke."""

    def rows(self, record: Record) -> int:
        """Return how many words there are."""
        return record.value.count(b"|") + 1

    def pick(self, record: Record, rows: npt.NDArray[np.int64]) -> Record:
        """Return the record with these words alone."""
        words = record.value.split(b"|")
        return replace(record, value=b"|".join(words[row] for row in rows))


class Counting:
    """Counts the records of a partition, and tells the count with each; `boom` fails after the count has moved."""

    def __init__(self, out: str, count: int = 0) -> None:
        self._out = out
        self._count = count

    def step(self, record: Record) -> Step:
        """Count one record and emit `[offset, value, count]`."""
        words = record.value.split(b"|")
        if BAD in words:
            raise ContractError("bad on purpose")
        self._count += 1
        if BOOM in words:
            raise ZeroDivisionError("half changed on purpose")
        value = json.dumps([record.offset, record.value.decode(), self._count]).encode()
        if record.value == HUGE:
            value = value.ljust(6_000_000)
        emission = Emission(topic=self._out, partition=record.partition, key=None, value=value)
        return Step(emissions=[emission], received_ms=np.array([record.append_ms], dtype=np.int64))

    def snapshot(self) -> bytes:
        """Return the count."""
        return str(self._count).encode()


@dataclass
class CountingFamily(Words):
    """Makes `Counting` states."""

    name: str
    topic: str
    out: str
    version: str = "1"

    def open(self, partition: int, blob: bytes | None) -> Counting:  # noqa: ARG002 - all partitions are alike
        """Return a state that starts at zero or at the snapshot's count."""
        return Counting(self.out, 0 if blob is None else int(blob))


@dataclass
class SinkStore:
    """What a sink's transactions go to; the memory world and PostgreSQL each have one."""

    async def write(self, rows: Sequence[tuple[str, int, int, str]], moves: Sequence[OffsetMove]) -> None:
        """Keep (topic, partition, offset, value) rows and move the offsets, all or nothing."""
        raise NotImplementedError

    async def rows(self) -> list[tuple[str, int, int, str]]:
        """Return every row, with repeats if there are any."""
        raise NotImplementedError


@dataclass
class KeepingFamily(Words):
    """Writes every record as one row; `settled` counts what follows commits."""

    name: str
    topics: tuple[str, ...]
    store: SinkStore
    version: str = "1"
    settled: list[frozenset[int]] = field(default_factory=list)
    batches: list[int] = field(default_factory=list)

    def read(self, record: Record) -> str:
        """Return the value as text."""
        if BAD in record.value.split(b"|"):
            raise ContractError("bad on purpose")
        return record.value.decode()

    async def write(self, items: Sequence[tuple[Record, str]], moves: Sequence[OffsetMove]) -> None:
        """Write rows and offsets in one transaction."""
        self.batches.append(len(items))
        rows = [(record.topic, record.partition, record.offset, text) for record, text in items if text]
        await self.store.write(rows, moves)

    async def settle(self, partitions: Collection[int]) -> None:
        """Note that these partitions were settled."""
        self.settled.append(frozenset(partitions))
