"""Who may see what, held in memory: read whole when `access_version` moves, asked again on a miss."""

import asyncio
import hashlib
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg
import structlog

from api.records import AccessChange, Caller, Role, Zone
from infra.timescale.pool import database_errors
from schemas.errors import DatabaseAwayError, UnauthenticatedError
from schemas.zones import AREA, AREA_NAME

_LOG = structlog.get_logger(__name__)
_POLL_S: Final = 1.0
_OLD_S: Final = 5.0
"""So soon a lost grant ends everywhere while the database answers."""
_UNREAD: Final = -1
"""No version of the database: all is read again."""
_MOST_TOKEN_CHARACTERS: Final = 512

_VERSION: Final = "SELECT version FROM access_version"
_USERS: Final = "SELECT user_id, name, role FROM users WHERE disabled_at IS NULL"
_TOKENS: Final = "SELECT token_sha256, user_id, expires_at FROM user_tokens WHERE revoked_at IS NULL"
_GRANTS: Final = "SELECT wearer_id, user_id, scopes, expires_at FROM grants"
_ZONE_GRANTS: Final = "SELECT zone_id, user_id, scopes, expires_at FROM zone_grants"
_DEVICES: Final = "SELECT device_number, device_id FROM devices"
_ZONES: Final = """
SELECT zone_id, name, version FROM (
    SELECT DISTINCT ON (zone_id) zone_id, name, version, withdrawn_at FROM zones ORDER BY zone_id, version DESC
) AS newest WHERE withdrawn_at IS NULL
"""


def hash_token(token: str) -> bytes:
    """Return what is kept of a token. Looking a hash up tells nothing about how much of a token was right."""
    return hashlib.sha256(token.encode()).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class _User:
    name: str
    role: Role


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grant:
    scopes: frozenset[str]
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    version: int = 0
    users: dict[UUID, _User] = field(default_factory=dict)
    tokens: dict[bytes, tuple[UUID, datetime | None]] = field(default_factory=dict)
    grants: dict[UUID, dict[UUID, _Grant]] = field(default_factory=dict)
    zone_grants: dict[UUID, dict[str, _Grant]] = field(default_factory=dict)
    devices: dict[int, UUID] = field(default_factory=dict)
    zones: dict[str, Zone] = field(default_factory=dict)


class AccessList:
    """Tokens, users, grants for wearers and zones, what zones are called, and device numbers; the API's `Access`."""

    def __init__(
        self, pool: asyncpg.Pool, clock: Callable[[], datetime], *, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._now_s = now_s
        self._known = _Known()
        self._read_s = -math.inf
        self._reading = asyncio.Lock()

    async def identify(self, token: str) -> Caller:
        """Return the user behind a token; one that is not known is looked for once in the database.

        Raises:
            UnauthenticatedError: No such token, or it is revoked or expired, or its user is disabled.
            DatabaseAwayError: The token is not known here and the database cannot be asked.
        """
        if not token or len(token) > _MOST_TOKEN_CHARACTERS:
            raise UnauthenticatedError("The token is not valid.")
        hashed = hash_token(token)
        if not self.holds(hashed):
            await self.refresh()
        if not self.holds(hashed):
            raise UnauthenticatedError("The token is not valid, or it has expired or been revoked.")
        user_id, _ = self._known.tokens[hashed]
        user = self._known.users[user_id]
        return Caller(user_id=user_id, name=user.name, role=user.role, token_sha256=hashed)

    def holds(self, token_sha256: bytes) -> bool:
        """Return whether a token is known, not expired, and its user not disabled."""
        found = self._known.tokens.get(token_sha256)
        return found is not None and found[0] in self._known.users and self._lasts(found[1])

    def scopes(self, user_id: UUID, wearer: UUID) -> frozenset[str]:
        """Return what a user may do with a wearer's data now."""
        grant = self._known.grants.get(user_id, {}).get(wearer)
        return grant.scopes if grant is not None and self._lasts(grant.expires_at) else frozenset()

    def wearers(self, user_id: UUID, scope: str) -> frozenset[UUID]:
        """Return the wearers for which a user holds a scope now."""
        grants = self._known.grants.get(user_id, {})
        return frozenset(
            wearer for wearer, grant in grants.items() if scope in grant.scopes and self._lasts(grant.expires_at)
        )

    def zone_scopes(self, user_id: UUID, zone: str) -> frozenset[str]:
        """Return what a user may know and do of a community zone now."""
        grant = self._known.zone_grants.get(user_id, {}).get(zone)
        return grant.scopes if grant is not None and self._lasts(grant.expires_at) else frozenset()

    def zones(self, user_id: UUID, scope: str) -> frozenset[str]:
        """Return the community zones for which a user holds a scope now."""
        grants = self._known.zone_grants.get(user_id, {})
        return frozenset(
            zone for zone, grant in grants.items() if scope in grant.scopes and self._lasts(grant.expires_at)
        )

    def device(self, number: int) -> UUID | None:
        """Return the id of a device by its number."""
        return self._known.devices.get(number)

    def zone(self, zone_id: str) -> Zone | None:
        """Return a community zone as it is defined now, without its cells.

        None where there is none, and where nothing could be read for five seconds: who tells of zones from memory must
        not go on then, since another process may have withdrawn the zone or a grant for it.
        """
        return self._known.zones.get(zone_id) if self._now_s() - self._read_s <= _OLD_S else None

    def learn(self, change: AccessChange) -> None:
        """Let a change that was written hold here until the database answers again, when all is read anew."""
        known, subject = self._known, change.subject
        self._known = replace(
            known,
            version=_UNREAD,
            tokens={hashed: one for hashed, one in known.tokens.items() if hashed != subject},
            grants=_changed(known.grants, change) if isinstance(subject, UUID) else known.grants,
            zone_grants=_changed(known.zone_grants, change) if isinstance(subject, str) else known.zone_grants,
        )

    async def refresh(self) -> None:
        """Read everything again if anything changed.

        Raises:
            DatabaseAwayError: The database cannot be asked.
        """
        with database_errors():
            async with self._reading:
                asked_s = self._now_s()
                if await self._pool.fetchval(_VERSION) != self._known.version:
                    self._known = await self._read()
                self._read_s = asked_s

    async def watch(self) -> None:
        """Refresh each second until cancelled; while the database is away, what is known stands."""
        away = False
        while True:
            # Jitter, so that the processes of a cluster do not ask in the same moment.
            await asyncio.sleep(_POLL_S * random.uniform(0.8, 1.2))  # noqa: S311 - no secret
            try:
                await self.refresh()
            except DatabaseAwayError as error:
                if not away:
                    _LOG.warning("grants cannot be refreshed, the last known ones stand", reason=str(error))
                away = True
            else:
                away = False

    async def _read(self) -> _Known:
        async with (
            self._pool.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            version = await connection.fetchval(_VERSION)
            users = await connection.fetch(_USERS)
            tokens = await connection.fetch(_TOKENS)
            grants = await connection.fetch(_GRANTS)
            zone_grants = await connection.fetch(_ZONE_GRANTS)
            devices = await connection.fetch(_DEVICES)
            zones = [Zone(**dict(row)) for row in await connection.fetch(_ZONES)]
        return _Known(
            version=version,
            users={user_id: _User(name=name, role=role) for user_id, name, role in users},
            tokens={bytes(hashed): (user_id, expires_at) for hashed, user_id, expires_at in tokens},
            grants=_by_user(grants),
            zone_grants=_by_user(zone_grants),
            devices=dict(map(tuple, devices)),
            zones={one.zone_id: one for one in (Zone(zone_id=AREA, name=AREA_NAME, version=0), *zones)},
        )

    def _lasts(self, expires_at: datetime | None) -> bool:
        return expires_at is None or self._clock() < expires_at


def _by_user(rows: Sequence[asyncpg.Record]) -> dict[UUID, dict[Any, _Grant]]:
    """Return grants by user and by what each is for."""
    held: dict[UUID, dict[Any, _Grant]] = {}
    for subject, user, scopes, expires_at in rows:
        held.setdefault(user, {})[subject] = _Grant(scopes=frozenset(scopes), expires_at=expires_at)
    return held


def _changed(grants: dict[UUID, dict[Any, _Grant]], change: AccessChange) -> dict[UUID, dict[Any, _Grant]]:
    """Return grants as they are after a change."""
    ended = {change.user_id} if change.user_id is not None else grants.keys()
    held = {
        user: {subject: one for subject, one in of.items() if subject != change.subject or user not in ended}
        for user, of in grants.items()
    }
    if change.user_id is not None and change.scopes:
        granted = _Grant(scopes=frozenset(change.scopes), expires_at=change.expires)
        held.setdefault(change.user_id, {})[change.subject] = granted
    return held
