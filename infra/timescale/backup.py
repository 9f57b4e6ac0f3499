"""A database as streams of rows and back, by COPY: it needs no program of PostgreSQL's, and any server does.

Rows of one snapshot are read, table by table and day by day. They are written into a new database that the migrations
have made, so that a copy may move between PostgreSQL's own partitions and TimescaleDB's hypertables.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import BinaryIO, Final
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import numpy as np

from infra.timescale.care import raise_generation
from infra.timescale.migrate import apply_migrations, expect_new_log
from infra.timescale.newest_days import count_again
from infra.timescale.partitions import Partitions
from infra.timescale.pool import database_errors
from infra.timescale.variant import Variant, recorded_variant
from schemas.errors import SetupError

DAILY: Final = {"readings": "time", "scores": "bin"}
"""Tables that are cut into days, and the time that decides."""
_OURS_BY_MIGRATION: Final = frozenset({"schema_migrations", "schema_variant", "newest_days"})
"""The last one follows from the readings: it is counted again once they are back."""
_VARIANTS_BEGIN: Final = 4
"""This migration makes hypertables in the place of tables that it takes for empty: rows are written after it."""
_SKIPPED_NUMBERS: Final = 100_000
"""Devices that were made after the copy have numbers that the log knows: new ones begin beyond them."""
_DAY: Final = timedelta(days=1)

_TABLES: Final = """
SELECT relation.relname AS name,
    ARRAY(
        SELECT attname::text FROM pg_attribute
        WHERE attrelid = relation.oid AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
    ) AS columns,
    ARRAY(
        SELECT DISTINCT parent.relname::text FROM pg_constraint JOIN pg_class parent ON parent.oid = confrelid
        WHERE conrelid = relation.oid AND contype = 'f' AND confrelid <> conrelid
    ) AS parents
FROM pg_class relation
WHERE relation.relnamespace = 'public'::regnamespace AND relation.relkind IN ('r', 'p') AND NOT relation.relispartition
    AND NOT EXISTS (SELECT FROM pg_depend WHERE objid = relation.oid AND deptype = 'e')
ORDER BY relation.relname
"""
_LEAVES: Final = """
SELECT child.relname AS name FROM pg_inherits JOIN pg_class child ON child.oid = inhrelid
WHERE inhparent = $1::text::regclass ORDER BY child.relname
"""
_CHUNKS: Final = """
SELECT range_start, range_end FROM timescaledb_information.chunks WHERE hypertable_name = $1 ORDER BY range_start
"""
_SEQUENCES: Final = "SELECT sequencename AS name, last_value FROM pg_sequences WHERE schemaname = 'public'"
_DISCONNECT: Final = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1 AND backend_type = 'client backend'
"""
_DISCONNECT_EVERY_S: Final = 0.1
_OFFSETS: Final = "SELECT family, topic, partition, next_offset FROM processor_state ORDER BY family, topic, partition"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Rows of one table, of one day of it where it is cut into days."""

    table: str
    columns: tuple[str, ...]
    day: str | None = None

    @property
    def name(self) -> str:
        """What its file is called."""
        return self.table if self.day is None else f"{self.table}.{self.day}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a snapshot holds beside its rows."""

    taken_at: str
    variant: Variant
    schema: int
    cluster_id: str | None
    pieces: tuple[Piece, ...]
    offsets: tuple[tuple[str, str, int, int], ...]


class Snapshot:
    """One moment of a database, for as long as its transaction lasts."""

    def __init__(self, connection: asyncpg.Connection, contents: Contents) -> None:
        self._connection = connection
        self.contents = contents

    async def copy(self, piece: Piece, sink: BinaryIO) -> int:
        """Write the rows of a piece in PostgreSQL's binary form; return how many.

        Raises:
            SetupError: The sink takes no more.
            DatabaseAwayError: The copy is worth nothing; begin again.
        """
        columns = ", ".join(_quoted(column) for column in piece.columns)
        query = f"SELECT {columns} FROM {_quoted(piece.table)}"  # noqa: S608 - names of the catalogue, quoted
        if piece.day is not None:
            begin = date.fromisoformat(piece.day)
            at = _quoted(DAILY[piece.table])
            query += f" WHERE {at} >= '{begin} 00:00Z' AND {at} < '{begin + _DAY} 00:00Z'"
        failed: list[OSError] = []

        async def take(data: bytes) -> None:
            try:
                if not failed:
                    sink.write(data)
            except OSError as error:
                failed.append(error)  # raised from here, the driver would wait for the end of the copy for ever

        with database_errors():
            done = await self._connection.copy_from_query(query, output=take, format="binary")
        if failed:
            raise SetupError(
                f"The backup cannot be written: {failed[0].strerror or failed[0]}.", next_step="Is the disk full?"
            ) from failed[0]
        return int(done.rsplit(" ", 1)[-1])

    async def sequences(self) -> dict[str, int]:
        """Return the last number of each sequence; asked for last, it is at least that of every row copied."""
        with database_errors():
            rows = await self._connection.fetch(_SEQUENCES)
        return {row["name"]: row["last_value"] for row in rows if row["last_value"] is not None}


@asynccontextmanager
async def snapshot(url: str) -> AsyncIterator[Snapshot]:
    """Give one moment of the database, which may go on working.

    Raises:
        SetupError: There is no Pulsera in it, or it has partitions that are not ours.
        DatabaseAwayError: It does not answer.
    """
    with database_errors():
        connection = await asyncpg.connect(url, server_settings={"application_name": "pulsera backup"})
    try:
        with database_errors():
            if await connection.fetchval("SELECT to_regclass('schema_migrations') IS NULL"):
                raise SetupError("The database is empty: there is nothing to back up.")
            tables = await connection.fetch(_TABLES)
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            with database_errors():
                # Nobody may drop a day or change a table while it is read: the locks come before the snapshot.
                names = ", ".join(_quoted(row["name"]) for row in tables)
                await connection.execute(f"LOCK TABLE {names} IN ACCESS SHARE MODE")
                contents = await _contents(connection, tables)
            yield Snapshot(connection, contents)
    finally:
        await connection.close()


async def _contents(connection: asyncpg.Connection, tables: Sequence[asyncpg.Record]) -> Contents:
    variant = await recorded_variant(connection)
    pieces: list[Piece] = []
    for row in in_order(tables):
        columns = tuple(row["columns"])
        if row["name"] in DAILY:
            days = await _days(connection, row["name"], variant)
            pieces += [Piece(table=row["name"], columns=columns, day=day) for day in days]
        elif row["name"] not in _OURS_BY_MIGRATION:
            pieces.append(Piece(table=row["name"], columns=columns))
    offsets = await connection.fetch(_OFFSETS)
    return Contents(
        taken_at=(await connection.fetchval("SELECT now()")).astimezone(UTC).isoformat(timespec="seconds"),
        variant=variant,
        schema=await connection.fetchval("SELECT max(version) FROM schema_migrations"),
        cluster_id=await connection.fetchval("SELECT value FROM system WHERE key = 'kafka_cluster_id'"),
        pieces=tuple(pieces),
        offsets=tuple((row["family"], row["topic"], row["partition"], row["next_offset"]) for row in offsets),
    )


def in_order(tables: Sequence[asyncpg.Record]) -> list[asyncpg.Record]:
    """Return the tables so that each comes after those that its rows point to."""
    waiting = {row["name"]: row for row in tables}
    ordered: list[asyncpg.Record] = []
    while waiting:
        ready = [name for name, row in waiting.items() if not set(row["parents"]) & set(waiting)]
        if not ready:
            raise SetupError(f"The tables {', '.join(waiting)} point to one another in a circle.")
        ordered += [waiting.pop(name) for name in ready]
    return ordered


async def _days(connection: asyncpg.Connection, table: str, variant: Variant) -> list[str]:
    if variant == "timescaledb":
        ranges = await connection.fetch(_CHUNKS, table)
        days: set[str] = set()
        for row in ranges:
            day = row["range_start"].astimezone(UTC).date()
            while datetime(day.year, day.month, day.day, tzinfo=UTC) < row["range_end"]:
                days.add(day.isoformat())
                day += _DAY
        return sorted(days)
    found = []
    for row in await connection.fetch(_LEAVES, table):
        try:
            day = datetime.strptime(row["name"], f"{table}_%Y_%m_%d").replace(tzinfo=UTC)
        except ValueError as error:
            raise SetupError(
                f"The partition {row['name']} is not one that Pulsera makes: its rows would be left out.",
                next_step="Detach it, or name it as the others.",
            ) from error
        found.append(day.date().isoformat())
    return found


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


Rows = Callable[[Piece], BinaryIO]
"""Opens the rows of a piece, as `Snapshot.copy` wrote them."""
Told = Callable[[Piece, int], None]
"""Is told of each piece that is back, with its rows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copy:
    """What is put back: its contents, its sequences, its rows; `new_log`: the log that it belongs to is gone."""

    contents: Contents
    sequences: dict[str, int]
    rows: Rows
    new_log: bool


async def holds_something(url: str) -> bool:
    """Return whether the database exists and has tables.

    Raises:
        DatabaseAwayError: The server does not answer.
    """
    with database_errors():
        try:
            connection = await asyncpg.connect(url)
        except asyncpg.InvalidCatalogNameError:
            return False
        try:
            return bool(
                await connection.fetchval(
                    "SELECT EXISTS (SELECT FROM pg_tables WHERE schemaname = 'public' "
                    "AND tablename <> 'spatial_ref_sys')"
                )
            )
        finally:
            await connection.close()


async def put_back(url: str, copy: Copy, *, told: Told) -> int:
    """Make a new database of the copy and let it take the place of the one at `url`; return alerts' new generation.

    Until the last step the old one stays as it is; a step that fails leaves it so.

    Raises:
        SetupError: This user may not make databases.
        DatabaseAwayError: The server went away; begin again.
    """
    name = urlsplit(url).path.lstrip("/")
    aside = f"{name}_restoring"
    server = _with_database(url, "postgres")
    with database_errors():
        keeper = await asyncpg.connect(server)
        try:
            await _make(keeper, aside)
            try:
                generation = await _fill(_with_database(url, aside), copy, told)
                await _swap(keeper, server, aside=aside, name=name)
            except BaseException:
                await keeper.execute(f"DROP DATABASE IF EXISTS {_quoted(aside)} WITH (FORCE)")
                raise
        finally:
            await keeper.close()
    return generation


def _with_database(url: str, database: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


async def _make(keeper: asyncpg.Connection, name: str) -> None:
    try:
        await keeper.execute(f"DROP DATABASE IF EXISTS {_quoted(name)} WITH (FORCE)")
        await keeper.execute(f"CREATE DATABASE {_quoted(name)}")
    except asyncpg.InsufficientPrivilegeError as error:
        raise SetupError(
            "This database user may not make databases, which a restore does.",
            next_step="Let an administrator run ALTER ROLE ... CREATEDB, or restore as one who may.",
        ) from error


async def _swap(keeper: asyncpg.Connection, url: str, *, aside: str, name: str) -> None:
    """Give the new database the old one's name, both in one transaction: at no moment is there neither of them."""
    replaced = f"{name}_replaced"
    await keeper.execute(f"DROP DATABASE IF EXISTS {_quoted(replaced)} WITH (FORCE)")
    cutter = await asyncpg.connect(url)
    try:
        async with keeper.transaction():
            if await keeper.fetchval("SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", name):
                await _rename(keeper, cutter, name, replaced)
            await _rename(keeper, cutter, aside, name)
    finally:
        await cutter.close()
    await keeper.execute(f"DROP DATABASE IF EXISTS {_quoted(replaced)} WITH (FORCE)")


async def _rename(keeper: asyncpg.Connection, cutter: asyncpg.Connection, old: str, new: str) -> None:
    """Rename a database whoever uses it: while the server waits for sessions to end no new ones begin, so cut them."""
    renaming = asyncio.create_task(keeper.execute(f"ALTER DATABASE {_quoted(old)} RENAME TO {_quoted(new)}"))
    try:
        while not renaming.done():
            await cutter.execute(_DISCONNECT, old)
            await asyncio.wait({renaming}, timeout=_DISCONNECT_EVERY_S)
        await renaming
    finally:
        renaming.cancel()
        await asyncio.wait({renaming})


async def _fill(url: str, copy: Copy, told: Told) -> int:
    pool = await asyncpg.create_pool(url, min_size=1, max_size=2, command_timeout=None)
    try:
        await apply_migrations(pool, upto=max(copy.contents.schema, _VARIANTS_BEGIN))
        async with pool.acquire() as connection:
            await _load(connection, pool, copy, told)
            for sequence, last in copy.sequences.items():
                beyond = last + (_SKIPPED_NUMBERS if sequence.startswith("devices_") else 0)
                await connection.execute("SELECT setval($1::text::regclass, $2)", _quoted(sequence), beyond)
        await apply_migrations(pool)
        async with pool.acquire() as connection:
            await count_again(connection)
            if copy.new_log:
                await expect_new_log(connection)
            generation = await raise_generation(connection)
            await connection.execute("ANALYZE")
        return generation
    finally:
        await pool.close()


async def _load(connection: asyncpg.pool.PoolConnectionProxy, pool: asyncpg.Pool, copy: Copy, told: Told) -> None:
    """Empty what the migrations put into tables, then write the rows, those that others point to first."""
    ensure = await _days_maker(connection, pool)
    for table in reversed(list(dict.fromkeys(piece.table for piece in copy.contents.pieces))):
        if await connection.fetchval(f"SELECT EXISTS (SELECT FROM {_quoted(table)})"):  # noqa: S608 - as above
            await connection.execute(f"DELETE FROM {_quoted(table)}")  # noqa: S608 - as above
    for piece in copy.contents.pieces:
        if piece.day is not None:
            await ensure(piece)
        with copy.rows(piece) as source:
            done = await connection.copy_to_table(
                piece.table, source=source, columns=list(piece.columns), format="binary"
            )
        told(piece, int(done.rsplit(" ", 1)[-1]))


async def _days_maker(
    connection: asyncpg.pool.PoolConnectionProxy, pool: asyncpg.Pool
) -> Callable[[Piece], Awaitable[None]]:
    plain = await recorded_variant(connection) == "plain"
    partitions = Partitions(pool)

    async def ensure(piece: Piece) -> None:
        if plain and piece.day is not None:
            noon = datetime.fromisoformat(f"{piece.day}T12:00:00+00:00")
            await partitions.ensure(piece.table, np.array([int(noon.timestamp() * 1_000_000)], dtype=np.int64))

    return ensure
