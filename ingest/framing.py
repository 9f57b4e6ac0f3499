"""Admitted readings of many wearers are collected per partition into frames, without a clock or a log of its own."""

from typing import Generic, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from ingest.columns import batches_of
from ingest.effects import Admit
from schemas.frame import MAX_FRAME_BYTES, encode, heartbeat
from schemas.topics import PARTITIONS

Owner = TypeVar("Owner")


class Frame(msgspec.Struct, Generic[Owner], frozen=True, kw_only=True):
    """One record to append, and what it settles: of which owner which seqs, and when those were received.

    `kind` is the type of the messages in it.
    """

    partition: int
    data: bytes
    rows: int
    backfill: int
    settles: dict[Owner, list[int]]
    received_us: npt.NDArray[np.int64]
    kind: str = "readings"


class _Buffer(Generic[Owner]):
    """What waits for one partition."""

    __slots__ = ("admitted", "in_air", "owners", "quiet_s", "since_s", "size")

    def __init__(self, now_s: float) -> None:
        self.admitted: list[Admit] = []
        self.owners: list[Owner] = []
        self.size = 0
        self.since_s = now_s
        self.quiet_s = now_s
        self.in_air = 0

    @property
    def may_leave(self) -> bool:
        """Is there something, and is the way free?"""
        return bool(self.admitted) and self.in_air == 0


class Framer(Generic[Owner]):
    """Collects rows for at most `linger_s` or 256 KiB a partition.

    Once the oldest row has lingered, every partition's frame leaves with it: frames that leave together cost Kafka,
    and each of its readers, one request instead of one a partition.
    While a frame of a partition is in the air, the next one waits and grows: the log takes them one after another, so
    that a slow log gets larger frames, not more of them. `held` counts the bytes of everything that is not durable yet.
    """

    def __init__(self, *, now_s: float, linger_s: float = 0.04, heartbeat_s: float = 1.0) -> None:
        self._linger_s = linger_s
        self._heartbeat_s = heartbeat_s
        self._buffers: list[_Buffer[Owner]] = [_Buffer(now_s) for _ in range(PARTITIONS)]
        self._full: list[Frame[Owner]] = []
        self.held = 0

    def add(self, owner: Owner, admit: Admit, *, now_s: float) -> bool:
        """Take the rows of one message; return whether `wait_s` may have become shorter."""
        buffer = self._buffers[admit.provenance.partition]
        if buffer.admitted and buffer.size + admit.size > MAX_FRAME_BYTES:
            self._full += self._close([admit.provenance.partition], now_s=now_s)
        first = not buffer.admitted
        if first:
            buffer.since_s = now_s
        buffer.admitted.append(admit)
        buffer.owners.append(owner)
        buffer.size += admit.size
        self.held += admit.size
        return first

    def due(self, *, now_s: float, flush: bool = False) -> list[Frame[Owner]]:
        """Return the frames to append now, each counted as in the air until `landed`; `flush` waits for nothing."""
        frames, self._full = self._full, []
        ripe = any(buffer.may_leave and buffer.since_s + self._linger_s <= now_s for buffer in self._buffers)
        leaving: list[int] = []
        for partition, buffer in enumerate(self._buffers):
            if buffer.admitted:
                if flush or (ripe and buffer.may_leave):
                    leaving.append(partition)
            elif buffer.in_air == 0 and buffer.quiet_s + self._heartbeat_s <= now_s:
                frames.append(self._heartbeat(partition, now_s=now_s))
        return frames + self._close(leaving, now_s=now_s)

    def landed(self, frame: Frame[Owner]) -> None:
        """Take note that a frame is no longer in the air."""
        self._buffers[frame.partition].in_air -= 1
        self.held -= len(frame.data)

    def wait_s(self, *, now_s: float) -> float:
        """Return how long nothing becomes due unless a row is added or a frame lands."""
        if self._full:
            return 0.0
        due_s = now_s + self._heartbeat_s
        for buffer in self._buffers:
            if buffer.admitted:
                if buffer.may_leave:
                    due_s = min(due_s, buffer.since_s + self._linger_s)
            elif buffer.in_air == 0:
                due_s = min(due_s, buffer.quiet_s + self._heartbeat_s)
        return max(0.0, due_s - now_s)

    def _close(self, partitions: list[int], *, now_s: float) -> list[Frame[Owner]]:
        """Make a frame of what waits for each of some partitions."""
        if not partitions:
            return []
        batches = batches_of([self._buffers[partition].admitted for partition in partitions])
        return [self._closed(*one, now_s=now_s) for one in zip(partitions, batches, strict=True)]

    def _closed(self, partition: int, batch: pa.RecordBatch, *, now_s: float) -> Frame[Owner]:
        """Return the frame of all that waits for a partition, which is in its batch."""
        buffer = self._buffers[partition]
        settles: dict[Owner, list[int]] = {}
        for owner, admit in zip(buffer.owners, buffer.admitted, strict=True):
            settles.setdefault(owner, []).append(admit.seq)
        frame = Frame(
            partition=partition,
            data=encode(batch),
            rows=batch.num_rows,
            backfill=batch.column("backfill").true_count,
            settles=settles,
            received_us=np.array([admit.received_us for admit in buffer.admitted], dtype=np.int64),
        )
        self.held += len(frame.data) - buffer.size
        buffer.admitted, buffer.owners, buffer.size = [], [], 0
        buffer.in_air += 1
        buffer.quiet_s = now_s
        return frame

    def _heartbeat(self, partition: int, *, now_s: float) -> Frame[Owner]:
        buffer = self._buffers[partition]
        buffer.in_air += 1
        buffer.quiet_s = now_s
        data = heartbeat()
        self.held += len(data)
        nobody = np.empty(0, dtype=np.int64)
        return Frame(partition=partition, data=data, rows=0, backfill=0, settles={}, received_us=nobody)
