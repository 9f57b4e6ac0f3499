"""What the API speaks of with the world: callers, people, stored rows, queries, results. Data alone."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from schemas.alerts import Alert
from schemas.zones import ZoneStatus

Role = Literal["admin", "carer"]
Scope = Literal["readings", "scores", "alerts", "act"]
SCOPES: tuple[Scope, ...] = ("readings", "scores", "alerts", "act")
ZoneScope = Literal["status", "alerts", "act"]


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
    """A scored bin; the three mappings hold what was known, by vital.

    Attributes:
        tier0_rate: Share of bins that `tier0` is calibrated to flag.
        promised_rate: Alerts a day that this wearer is promised at most; `realised_rate` those that there were over
            `rate_days` days. None where the model keeps no count.
    """

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
    tier0_rate: float | None = None
    promised_rate: float | None = None
    realised_rate: float | None = None
    rate_days: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """What the readings of one step of time come to.

    Attributes:
        time: Where the step begins.
        readings: How many readings are stored in the step, and how many of those were injected, replayed, simulated.
        vitals: Per vital with a value `count`, and by the registry's rule `mean`, `min` and `max`, or `sum`.
    """

    wearer: UUID
    time: datetime
    step: timedelta
    readings: int
    injected: int
    replayed: int
    simulated: int
    vitals: Mapping[str, Mapping[str, float]]


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
    zones: Collection[str] = ()
    condition: str | None = None
    responses: Collection[str] | None = None
    limit: int = 100
    after: tuple[datetime, UUID] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessChange:
    """What a write made of who may see what: exactly these scopes, or nothing any more.

    Attributes:
        subject: The wearer or zone of the grant, or the hash of a token, which ended.
        user_id: Whose grant; None: everybody's for that subject ended.
        scopes: What is granted now; nothing where the grant ended.
        expires: When it ends by itself.
    """

    subject: UUID | str | bytes
    user_id: UUID | None = None
    scopes: Sequence[str] = ()
    expires: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Zone:
    """A named zone as its newest version defines it; the whole area has version 0 and no cells.

    Attributes:
        cells: H3 cells of resolution 8, ascending.
    """

    zone_id: str
    name: str
    version: int
    cells: Sequence[int] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneNow:
    """A zone and how it stood last, None before its first closed bin."""

    zone: Zone
    status: ZoneStatus | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """How far a family has come in a partition: the next offset, and the largest append time before it."""

    next_offset: int
    clock_ms: int


Positions = Mapping[int, Position]


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandResult:
    """What care made of a command; `alert` is the alert's state afterwards."""

    done: bool
    detail: str | None
    alert: Alert


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One line of the audit: who did what, to whom, when."""

    at: datetime
    user_id: UUID | None
    action: str
    subject: str | None
    detail: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """How a part of the system is: up, degraded or down, how long its answer took, and why it is not up.

    Attributes:
        told: What a worker tells of the detector that judges, None elsewhere.
    """

    name: str
    state: Literal["up", "degraded", "down"]
    latency_ms: float | None = None
    detail: str | None = None
    core: bool = False
    told: Mapping[str, Any] | None = None
