"""What a host needs of which one process is active: the lease, where it is won, and the family that runs under it."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from stream_processors.ports import OffsetMove, PartitionState, Record, SavedState


class Lease(Protocol):
    """The right to be the active process of a family, until it is lost or given back."""

    @property
    def held(self) -> bool:
        """Whether nobody else can have it now."""
        ...

    async def keep(self) -> None:
        """Keep it until cancelled.

        Raises:
            LeaseLostError: It is lost.
        """
        ...

    async def save(self, state: SavedState, moves: Sequence[OffsetMove]) -> None:
        """Move the offsets and keep the blob in the row of `state`'s partition: all or nothing.

        Raises:
            StaleOwnerError: An offset was not the expected one; nothing was written.
            LeaseLostError: The lease is lost; whether it was written is not known.
            ContractError: The database will never take it; nothing was written.
        """
        ...

    async def release(self) -> None:
        """Give it back, so that a standby need not wait."""
        ...


class Leases(Protocol):
    """Where the processes of a family compete."""

    async def win(self) -> Lease | None:
        """Return the lease if nobody holds it now, else None.

        Raises:
            PassingError: Try again.
        """
        ...

    async def close(self) -> None:
        """Compete no longer."""
        ...


class WholeState(PartitionState, Protocol):
    """The one state of all partitions."""

    def clocks(self) -> Mapping[int, int]:
        """Return how far each partition is taken in, by the clock that its records carry, Unix milliseconds.

        One of which nothing came is where the oldest lies that waits for it, and left out while nothing does.
        """
        ...


class WholeFamily(Protocol):
    """A family with one state for all partitions of its topic; it saves as `version`, and reads `earlier` ones too."""

    name: str
    topic: str
    version: str
    earlier: tuple[str, ...]

    def open(self, blob: bytes | None) -> WholeState:
        """Return the state: fresh, or from a snapshot of this version or an earlier one."""
        ...

    def clock_ms(self, record: Record) -> int | None:
        """Return the clock that a record carries, Unix milliseconds, None where it does not tell."""
        ...

    async def successor(self, state: WholeState) -> bytes | None:
        """Return the snapshot of the state that takes this one's place where it is saved, None where it stays.

        Raises:
            PassingError: Try again.
        """
        ...
