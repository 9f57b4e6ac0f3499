"""What the API needs from the world: people, access, stored data, commands, probes; adapters live in infra."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol
from uuid import UUID

import numpy as np
import numpy.typing as npt

from schemas.alerts import Alert, Command
from schemas.episodes import Episode

Role = Literal["admin", "carer"]
Scope = Literal["readings", "scores", "alerts", "act"]
SCOPES: tuple[Scope, ...] = ("readings", "scores", "alerts", "act")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who calls: a user, found by a token that is kept as its hash alone.

    Attributes:
        by_cookie: The token came in a cookie, so a write needs a same-origin `Origin`.
    """

    user_id: UUID
    name: str
    role: Role
    token_sha256: bytes
    by_cookie: bool = False


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

    def device(self, number: int) -> UUID | None:
        """Return the id of a device by its number."""
        ...

    async def refresh(self) -> None:
        """Read what changed, so that a change made here acts here at once.

        Raises:
            DatabaseAwayError: The database cannot be asked.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wearer:
    """A person who wears devices."""

    wearer_id: UUID
    name: str
    timezone: str
    profile: Mapping[str, Any]
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device of a wearer."""

    device_id: UUID
    wearer_id: UUID
    model: str
    created_at: datetime
    revoked_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Carer:
    """A user's grant for a wearer."""

    user_id: UUID
    name: str
    scopes: Sequence[str]
    expires_at: datetime | None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """A stored or live reading; `vitals` holds what was measured and nothing else."""

    wearer: UUID
    time: datetime
    received: datetime
    stream_id: int
    device_id: UUID | None
    quality: float | None
    worn: bool | None
    origin: int
    injected: bool
    backfill: bool
    vitals: Mapping[str, float]
    hrv_window_s: float | None = None
    ibi: Sequence[float] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """The newest reading of a wearer, and for each vital the newest reading that holds it."""

    reading: Reading
    vitals: Mapping[str, Reading]


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """A scored bin; the three mappings hold what was known, by vital."""

    wearer: UUID
    bin: datetime
    bin_ms: int
    score: float | None
    tier: int
    tier0: bool
    worn: bool | None
    at_rest: bool | None
    motion: float | None
    model: str
    readings: int
    late: int
    backfill: int
    received: datetime
    values: Mapping[str, float]
    z: Mapping[str, float]
    expected: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Which stretch of event time a query asks for, and where its page begins.

    Attributes:
        after: Key of the last item of the previous page, None at the start.
    """

    start: datetime
    end: datetime
    limit: int
    after: tuple[Any, ...] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertQuery:
    """Which alerts are asked for, newest first; `after` is (raised, alert_id) of the previous page's last."""

    wearers: Collection[UUID]
    condition: str | None = None
    responses: Collection[str] | None = None
    limit: int = 100
    after: tuple[datetime, UUID] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far a family has come in a partition: the next offset, and the largest append time before it."""

    next_offset: int
    clock_ms: int


Positions = Mapping[int, Position]


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

    async def episodes_now(self, wearers: Collection[UUID]) -> tuple[Sequence[Episode], Positions]:
        """Return the open episodes of the wearers."""
        ...

    async def positions(self, family: str, topic: str) -> Positions:
        """Return how far a family has come in a topic."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """What care made of a command; `alert` is the alert's state afterwards."""

    done: bool
    detail: str | None
    alert: Alert


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


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the audit: who did what, to whom, when."""

    at: datetime
    user_id: UUID | None
    action: str
    subject: str | None
    detail: Mapping[str, Any] = field(default_factory=dict)


class Audit(Protocol):
    """Keeps the audit without slowing the caller."""

    def note(self, entry: AuditEntry) -> None:
        """Hand in a line; it is written soon, with others."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """How a part of the system is: up, degraded or down, how long its answer took, and why it is not up."""

    name: str
    state: Literal["up", "degraded", "down"]
    latency_ms: float | None = None
    detail: str | None = None
    core: bool = False


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


Clock = Callable[[], datetime]
