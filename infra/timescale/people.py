"""Wearers, devices, users, grants and web sessions in the database. Tokens are kept as their SHA-256 alone."""

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec
from uuid6 import uuid7

from api.records import SCOPES, Carer, Device, Role, Wearer
from infra.timescale.access import hash_token
from infra.timescale.pool import database_errors
from schemas.errors import UnauthenticatedError, UnknownSubjectError

_TOKEN_BYTES: Final = 32
_WEARER: Final = "wearer_id, name, timezone, profile::text AS profile, created_at"


def new_id() -> UUID:
    """Return a new UUIDv7."""
    return UUID(int=uuid7().int)


def new_token() -> str:
    """Return a new token of 256 random bits."""
    return secrets.token_urlsafe(_TOKEN_BYTES)


class PeopleTable:
    """The API's `People`."""

    def __init__(self, pool: asyncpg.Pool) -> None:
        self._pool = pool

    async def add_wearer(self, *, name: str, timezone: str, profile: Mapping[str, Any], created_by: UUID) -> Wearer:
        """Add a wearer, granting the creator every scope."""
        with database_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                (row,) = await connection.fetch(
                    "INSERT INTO wearers (wearer_id, name, timezone, profile, created_by) "  # noqa: S608
                    f"VALUES ($1, $2, $3, $4::jsonb, $5) RETURNING {_WEARER}",
                    new_id(),
                    name,
                    timezone,
                    msgspec.json.encode(profile).decode(),
                    created_by,
                )
                await connection.execute(
                    "INSERT INTO grants (wearer_id, user_id, scopes, granted_by) VALUES ($1, $2, $3, $2)",
                    row["wearer_id"],
                    created_by,
                    list(SCOPES),
                )
        return _wearer(row)

    async def wearers(self, only: Collection[UUID] | None) -> Sequence[Wearer]:
        """Return wearers by name: all, or those named."""
        with database_errors():
            rows = await self._pool.fetch(
                f"SELECT {_WEARER} FROM wearers "  # noqa: S608 - a constant
                "WHERE $1::uuid[] IS NULL OR wearer_id = ANY($1::uuid[]) ORDER BY name, wearer_id",
                None if only is None else list(only),
            )
        return [_wearer(row) for row in rows]

    async def add_device(self, wearer: UUID, model: str) -> tuple[UUID, str]:
        """Add a device; return its id and its token.

        Raises:
            UnknownSubjectError: There is no such wearer.
        """
        device_id, token = new_id(), new_token()
        with database_errors():
            added = await self._pool.fetchval(
                "INSERT INTO devices (device_id, wearer_id, model, token_sha256) "
                "SELECT $1, wearer_id, $3, $4 FROM wearers WHERE wearer_id = $2 RETURNING device_id",
                device_id,
                wearer,
                model,
                hash_token(token),
            )
        if added is None:
            raise UnknownSubjectError("There is no such wearer.")
        return device_id, token

    async def devices(self, wearer: UUID) -> Sequence[Device]:
        """Return the devices of a wearer, oldest first."""
        with database_errors():
            rows = await self._pool.fetch(
                "SELECT device_id, wearer_id, model, created_at, revoked_at FROM devices "
                "WHERE wearer_id = $1 ORDER BY device_number",
                wearer,
            )
        return [Device(**dict(row)) for row in rows]

    async def revoke_device(self, device: UUID) -> bool:
        """Revoke a device's token; return whether there was such a device."""
        with database_errors():
            found = await self._pool.fetchval(
                "UPDATE devices SET revoked_at = coalesce(revoked_at, now()) WHERE device_id = $1 RETURNING device_id",
                device,
            )
        return found is not None

    async def add_user(self, *, name: str, email: str | None, role: Role) -> tuple[UUID, str]:
        """Add a user; return the id and a token."""
        user_id, token = new_id(), new_token()
        with database_errors():
            async with self._pool.acquire() as connection, connection.transaction():
                await connection.execute(
                    "INSERT INTO users (user_id, name, email, role) VALUES ($1, $2, $3, $4)", user_id, name, email, role
                )
                await connection.execute(
                    "INSERT INTO user_tokens (token_sha256, user_id, kind) VALUES ($1, $2, 'api')",
                    hash_token(token),
                    user_id,
                )
        return user_id, token

    async def carers(self, wearer: UUID) -> Sequence[Carer]:
        """Return who holds a grant for a wearer."""
        with database_errors():
            rows = await self._pool.fetch(
                "SELECT user_id, name, scopes, expires_at FROM grants JOIN users USING (user_id) "
                "WHERE wearer_id = $1 ORDER BY name, user_id",
                wearer,
            )
        return [Carer(**dict(row)) for row in rows]

    async def grant(
        self, wearer: UUID, user: UUID, *, scopes: Sequence[str], expires: datetime | None, by: UUID
    ) -> None:
        """Grant exactly these scopes, replacing what was granted before.

        Raises:
            UnknownSubjectError: There is no such wearer or user.
        """
        with database_errors():
            granted = await self._pool.fetchval(
                "INSERT INTO grants (wearer_id, user_id, scopes, expires_at, granted_by) "
                "SELECT wearer_id, user_id, $3, $4, $5 FROM wearers, users WHERE wearer_id = $1 AND user_id = $2 "
                "ON CONFLICT (wearer_id, user_id) DO UPDATE SET scopes = excluded.scopes, "
                "expires_at = excluded.expires_at, granted_by = excluded.granted_by, granted_at = now() "
                "RETURNING user_id",
                wearer,
                user,
                list(scopes),
                expires,
                by,
            )
        if granted is None:
            raise UnknownSubjectError("There is no such wearer or user.")

    async def withdraw(self, wearer: UUID, user: UUID) -> bool:
        """Withdraw a grant; return whether there was one."""
        with database_errors():
            found = await self._pool.fetchval(
                "DELETE FROM grants WHERE wearer_id = $1 AND user_id = $2 RETURNING user_id", wearer, user
            )
        return found is not None


class SessionTable:
    """The API's `SignIn`: one-time codes and web tokens."""

    def __init__(self, pool: asyncpg.Pool, clock: Callable[[], datetime]) -> None:
        self._pool = pool
        self._clock = clock

    async def redeem(self, code: str) -> UUID:
        """Use up a one-time code and return its user.

        Raises:
            UnauthenticatedError: No such code, or it is used or expired, or its user is disabled.
        """
        with database_errors():
            found = await self._pool.fetchval(
                "UPDATE sign_in_codes AS code SET used_at = $2 FROM users "
                "WHERE code_sha256 = $1 AND used_at IS NULL AND expires_at > $2 "
                "AND users.user_id = code.user_id AND disabled_at IS NULL RETURNING code.user_id",
                hash_token(code),
                self._clock(),
            )
        if found is None:
            raise UnauthenticatedError("The code is not valid, or it has been used or has expired.")
        return UUID(int=found.int)

    async def issue(self, user: UUID, *, lifetime_s: int) -> str:
        """Return a new one-time code of a user."""
        code = new_token()
        with database_errors():
            await self._pool.execute(
                "INSERT INTO sign_in_codes (code_sha256, user_id, expires_at) VALUES ($1, $2, $3)",
                hash_token(code),
                user,
                self._clock() + timedelta(seconds=lifetime_s),
            )
        return code

    async def open_session(self, user: UUID, *, lifetime_s: int) -> str:
        """Return a new web token of the user, valid for a time."""
        token = new_token()
        with database_errors():
            await self._pool.execute(
                "INSERT INTO user_tokens (token_sha256, user_id, kind, expires_at) VALUES ($1, $2, 'web', $3)",
                hash_token(token),
                user,
                self._clock() + timedelta(seconds=lifetime_s),
            )
        return token

    async def close_session(self, token_sha256: bytes) -> None:
        """Revoke a token."""
        with database_errors():
            await self._pool.execute(
                "UPDATE user_tokens SET revoked_at = $2 WHERE token_sha256 = $1 AND revoked_at IS NULL",
                token_sha256,
                self._clock(),
            )


async def ensure_admin(pool: asyncpg.Pool, token: str | None) -> tuple[UUID, str]:
    """Return an admin and a token that is good for them: this one, or a new one; adds the admin if there is none."""
    token = token or new_token()
    with database_errors():
        async with pool.acquire() as connection, connection.transaction():
            # Two processes that start together must not make two admins.
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('pulsera first admin', 0))")
            admin = await connection.fetchval(
                "SELECT user_id FROM users WHERE role = 'admin' AND disabled_at IS NULL ORDER BY created_at LIMIT 1"
            )
            if admin is None:
                admin = new_id()
                await connection.execute("INSERT INTO users (user_id, name, role) VALUES ($1, 'Admin', 'admin')", admin)
            await connection.execute(
                "INSERT INTO user_tokens (token_sha256, user_id, kind) VALUES ($1, $2, 'api') "
                "ON CONFLICT (token_sha256) DO NOTHING",
                hash_token(token),
                admin,
            )
    return admin, token


def _wearer(row: asyncpg.Record) -> Wearer:
    return Wearer(
        wearer_id=row["wearer_id"],
        name=row["name"],
        timezone=row["timezone"],
        profile=msgspec.json.decode(row["profile"]),
        created_at=row["created_at"],
    )
