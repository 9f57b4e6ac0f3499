"""Which of two schemas a database has: hypertables of TimescaleDB, or PostgreSQL's own partitions and views."""

from typing import Final, Literal, get_args

import asyncpg
import structlog

from infra.timescale.pool import database_errors
from schemas.errors import SetupError

_LOG = structlog.get_logger(__name__)

Variant = Literal["plain", "timescaledb"]
VARIANTS: Final[tuple[Variant, ...]] = get_args(Variant)

_Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

_TABLE: Final = """
CREATE TABLE schema_variant (
    singleton boolean PRIMARY KEY DEFAULT true CHECK (singleton),
    variant text NOT NULL CHECK (variant IN ('plain', 'timescaledb'))
)
"""
_OFFERED: Final = """
SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb')
    AND current_setting('timescaledb.max_background_workers', true) IS NOT NULL
"""
"""The extension's files are there, and the server has loaded its library at the start: only then can it be made."""


async def recorded_variant(connection: _Connection) -> Variant:
    """Return the variant that the first migration recorded; a database from before there were two is plain.

    Raises:
        asyncpg.PostgresError: And whatever else the driver raises.
    """
    if await connection.fetchval("SELECT to_regclass('schema_variant') IS NULL"):
        return "plain"
    variant: Variant = await connection.fetchval("SELECT variant FROM schema_variant")
    return variant


async def read_variant(pool: asyncpg.Pool) -> Variant:
    """Return the variant of a migrated database.

    Raises:
        DatabaseAwayError: Try again.
    """
    with database_errors():
        async with pool.acquire() as connection:
            return await recorded_variant(connection)


async def choose_variant(connection: _Connection) -> Variant:
    """Return the recorded variant; in an empty database choose one by what the server offers, and record it.

    The caller holds the lock of migrations and a transaction, so that the choice and the first table appear together.

    Raises:
        SetupError: The server offers TimescaleDB, but this user may not make the extension.
    """
    if not await connection.fetchval("SELECT to_regclass('schema_migrations') IS NULL"):
        return await recorded_variant(connection)
    variant: Variant = "timescaledb" if await _makes_extension(connection) else "plain"
    await connection.execute(_TABLE)
    await connection.execute("INSERT INTO schema_variant (variant) VALUES ($1)", variant)
    _LOG.info("chose the schema of this database", variant=variant)
    return variant


async def _makes_extension(connection: _Connection) -> bool:
    if not await connection.fetchval(_OFFERED):
        return False
    try:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
    except asyncpg.InsufficientPrivilegeError as error:
        raise SetupError(
            "The server offers TimescaleDB, but this user may not make its extension.",
            next_step="Let an administrator run CREATE EXTENSION timescaledb in this database, then migrate again.",
        ) from error
    # Builds under the Apache licence alone can neither compress nor keep aggregates up to date.
    if await connection.fetchval("SELECT current_setting('timescaledb.license', true)") == "timescale":
        return True
    _LOG.warning("this TimescaleDB lacks its Timescale-licensed features: using PostgreSQL's own partitions")
    return False
