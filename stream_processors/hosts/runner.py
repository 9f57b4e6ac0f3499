"""What every host offers a family, and what a runner needs: the guarantees are kept here, once, without an engine."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from schemas.errors import PulseraError
from stream_processors.hosts.retry import Backoff
from stream_processors.ports import LogReader, Meter, Publisher, Record, StateStore


class Place(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


class DeadLetterRefusedError(PulseraError):
    """Not even the dead letter of a record could be appended: the process stops before its offset moves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The world around a runner.

    Attributes:
        now_ms: Wall clock, ms since 1970; for metrics and for when to save, never for what an operator decides.
        backoff: Waits while the world is away.
        save_every_s: Oldest that a saved state may become.
        grace_s: How long an assigned partition may stay silent before its saved state is brought to the log's end.
    """

    publisher: Publisher
    reader: LogReader
    store: StateStore
    meter: Meter
    now_ms: Callable[[], float]
    backoff: Backoff = field(default_factory=Backoff)
    save_every_s: float = 30.0
    grace_s: float = 2.0


class Runner(Protocol):
    """A family with its guarantees; a host hands it records in the log's order and commits what it returned from."""

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics to follow."""
        ...

    async def handle(self, records: Sequence[Record]) -> None:
        """Return when every effect of the records is durable.

        Raises:
            PulseraError: The worker must stop; nothing of these records may be committed.
        """
        ...

    async def assigned(self, places: Collection[Place]) -> None:
        """Take note of partitions that are ours from now on; what they need is done in the background."""
        ...

    async def revoked(self, places: Collection[Place]) -> None:
        """Save and forget the state of partitions that are no longer ours."""
        ...

    async def run(self) -> None:
        """Save and catch up in the background until cancelled.

        Raises:
            PulseraError: The worker must stop.
        """
        ...

    async def stop(self) -> None:
        """Save every state; called after the last `handle`."""
        ...

    def position(self, place: Place) -> int | None:
        """Return the next offset of a partition, None while that is not known; for measuring the lag."""
        ...

    def status(self) -> Mapping[str, Any]:
        """Return what the health answer says."""
        ...
