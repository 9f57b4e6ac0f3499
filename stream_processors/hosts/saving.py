"""Saves snapshots beside the work: compressed off the loop, one at a time, compare-and-set."""

import asyncio
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import structlog

from schemas.errors import ContractError, StaleOwnerError
from stream_processors.hosts.retry import Patience
from stream_processors.hosts.runner import Place, Surroundings
from stream_processors.ports import SavedState

_LOG = structlog.get_logger(__name__)

_HEADER: Final = struct.Struct(">4sQ")
_MAGIC: Final = b"PZS1"
BYTES_PER_S: Final = 1_000_000
"""Saving all partitions may write this much a second; larger states are saved less often."""


def pack(blob: bytes) -> bytes:
    """Return the blob compressed with zstd, its length before it."""
    return _HEADER.pack(_MAGIC, len(blob)) + bytes(pa.compress(blob, codec="zstd", asbytes=True))


def unpack(data: bytes) -> bytes | None:
    """Return what `pack` was given, None where the data are not from it."""
    if len(data) < _HEADER.size:
        return None
    magic, size = _HEADER.unpack_from(data)
    if magic != _MAGIC:
        return None
    try:
        return bytes(pa.decompress(data[_HEADER.size :], decompressed_size=size, codec="zstd", asbytes=True))
    except (pa.ArrowException, OSError):
        return None


def save_interval_s(least_s: float, sizes: list[int]) -> float:
    """Return how old a saved state may become: longer where saving all of them would pass `BYTES_PER_S`."""
    return max(least_s, sum(sizes) / BYTES_PER_S)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A partition's state between two records, every output before `next_offset` being durable."""

    place: Place
    cluster_id: str
    next_offset: int
    clock_ms: int
    blob: bytes
    expected: int | None


class Saver:
    """Writes snapshots of one family."""

    def __init__(self, *, family: str, version: str, world: Surroundings, patience: Patience) -> None:
        self._family = family
        self._version = version
        self._world = world
        self._patience = patience
        self._tasks: dict[Place, asyncio.Task[None]] = {}

    @property
    def busy(self) -> bool:
        """Is a snapshot on its way to the database?"""
        return bool(self._tasks)

    def start(self, snapshot: Snapshot, done: Callable[[Place, int | None, int], None]) -> None:
        """Save in the background; `done` gets the place, the saved offset (None: another owner was there) and bytes."""
        place = snapshot.place
        task = asyncio.create_task(self._save(snapshot, done), name=f"save {place}")
        self._tasks[place] = task
        task.add_done_callback(lambda _: self._tasks.pop(place, None))

    async def settled(self, place: Place) -> None:
        """Wait until no snapshot of this partition is on its way."""
        task = self._tasks.get(place)
        if task is not None:
            await asyncio.wait({task})

    async def abandon(self) -> None:
        """Cancel what is on its way; a half-done save changes nothing."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _save(self, snapshot: Snapshot, done: Callable[[Place, int | None, int], None]) -> None:
        blob = await asyncio.to_thread(pack, snapshot.blob)
        state = SavedState(
            family=self._family,
            topic=snapshot.place.topic,
            partition=snapshot.place.partition,
            cluster_id=snapshot.cluster_id,
            next_offset=snapshot.next_offset,
            clock_ms=snapshot.clock_ms,
            version=self._version,
            blob=blob,
        )
        place, expected = snapshot.place, snapshot.expected
        del snapshot  # while the database is away only what is compressed is held
        try:
            await self._patience.insist("save", lambda: self._world.store.save(state, expected=expected))
        except StaleOwnerError as stale:
            _LOG.warning("another owner has moved the state on: ours is dropped", reason=str(stale))
            done(place, None, len(blob))
            return
        except ContractError as refused:  # the log replaces what cannot be kept, and the next try is due soon enough
            _LOG.error("the database refuses a state: a restart would read the log instead", reason=str(refused))
            return
        self._world.meter.count("saved_bytes_total", len(blob))
        done(place, state.next_offset, len(blob))
