"""What the API needs from the world: people, access, stored data, commands, probes; adapters live in infra."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import IO, Any, Protocol
from uuid import UUID

import numpy as np
import numpy.typing as npt

from api.records import (
    AccessChange,
    AlertQuery,
    AuditEntry,
    Caller,
    Carer,
    CommandResult,
    Component,
    Device,
    Latest,
    Point,
    Positions,
    Reading,
    Role,
    Score,
    Span,
    Wearer,
)
from schemas.alerts import Alert, Command
from schemas.episodes import Episode


class Access(Protocol):
    """Who may see what, held in memory and at most seconds old."""

    async def identify(self, token: str) -> Caller:
        """Return the user behind a token.

        Raises:
            UnauthenticatedError: No such token, or it is revoked or expired, or its user is disabled.
            DatabaseAwayError: The token is not known here and the database cannot be asked.
        """
        ...

    def holds(self, token_sha256: bytes) -> bool:
        """Return whether a token that was good still is."""
        ...

    def scopes(self, user_id: UUID, wearer: UUID) -> frozenset[str]:
        """Return what a user may do with a wearer's data now; empty without a grant."""
        ...

    def wearers(self, user_id: UUID, scope: str) -> frozenset[UUID]:
        """Return the wearers for which a user holds a scope now."""
        ...

    def zone_scopes(self, user_id: UUID, zone: str) -> frozenset[str]:
        """Return what a user may know and do of a community zone now; empty without a grant."""
        ...

    def zones(self, user_id: UUID, scope: str) -> frozenset[str]:
        """Return the community zones for which a user holds a scope now."""
        ...

    def device(self, number: int) -> UUID | None:
        """Return the id of a device by its number."""
        ...

    async def refresh(self) -> None:
        """Read what changed, so that a change made here acts here at once.

        Raises:
            DatabaseAwayError: The database cannot be asked.
        """
        ...

    def learn(self, change: AccessChange) -> None:
        """Let a change that was written hold here until the database answers again, when all is read anew."""
        ...


class People(Protocol):
    """Keeps wearers, devices, users and grants. Every method raises DatabaseAwayError when the database is away."""

    async def add_wearer(self, *, name: str, timezone: str, profile: Mapping[str, Any], created_by: UUID) -> Wearer:
        """Add a wearer, granting the creator every scope."""
        ...

    async def wearers(self, only: Collection[UUID] | None) -> Sequence[Wearer]:
        """Return wearers by name: all, or those named."""
        ...

    async def add_device(self, wearer: UUID, model: str) -> tuple[UUID, str]:
        """Add a device; return its id and its token, which is not kept.

        Raises:
            UnknownSubjectError: There is no such wearer.
        """
        ...

    async def devices(self, wearer: UUID) -> Sequence[Device]:
        """Return the devices of a wearer, oldest first."""
        ...

    async def revoke_device(self, device: UUID) -> bool:
        """Revoke a device's token; return whether there was such a device."""
        ...

    async def add_user(self, *, name: str, email: str | None, role: Role) -> tuple[UUID, str]:
        """Add a user; return the id and a token, which is not kept."""
        ...

    async def carers(self, wearer: UUID) -> Sequence[Carer]:
        """Return who holds a grant for a wearer."""
        ...

    async def grant(
        self, wearer: UUID, user: UUID, *, scopes: Sequence[str], expires: datetime | None, by: UUID
    ) -> None:
        """Grant exactly these scopes, replacing what was granted before.

        Raises:
            UnknownSubjectError: There is no such wearer or user.
        """
        ...

    async def withdraw(self, wearer: UUID, user: UUID) -> bool:
        """Withdraw a grant; return whether there was one."""
        ...


class SignIn(Protocol):
    """Makes and ends web sessions. Every method raises DatabaseAwayError when the database is away."""

    async def redeem(self, code: str) -> UUID:
        """Use up a one-time code and return its user.

        Raises:
            UnauthenticatedError: No such code, or it is used or expired, or its user is disabled.
        """
        ...

    async def open_session(self, user: UUID, *, lifetime_s: int) -> str:
        """Return a new web token of the user, valid for a time."""
        ...

    async def close_session(self, token_sha256: bytes) -> None:
        """Revoke a token."""
        ...


class Reads(Protocol):
    """Reads what storage and care wrote. Every method raises DatabaseAwayError when the database is away.

    The methods named `*_now` read rows and storage's offsets of the topic in one transaction.
    """

    async def latest(self, wearer: UUID) -> Latest | None:
        """Return what was measured last, None before the first reading."""
        ...

    async def readings(self, wearer: UUID, span: Span, vitals: Sequence[str]) -> Sequence[Reading]:
        """Return readings that hold one of `vitals`, oldest first; `after` is (time, stream_id)."""
        ...

    async def points(self, wearer: UUID, span: Span, vitals: Sequence[str], step: timedelta) -> Sequence[Point]:
        """Return what the readings of each step of the span come to, oldest first; the span is whole steps.

        Raises:
            TooManyReadingsError: More readings than `span.limit` would have to be read for that.
        """
        ...

    async def scores(self, wearer: UUID, span: Span) -> Sequence[Score]:
        """Return scored bins, oldest first; `after` is (bin,)."""
        ...

    async def episodes(self, wearer: UUID, span: Span) -> Sequence[Episode]:
        """Return episodes by onset, newest first; `after` is (onset, episode_id)."""
        ...

    async def alerts(self, query: AlertQuery) -> Sequence[Alert]:
        """Return alerts, newest first."""
        ...

    async def alert(self, alert: UUID) -> Alert | None:
        """Return one alert."""
        ...

    async def readings_now(self, wearers: Collection[UUID]) -> tuple[Sequence[Latest], Positions]:
        """Return what was measured last by each wearer."""
        ...

    async def scores_now(self, wearers: Collection[UUID]) -> tuple[Sequence[Score], Positions]:
        """Return the newest score of each wearer."""
        ...

    async def episodes_now(
        self, wearers: Collection[UUID], zones: Collection[str] = ()
    ) -> tuple[Sequence[Episode], Positions]:
        """Return the open episodes of the wearers and of the zones."""
        ...

    async def positions(self, family: str, topic: str) -> Positions:
        """Return how far a family has come in a topic."""
        ...


class Commands(Protocol):
    """Hands commands to care and learns what became of them."""

    async def append(self, command: Command) -> None:
        """Append a command and return when it is durable.

        Raises:
            BrokerAwayError: It is not known to be durable.
        """
        ...

    async def result(self, command_id: UUID) -> CommandResult | None:
        """Return what became of a command, None while care has not recorded it.

        Raises:
            DatabaseAwayError: The database cannot be asked.
        """
        ...


class Audit(Protocol):
    """Keeps the audit without slowing the caller."""

    def note(self, entry: AuditEntry) -> None:
        """Hand in a line; it is written soon, with others."""
        ...


class Probes(Protocol):
    """Looks at the parts of the system."""

    async def components(self) -> Sequence[Component]:
        """Return every part; never raises."""
        ...


class Metrics(Protocol):
    """Tells the figures of this process."""

    def expose(self) -> tuple[bytes, str]:
        """Return the text format and its content type."""
        ...


class Meter(Protocol):
    """Counts what happens."""

    def observe(self, name: str, seconds: npt.NDArray[np.float64] | float) -> None:
        """Add one or many durations to the histogram `name`."""
        ...

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        """Add to the counter `name`."""
        ...

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set the gauge `name`."""
        ...


class LogRecord(Protocol):
    """A record as the log holds it."""

    @property
    def topic(self) -> str:
        """Name of the topic."""

    @property
    def partition(self) -> int:
        """Number of the partition."""

    @property
    def offset(self) -> int:
        """Place in the partition."""

    @property
    def append_ms(self) -> int:
        """The log's append time."""

    @property
    def value(self) -> bytes:
        """The bytes."""


class LogReader(Protocol):
    """Reads a partition between two offsets."""

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """Return the first offset that the log holds and the one after its last.

        Raises:
            BrokerAwayError: Kafka does not answer.
        """
        ...

    def read(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[Sequence[LogRecord]]:
        """Yield the records with start <= offset < end, in order."""
        ...


class Videos(Protocol):
    """Gets hold of videos and finds the pulse in them, outside this process, which loads no decoder."""

    def private_file(self) -> AbstractContextManager[IO[bytes]]:
        """Give an empty file without a name: nobody else can open it, and it is gone once it is closed or we die.

        Raises:
            RefusedError: There is no room for one.
        """
        ...

    async def fetch(self, url: str, into: IO[bytes]) -> None:
        """Write what an address holds into a file.

        Raises:
            RefusedError: The address may not be asked, does not answer, or holds no video.
        """
        ...

    async def analyze(
        self, video: IO[bytes], *, region: str, progress: Callable[[float | None], None]
    ) -> dict[str, Any]:
        """Return what a video tells; cancelling it ends the work at once.

        Raises:
            RefusedError: The file cannot be decoded, or its decoder failed.
        """
        ...

    def components(self) -> Mapping[str, Mapping[str, Any]]:
        """Return what is needed for an analysis, by name, and whether it is there."""
        ...


Clock = Callable[[], datetime]
