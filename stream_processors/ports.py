"""What a host hands a family, what a family gives a host, and what both need from the world."""

from collections.abc import AsyncGenerator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable
from uuid import UUID

import numpy as np
import numpy.typing as npt

from inference.rppg.samples import Samples
from inference.rppg.video.state import FaceState
from inference.slots import Floats
from schemas.alerts import AlertEvent, Command
from stream_processors.operators.care import Answer, Moment, Tracked
from stream_processors.operators.detector import Detector


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of a topic, as the log holds it; `append_ms` is the log's append time."""

    topic: str
    partition: int
    offset: int
    append_ms: int
    key: bytes | None
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Emission:
    """One record to append; without any bytes of value it is a tombstone."""

    topic: str
    partition: int
    key: bytes | None
    value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one record led to: records to append, and the receipts (ms since 1970) of the readings now processed."""

    emissions: Sequence[Emission]
    received_ms: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class OffsetMove:
    """The next offset of a partition moves from `expected` to `next`; the write is void if it is not `expected`.

    `expected` is None where no row exists yet. `clock_ms` is the largest append time up to `next`.
    """

    topic: str
    partition: int
    expected: int | None
    next: int
    clock_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedState:
    """The saved state of one partition of one family; `blob` is None for families whose rows are their state."""

    family: str
    topic: str
    partition: int
    cluster_id: str
    next_offset: int
    clock_ms: int
    version: str
    blob: bytes | None


class PartitionState(Protocol):
    """The operators' state of one partition: no I/O, no clock but the records' append times."""

    def step(self, record: Record) -> Step:
        """Handle one record.

        Raises:
            ContractError: The record is unreadable; raised before any change of state.
        """
        ...

    def snapshot(self) -> bytes:
        """Return the state as bytes; `open` with them continues exactly where this state stands."""
        ...


@runtime_checkable
class DividedState(Protocol):
    """A partition's state that tells, once it has taken a record in, how long the rest of the step takes.

    The host does a long rest beside its loop, and all of the step where the record is large. A state that does not
    tell is stepped beside the loop always.
    """

    def begin(self, record: Record) -> float:
        """Take a record in; return about how many ms of one core `finish` takes, which must be called next.

        Raises:
            ContractError: The record is unreadable; raised before any change of state.
        """
        ...

    def finish(self) -> Step:
        """Do the rest of the step that was begun."""
        ...


@runtime_checkable
class ForesightState(Protocol):
    """A partition's state whose steps rest on work that takes long, and is done beside the loop.

    The host names records early, so that the work of several may go on at once; a step stays one record, in order.
    """

    def expect(self, records: Sequence[Record]) -> None:
        """Begin the work for records that will be stepped next, in this order; one that cannot be read is left out."""
        ...

    async def ready(self, record: Record) -> None:
        """Return when `step` of this record, the next one, will not wait for anything."""
        ...


class Measurement(Protocol):
    """What is being measured of some frames."""

    async def done(self) -> tuple[Samples, FaceState]:
        """Return the samples and how the tracker stands after them."""
        ...


class FrameMeter(Protocol):
    """Measures colours in pictures, in processes of its own."""

    def begin(self, frames: Sequence[bytes], times_s: Floats, after: FaceState | Measurement) -> Measurement:
        """Begin to measure JPEG pictures, following a face from where it was or will be known to be."""
        ...


@runtime_checkable
class SucceedingState(Protocol):
    """A partition's state that another may follow, for a reason that is not in the log: only where it is saved."""

    def successor(self) -> bytes | None:
        """Return the snapshot of the state that takes this one's place now, None where it stays."""
        ...


@dataclass(frozen=True, slots=True)
class Roles:
    """Names of the detectors: who alerts, and who is compared with it, empty for nobody."""

    alerting: str
    shadow: str = ""


class Models(Protocol):
    """The detectors that are installed, and which of them somebody wants in which role."""

    def roles(self) -> Roles:
        """Return who is wanted now; the alerting one can always be made."""
        ...

    def detector(self, name: str) -> Detector | None:
        """Return a new detector without wearers, None where there is none of this name that can be read."""
        ...


class StatefulFamily(Protocol):
    """A family whose state is computed from the log alone."""

    name: str
    topic: str
    version: str

    def open(self, partition: int, blob: bytes | None) -> PartitionState:
        """Return the state of a partition: fresh, or from a snapshot of the same version."""
        ...

    def rows(self, record: Record) -> int:
        """Return how many rows a record has, 0 where it is none that can be cut."""
        ...

    def pick(self, record: Record, rows: npt.NDArray[np.int64]) -> Record:
        """Return the record with these rows alone."""
        ...


class SinkFamily(Protocol):
    """A family whose work is a transaction: rows and offsets together."""

    name: str
    topics: tuple[str, ...]
    version: str

    def read(self, record: Record) -> Any:
        """Decode and check one record.

        Raises:
            ContractError: The record is unreadable.
        """
        ...

    async def write(self, items: Sequence[tuple[Record, Any]], moves: Sequence[OffsetMove]) -> None:
        """Write what was read, in the log's order, and move the offsets, in one transaction.

        What was written before, as parts of a record that is then written whole, must change nothing.

        Raises:
            PassingError: Try again with the same arguments.
            StaleOwnerError: An offset was not the expected one; nothing was written.
            ContractError: The database will never take these rows; nothing was written.
        """
        ...

    async def settle(self, partitions: Collection[int]) -> None:
        """Do what follows a commit (publish an outbox); called after writes and after an assignment.

        Raises:
            PassingError: Try again.
        """
        ...

    def rows(self, record: Record) -> int:
        """Return how many rows a record has, 0 where it is none that can be cut."""
        ...

    def pick(self, record: Record, rows: npt.NDArray[np.int64]) -> Record:
        """Return the record with these rows alone."""
        ...


class Publisher(Protocol):
    """Appends records and waits until they are durable."""

    async def publish(self, emissions: Sequence[Emission]) -> None:
        """Append all, in order within a partition, and return when every one is acknowledged by all replicas.

        Raises:
            PassingError: Not all are known to be durable; publishing all again is allowed.
            ContractError: The broker will never take one of them (too large).
        """
        ...


class LogReader(Protocol):
    """Reads a partition beside the consumer group, to supply gaps."""

    async def cluster_id(self) -> str:
        """Return the id of the Kafka cluster."""
        ...

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """Return the first offset that the log holds and the one after its last."""
        ...

    def read(self, topic: str, partition: int, start: int, end: int) -> AsyncGenerator[Sequence[Record], None]:
        """Yield the records with start <= offset < end, in order; offsets that the log no longer holds are left out."""
        ...


class StateStore(Protocol):
    """Keeps `processor_state`."""

    async def load(self, family: str, topic: str, partition: int) -> SavedState | None:
        """Return the saved row.

        Raises:
            PassingError: The database is away.
        """
        ...

    async def save(self, state: SavedState, *, expected: int | None) -> None:
        """Replace the row if its next offset is still `expected` (None: there is no row).

        Raises:
            StaleOwnerError: It is not.
            PassingError: The database is away.
        """
        ...


class Meter(Protocol):
    """Counts what happens; names stand in the table of `infra.metrics`."""

    def observe(self, name: str, seconds: npt.NDArray[np.float64] | float) -> None:
        """Add one or many durations to the histogram `name`."""
        ...

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        """Add to the counter `name`."""
        ...

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set the gauge `name`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CareQuestion:
    """What a batch of episodes and commands is about: the keys of its subjects, and the ids that it names."""

    subjects: Collection[str]
    alert_ids: Collection[UUID]
    command_ids: Collection[UUID]


@dataclass(frozen=True, slots=True, kw_only=True)
class CareBook:
    """What is known once the subjects are locked.

    Attributes:
        moment: The database's clock and the generation of revisions.
        alerts: The alerts asked for, and every uncleared one of the subjects.
        answered: Which of the commands have their answer already.
        early: Commands about the alerts asked for that came before them, in the order in which they came.
    """

    moment: Moment
    alerts: Mapping[UUID, Tracked]
    answered: Collection[UUID]
    early: Sequence[Command]


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryLine:
    """One line to append to an alert's history; numbers start at 1."""

    alert_id: UUID
    number: int
    event: AlertEvent
    command_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CareEntries:
    """What a batch writes: the newest state of each changed alert, its history, answers, and records to publish.

    An answer to an early command takes the place of the one that it had.
    """

    alerts: Sequence[Tracked]
    history: Sequence[HistoryLine]
    answers: Sequence[tuple[Command, Answer]]
    outbox: Sequence[Emission]


class CareStore(Protocol):
    """Keeps alerts, their history, the answers to commands, and what waits to be published."""

    async def transact(
        self, question: CareQuestion, moves: Sequence[OffsetMove], decide: Callable[[CareBook], CareEntries]
    ) -> None:
        """Lock the subjects, `decide` on what is known of them, write its entries, move the offsets: all or nothing.

        Raises:
            PassingError: Nothing is known to be written; the same call may work later.
            StaleOwnerError: An offset was not the expected one; nothing was written.
            ContractError: The database will never take these rows; nothing was written.
        """
        ...

    async def waiting(self, partitions: Collection[int], most: int) -> Sequence[tuple[int, Emission]]:
        """Return the first `most` unpublished records of these partitions with their numbers, in order.

        Raises:
            PassingError: The database is away.
        """
        ...

    async def mark_published(self, numbers: Sequence[int]) -> None:
        """Mark records as published, and remove those published more than a day ago.

        Raises:
            PassingError: The database is away.
        """
        ...
