"""Who calls, and may they: default deny. One dependency finds the caller, one checks the grant for a wearer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit
from uuid import UUID

import structlog
from fastapi import Depends, Path, Request
from starlette.requests import HTTPConnection

from api.door import DeviceDoor
from api.jobs import JobDesk
from api.live.entries import Decoding
from api.live.hub import Hub
from api.ports import Access, Audit, Clock, Commands, LogReader, Meter, Metrics, People, Probes, Reads, SignIn, Videos
from api.records import AccessChange, AuditEntry, Caller, Scope, ZoneScope
from api.tiles import MapTiles
from api.zone_board import Board
from api.zone_places import Places
from api.zone_ports import Zones
from schemas.alerts import Alert
from schemas.episodes import Subject
from schemas.errors import DatabaseAwayError, ForbiddenError, UnauthenticatedError, UnknownSubjectError

_LOG = structlog.get_logger(__name__)

COOKIE: Final = "pulsera_session"
PUBLIC_PATHS: Final = frozenset({"/", "/health", "/ready", "/metrics", "/sign-in", "/docs", "/openapi.json"})
"""Everything else that is not the web application's own files needs a token."""

NO_ZONE: Final = "There is no such zone, or none that you may see."
_NO_ALERT: Final = "There is no such alert, or none that you may see."
_SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything that the routes reach the world through, and what they were told at start."""

    access: Access
    people: People
    sign_in: SignIn
    reads: Reads
    zones: Zones
    commands: Commands
    audit: Audit
    probes: Probes
    metrics: Metrics
    meter: Meter
    hub: Hub
    decoding: Decoding
    log: LogReader
    videos: Videos
    jobs: JobDesk
    clock: Clock
    new_id: Callable[[], UUID]
    sleep: Callable[[float], Awaitable[None]]
    allowed_origins: frozenset[str] = frozenset()
    door: DeviceDoor | None = None
    """Where devices connect to; None where nobody told."""
    tiles: MapTiles | None = None
    """Where the map's pictures come from; None: it has none."""
    places: Places = field(default_factory=Places)
    board: Board = field(default_factory=Board)


def ports_of(connection: HTTPConnection) -> Ports:
    """Return the ports that the application was made with."""
    ports = connection.app.state.ports
    if not isinstance(ports, Ports):
        raise TypeError("The application was made without ports.")
    return ports


async def _ports_here(connection: HTTPConnection) -> Ports:
    """Return them to a route; FastAPI hands a dependency that is no coroutine to a thread, and waits for it."""
    return ports_of(connection)


PortsHere = Annotated[Ports, Depends(_ports_here)]


def own_origin(connection: HTTPConnection, allowed: frozenset[str]) -> bool:
    """Return whether the page that sends this is ours: its origin's host is the host asked, or it is allowed."""
    origin = connection.headers.get("origin", "")
    host = connection.headers.get("host", "")
    if not origin or origin in allowed:
        return bool(origin)
    try:
        page = urlsplit(origin)
    except ValueError:
        return False
    # A page that came unprotected may have been written by whoever sits in between.
    weaker = page.scheme == "http" and connection.url.scheme in {"https", "wss"}
    return bool(host) and page.netloc == host and page.scheme in {"http", "https"} and not weaker


def bearer(connection: HTTPConnection) -> str | None:
    """Return the token of an `Authorization: Bearer` header."""
    scheme, _, token = connection.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


async def authenticate(request: Request, ports: PortsHere) -> Caller | None:
    """Return the caller of any route; only a public path may be called by nobody.

    Raises:
        UnauthenticatedError: There is no valid token.
        ForbiddenError: A write with a cookie does not come from our own pages.
    """
    if request.url.path in PUBLIC_PATHS:
        return None
    token, cookie = bearer(request), request.cookies.get(COOKIE)
    if token is not None:
        return await ports.access.identify(token)
    if cookie is None:
        raise UnauthenticatedError("Send a token: Authorization: Bearer TOKEN.")
    found = await ports.access.identify(cookie)
    if request.method not in _SAFE_METHODS and not own_origin(request, ports.allowed_origins):
        raise ForbiddenError("A change with a cookie must come from this server's own pages (Origin).")
    return replace(found, by_cookie=True)


async def caller_of(found: Annotated[Caller | None, Depends(authenticate)]) -> Caller:
    """Return the caller.

    Raises:
        UnauthenticatedError: Nobody is known.
    """
    if found is None:
        raise UnauthenticatedError("Send a token: Authorization: Bearer TOKEN.")
    return found


CallerHere = Annotated[Caller, Depends(caller_of)]


async def admin_of(caller: CallerHere) -> Caller:
    """Return the caller, who manages people.

    Raises:
        ForbiddenError: The caller is no admin.
    """
    if caller.role != "admin":
        raise ForbiddenError("Only an admin may do this.")
    return caller


AdminHere = Annotated[Caller, Depends(admin_of)]


def note(ports: Ports, caller: Caller, action: str, subject: str | None) -> None:
    """Put a line into the audit."""
    ports.audit.note(AuditEntry(at=ports.clock(), user_id=caller.user_id, action=action, subject=subject))


async def note_written(
    ports: Ports, caller: Caller, action: str, subject: str, *, change: AccessChange | None = None
) -> None:
    """Put what was just written into the audit, then let it hold here at once.

    It is written, so neither may fail it: where the database went away since, what it made of who may see what holds
    here all the same, and everything else once the database answers again.
    """
    note(ports, caller, action, subject)
    try:
        await ports.access.refresh()
    except DatabaseAwayError:
        _LOG.warning("what was written is read here once the database answers again", action=action)
        if change is not None:
            ports.access.learn(change)


def check_scope(ports: Ports, caller: Caller, wearer: UUID, scope: Scope) -> None:
    """Return only if the caller holds the scope for the wearer.

    Raises:
        UnknownSubjectError: There is no grant at all, so the caller may not know of the wearer.
        ForbiddenError: The grant lacks the scope.
    """
    held = ports.access.scopes(caller.user_id, wearer)
    if not held:
        raise UnknownSubjectError("There is no such wearer, or none that you may see.")
    if scope not in held:
        raise ForbiddenError(f"Your grant for this wearer lacks the scope {scope}.")


def check_zone_scope(ports: Ports, caller: Caller, zone: str, scope: ZoneScope) -> None:
    """Return only if the caller holds the scope for the community zone; administrators need a grant as well.

    Raises:
        UnknownSubjectError: There is no grant at all, so the caller may not know whether there is such a zone.
        ForbiddenError: The grant lacks the scope.
    """
    held = ports.access.zone_scopes(caller.user_id, zone)
    if not held:
        raise UnknownSubjectError(NO_ZONE)
    if scope not in held:
        raise ForbiddenError(f"Your grant for this zone lacks the scope {scope}.")


def granted(scope: Scope) -> Callable[..., Awaitable[UUID]]:
    """Return the dependency that gives a route its wearer once the caller's grant is checked and noted."""

    async def wearer_of(
        request: Request,
        ports: PortsHere,
        caller: CallerHere,
        wearer_id: Annotated[UUID, Path(description="The wearer.")],
    ) -> UUID:
        check_scope(ports, caller, wearer_id, scope)
        note(ports, caller, f"{request.method} {request.url.path.rsplit('/', 1)[-1]}", f"wearer:{wearer_id}")
        return wearer_id

    return wearer_of


def granted_alert(scope: Literal["alerts", "act"]) -> Callable[..., Awaitable[Alert]]:
    """Return the dependency that gives a route its alert once the caller's grant is checked and noted."""

    async def alert_of(
        request: Request,
        ports: PortsHere,
        caller: CallerHere,
        alert_id: Annotated[UUID, Path(description="The alert.")],
    ) -> Alert:
        found = await ports.reads.alert(alert_id)
        if found is None:
            raise UnknownSubjectError(_NO_ALERT)
        held, of = _held(ports, caller, found.subject)
        if not held:
            raise UnknownSubjectError(_NO_ALERT)
        # Whoever answers an alert is shown it.
        for needed in ("alerts", scope):
            if needed not in held:
                raise ForbiddenError(f"Your grant for this {of} lacks the scope {needed}.")
        action = "alert" if request.method == "GET" else request.url.path.rsplit("/", 1)[-1]
        note(ports, caller, f"{request.method} {action}", found.subject.key)
        return found

    return alert_of


def _held(ports: Ports, caller: Caller, subject: Subject) -> tuple[frozenset[str], str]:
    """Return the caller's scopes for whom an alert is about, and what that is."""
    if subject.wearer is not None:
        return ports.access.scopes(caller.user_id, subject.wearer), "wearer"
    return ports.access.zone_scopes(caller.user_id, subject.zone or ""), "zone"
