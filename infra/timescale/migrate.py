"""Plain SQL migrations, forward only: applied under a lock, each in a transaction, each remembered by its checksum.

A file `NNNN_name.sql` is for every database. Where TimescaleDB does a thing differently there are two files of one
number, `NNNN_name.plain.sql` and `NNNN_name.timescaledb.sql`; which of them a database gets is decided when the first
migration finds it empty, is recorded beside the migrations, and never changes.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import asyncpg
import structlog

from infra.kafka.topics import Durability, create_topics
from infra.timescale.pool import PASSING_CLASSES, database_errors, open_pool
from infra.timescale.variant import VARIANTS, Variant, choose_variant, recorded_variant
from schemas.errors import LogMismatchError, SetupError
from schemas.topics import PARTITIONS

_LOG = structlog.get_logger(__name__)

MIGRATIONS: Final = Path(__file__).parent / "migrations"

_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+(?:\.([a-z]+))?\.sql")
_LOCK: Final = 7_305_210_471_942_001
_TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
_APPLIED: Final = "SELECT version, name, sha256 FROM schema_migrations ORDER BY version"
_RECORD: Final = "INSERT INTO system (key, value) VALUES ($1, $2) ON CONFLICT (key) DO NOTHING RETURNING true"
_LOG_IS_GONE: Final = "kafka_is_gone"
_REMEMBER: Final = "INSERT INTO schema_migrations (version, name, sha256) VALUES ($1, $2, $3)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One file of SQL; `sha256` is of its text with plain line feeds, so that a checkout's settings do not matter."""

    version: int
    name: str
    sha256: str
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """One line of the table of applied migrations."""

    version: int
    name: str
    sha256: str


class MigrationSettings(Protocol):
    """What a migration needs to know."""

    @property
    def database_url(self) -> str:
        """Where the database is."""
        ...

    @property
    def kafka_bootstrap(self) -> str:
        """Where Kafka is."""
        ...

    @property
    def kafka_replication(self) -> int:
        """How many brokers keep a copy of each record."""
        ...

    @property
    def retention_days(self) -> int:
        """How long topics keep wearers' data."""
        ...

    @property
    def durable(self) -> bool:
        """Is every record written to disk before it is confirmed?"""
        ...


async def migrate(settings: MigrationSettings, *, new_log: bool = False) -> None:
    """Bring the database to the newest schema, make the topics, and tie the two to each other.

    `new_log`: the log that this database was used with is gone for good; take the one that answers.

    Raises:
        SetupError: The database or a topic is in the way; the message carries the next step.
        LogMismatchError: The database belongs to another Kafka cluster.
        PassingError: Kafka or the database went away meanwhile; migrating again goes on where it stopped.
    """
    pool = await open_pool(settings.database_url, size=2, application_name="pulsera migrate")
    try:
        await apply_migrations(pool)
        if new_log:
            async with pool.acquire() as connection:
                await expect_new_log(connection)
        durability = Durability(
            replication=settings.kafka_replication, flush=settings.durable, retention_days=settings.retention_days
        )
        cluster_id, _ = await create_topics(settings.kafka_bootstrap, durability)
        await remember_log(pool, cluster_id=cluster_id)
    finally:
        await pool.close()


def read_migrations(folder: Path = MIGRATIONS, *, variant: Variant = "plain") -> list[Migration]:
    """Return the migrations of a folder that a database of this variant gets, in order.

    Raises:
        SetupError: A file is not named NNNN_name.sql or NNNN_name.VARIANT.sql, or the numbers do not run 1, 2, 3, ...
    """
    migrations = []
    for path in sorted(folder.glob("*.sql")):
        match = _NAME.fullmatch(path.name)
        if match is None or match[2] not in {None, *VARIANTS}:
            raise SetupError(f"{path.name} is not named NNNN_name.sql, nor NNNN_name.VARIANT.sql.")
        if match[2] not in {None, variant}:
            continue
        sql = path.read_text(encoding="utf-8")
        digest = hashlib.sha256(sql.encode()).hexdigest()
        migrations.append(Migration(version=int(match[1]), name=path.stem, sha256=digest, sql=sql))
    if [migration.version for migration in migrations] != list(range(1, len(migrations) + 1)):
        raise SetupError("The migrations are not numbered 0001, 0002, 0003, ... without a gap or a repeat.")
    return migrations


def pending(known: Sequence[Migration], applied: Sequence[Applied]) -> Sequence[Migration]:
    """Return the migrations that a database still lacks.

    Raises:
        SetupError: The database is newer than this code, or an applied file was changed since.
    """
    if len(applied) > len(known):
        raise SetupError(
            f"The database has schema {applied[-1].version} ({applied[-1].name}), this code knows {len(known)}.",
            next_step="Start the release that migrated it, or a newer one.",
        )
    for ours, theirs in zip(known, applied, strict=False):
        if (ours.version, ours.sha256) != (theirs.version, theirs.sha256):
            raise SetupError(
                f"The migration {theirs.name} was changed after it was applied to this database.",
                next_step="Put the file back and write a new migration.",
            )
    return known[len(applied) :]


async def apply_migrations(pool: asyncpg.Pool, folder: Path = MIGRATIONS, *, upto: int | None = None) -> int:
    """Bring the database to the newest schema, or to that of the number `upto`; return how many migrations that took.

    Raises:
        SetupError: The database is newer than this code, or an applied file was changed since.
        DatabaseAwayError: Try again; what was applied stays.
    """
    with database_errors():
        async with pool.acquire() as connection:
            # A killed migrate must not go on in the server and hold the lock for as long as its statement takes.
            await connection.execute("SET client_connection_check_interval = '1s'")
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK):
                _LOG.warning("another migrate is at work on this database: waiting for it")
                await connection.execute("SELECT pg_advisory_lock($1)", _LOCK, timeout=600)
            try:
                async with connection.transaction():
                    variant = await choose_variant(connection)
                    await connection.execute(_TABLE)
                todo = pending(read_migrations(folder, variant=variant), await _applied(connection))
                if upto is not None:
                    todo = [migration for migration in todo if migration.version <= upto]
                for migration in todo:
                    async with connection.transaction():
                        with _named(migration):
                            await connection.execute(migration.sql, timeout=3600)
                        await connection.execute(_REMEMBER, migration.version, migration.name, migration.sha256)
                    _LOG.info("applied a migration", name=migration.name)
            finally:
                await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK)
    return len(todo)


@contextmanager
def _named(migration: Migration) -> Iterator[None]:
    """Say of a statement that the database will never take which migration it stands in.

    Raises:
        SetupError: It fails for a reason that trying again does not change.
    """
    try:
        yield
    except asyncpg.PostgresError as error:
        state = error.sqlstate or ""
        if state[:2] in PASSING_CLASSES:
            raise
        reason = str(error).splitlines()[0]
        raise SetupError(
            f"The migration {migration.name} fails ({reason}, {state}); nothing of it was applied, what was applied "
            "before it stays.",
            next_step="Remove the cause, or start the release before this one; then run `pulsera migrate` again.",
        ) from error


async def check_schema_version(pool: asyncpg.Pool, folder: Path = MIGRATIONS) -> None:
    """Return if the database has the schema of this code, or of a release that came after; every process asks at start.

    Raises:
        SetupError: It is older, or another; the message carries the next step.
        DatabaseAwayError: Try again.
    """
    with database_errors():
        async with pool.acquire() as connection:
            if await connection.fetchval("SELECT to_regclass('schema_migrations') IS NULL"):
                raise SetupError("The database is empty.", next_step="Run `pulsera migrate`.")
            known = read_migrations(folder, variant=await recorded_variant(connection))
            applied = await _applied(connection)
    if len(applied) > len(known):
        # In an upgrade the database is migrated first, and each migration keeps the release before it running.
        _LOG.warning("the database has a newer schema than this release", schema=applied[-1].name, known=len(known))
    if todo := pending(known, applied[: len(known)]):
        raise SetupError(
            f"The database lacks {len(todo)} migrations, first {todo[0].name}.", next_step="Run `pulsera migrate`."
        )


async def remember_log(pool: asyncpg.Pool, *, cluster_id: str, partitions: int = PARTITIONS) -> None:
    """Record at the first migrate which log this database belongs to; later, check that it is still that one.

    Raises:
        LogMismatchError: Another cluster, or another number of partitions.
        DatabaseAwayError: Try again.
    """
    with database_errors():
        async with pool.acquire() as connection, connection.transaction():
            if await connection.fetchval("DELETE FROM system WHERE key = $1 RETURNING true", _LOG_IS_GONE):
                await connection.execute("UPDATE processor_state SET cluster_id = $1, next_offset = 0", cluster_id)
            is_first = await connection.fetchval(_RECORD, "partitions", str(partitions))
            await connection.fetchval(_RECORD, "kafka_cluster_id", cluster_id)
            if is_first:  # the log may hold alerts of a database that was lost
                from infra.timescale.care import raise_generation

                await raise_generation(connection)
    await check_log(pool, cluster_id=cluster_id, partitions=partitions)


async def expect_new_log(connection: asyncpg.Connection | asyncpg.pool.PoolConnectionProxy) -> None:
    """Let the next migrate tie this database to whatever log it finds, and read that from its start.

    What the families have learnt is kept; what the old log still held for them is given up.

    Raises:
        DatabaseAwayError: Nothing is changed.
    """
    with database_errors():
        async with connection.transaction():
            await connection.execute("DELETE FROM system WHERE key = 'kafka_cluster_id'")
            await connection.fetchval(_RECORD, _LOG_IS_GONE, "true")


async def check_log(pool: asyncpg.Pool, *, cluster_id: str, partitions: int = PARTITIONS) -> None:
    """Return if this database belongs to this log; every process that reads or writes the log asks at its start.

    Raises:
        LogMismatchError: Another cluster, or another number of partitions.
        SetupError: Nothing is recorded yet.
        DatabaseAwayError: Try again.
    """
    with database_errors():
        rows = await pool.fetch("SELECT key, value FROM system WHERE key IN ('kafka_cluster_id', 'partitions')")
    recorded = {row["key"]: row["value"] for row in rows}
    if len(recorded) < 2:  # noqa: PLR2004 - the two keys above
        raise SetupError("The database does not say which log it belongs to.", next_step="Run `pulsera migrate`.")
    if recorded["kafka_cluster_id"] != cluster_id:
        raise LogMismatchError(
            f"This database belongs to the Kafka cluster {recorded['kafka_cluster_id']}, the one that answers is "
            f"{cluster_id}: saved offsets mean nothing there. Point Pulsera at the cluster it was used with, or run "
            "`pulsera migrate --new-log` if that one is gone for good."
        )
    if recorded["partitions"] != str(partitions):
        raise LogMismatchError(
            f"This database was filled from topics with {recorded['partitions']} partitions, this release uses "
            f"{partitions}: wearers would change partition. Start the release that made it."
        )


async def _applied(connection: asyncpg.pool.PoolConnectionProxy) -> list[Applied]:
    rows = await connection.fetch(_APPLIED)
    return [Applied(version=row["version"], name=row["name"], sha256=row["sha256"]) for row in rows]
