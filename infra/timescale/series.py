"""Readings, scores, episodes and zones in the database: one transaction with the offsets, repeats change nothing.

As a rule all rows are new, and one COPY a table takes them in. Where one is stored already, the transaction is done
over: the rows arrive in a table that only this session sees and that every commit empties, and one INSERT a table
merges them. Losing the newest commits in a crash of the server would lose rows and offsets together, and the log still
has both, so these transactions do not wait for the disk (`synchronous_commit = off`).
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import asyncpg
import msgspec
import pyarrow as pa

from infra.timescale.chunks import Chunks
from infra.timescale.copy_stream import copy_stream
from infra.timescale.newest_days import NewestDays, News, tell
from infra.timescale.partitions import Partitions
from infra.timescale.pool import database_errors
from infra.timescale.state import move_offsets
from infra.timescale.variant import read_variant
from schemas import zones
from schemas.episodes import Episode
from schemas.errors import DatabaseAwayError
from schemas.frame import FRAME_SCHEMA, Frame
from schemas.scores import SCORE_SCHEMA
from schemas.zones import ZoneStatus
from stream_processors.families.storage import SeriesBatch
from stream_processors.operators.merge import MARKS
from stream_processors.ports import OffsetMove

_Connection = asyncpg.pool.PoolConnectionProxy
_ON_LOOP_ROWS: Final = 2_000
"""Building the stream of more rows would hold the loop for over 5 ms, so it happens in a thread."""
_PIECE_BYTES: Final = 262_144
MERGED_AFTER_A_REPEAT: Final = 100
"""So many writes merge at once after one that met a stored row: where vitals come apart or a log is read again more of
them follow, and each COPY that fails leaves dead rows."""


class SeriesTable:
    """One table that rows are copied or merged into, and its statements; names are our schemas', never from input."""

    def __init__(
        self,
        name: str,
        schema: pa.Schema,
        *,
        key: tuple[str, ...],
        merge: Callable[[pa.Field], str],
        wire: tuple[str, ...],
    ) -> None:
        """`key` names columns of the frame; `merge` gives the value of a column on conflict, from `old` and `new`.

        `wire` are columns of the wire alone, which nobody looks for later.
        """
        fields = [field for field in schema if field.name not in wire]
        rest = [field for field in fields if field.name not in key]
        self.name = name
        self.time_column = key[1]
        self.frame_columns = tuple(field.name for field in fields)
        self.columns = tuple(_stored_name(column) for column in self.frame_columns)
        self.incoming = f"incoming_{name}"
        merged = {field.name: merge(field) for field in rest}
        changing = {column: value for column, value in merged.items() if value}
        listed = ", ".join(self.columns)
        self.create = (
            f"CREATE TEMPORARY TABLE {self.incoming} ON COMMIT DELETE ROWS "  # noqa: S608  (names are our schemas')
            f"AS SELECT {listed} FROM {name} WITH NO DATA"
        )
        self.insert = (
            f"INSERT INTO {name} AS old ({listed}) SELECT {listed} FROM {self.incoming} "  # noqa: S608  (as above)
            f"ON CONFLICT ({', '.join(_stored_name(column) for column in key)}) DO UPDATE SET "
            + ", ".join(f"{column} = {value}" for column, value in changing.items())
            + " WHERE ("
            + ", ".join(f"old.{column}" for column in changing)
            + ") IS DISTINCT FROM ("
            + ", ".join(changing.values())
            + ")"
        )


def _stored_name(column: str) -> str:
    return "wearer_id" if column == "wearer" else column


def _first_value(field: pa.Field) -> str:
    """Return how a stored reading takes in another of its identity: as `merge_readings` does within a batch."""
    if field.name in MARKS:
        return f"greatest(old.{field.name}, excluded.{field.name})"
    return f"coalesce(old.{field.name}, excluded.{field.name})" if field.nullable else ""


def _last_value(field: pa.Field) -> str:
    return f"excluded.{field.name}"


READINGS: Final = SeriesTable(
    "readings",
    FRAME_SCHEMA,
    key=("wearer", "time", "stream_id"),
    merge=_first_value,
    wire=("device_number", "boot", "seq", "cell"),
)
"""The stream id holds the device, and a connection's count means nothing later. Cells would be a track of the wearer:
zones need them for as long as the topic is read, and the tables' column of old stays empty."""
SCORES: Final = SeriesTable(
    "scores", SCORE_SCHEMA, key=("wearer", "bin"), merge=_last_value, wire=("cell", "utc_offset_min")
)
"""The readings of a bin tell the offset from UTC."""

_BEGIN: Final = f"""
SELECT set_config('synchronous_commit', 'off', true),
    set_config('timescaledb.max_tuples_decompressed_per_dml_transaction', '0', true),
    to_regclass('pg_temp.{READINGS.incoming}') IS NOT NULL AS {READINGS.name},
    to_regclass('pg_temp.{SCORES.incoming}') IS NOT NULL AS {SCORES.name}
"""
"""The second one lets late readings into compressed days, however many: with its limit a fleet that comes back after a
week would be refused for ever. Without TimescaleDB it is a name that nobody reads. The rest says which tables this
session has already."""
_UPSERT_ZONE: Final = """
INSERT INTO zone_status AS old (zone_id, bin, revision, body)
VALUES ($1, to_timestamp($2::float8 / 1000), $3, $4::text::jsonb)
ON CONFLICT (zone_id, bin) DO UPDATE SET revision = excluded.revision, body = excluded.body
WHERE excluded.revision > old.revision
"""
_DROP_ZONES: Final = "DELETE FROM zone_status WHERE bin < to_timestamp($1::float8 / 1000000)"
_UPSERT_EPISODE: Final = """
INSERT INTO episodes AS old (episode_id, writer, revision, subject, wearer_id, condition, type, phase, tier, onset,
    changed, ended, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, to_timestamp($10::float8 / 1000), to_timestamp($11::float8 / 1000),
    to_timestamp($12::float8 / 1000), $13)
ON CONFLICT (episode_id, writer) DO UPDATE SET revision = excluded.revision, phase = excluded.phase,
    tier = excluded.tier, onset = excluded.onset, changed = excluded.changed, ended = excluded.ended,
    state = excluded.state
WHERE excluded.revision > old.revision
"""


@dataclass(frozen=True, slots=True)
class _Rows:
    """Rows of a table as a COPY stream of the columns that hold a value in some row."""

    table: SeriesTable
    columns: Sequence[str]
    stream: bytes


@dataclass(frozen=True, slots=True)
class _Work:
    """What one transaction does."""

    batch: SeriesBatch
    rows: Sequence[_Rows]
    moves: Sequence[OffsetMove]
    news: News | None


class TimescaleSeries:
    """The `SeriesStore` of the storage family, in TimescaleDB or plain PostgreSQL."""

    def __init__(self, pool: asyncpg.Pool, *, family: str, version: str, cluster_id: str) -> None:
        """`cluster_id` names the Kafka cluster whose offsets are moved."""
        self._pool = pool
        self._family = family
        self._version = version
        self._cluster_id = cluster_id
        self._days: Partitions | Chunks | None = None
        self._newest = NewestDays()
        self._to_merge = 0

    async def write(self, batch: SeriesBatch, moves: Sequence[OffsetMove]) -> None:
        """Store the batch and move the offsets in one transaction; what is stored already stays untouched.

        Raises:
            DatabaseAwayError: Try again with the same arguments.
            StaleOwnerError: An offset was not the expected one; nothing was written.
            ContractError: The database will never take these rows; nothing was written.
        """
        parts = [(table, rows) for table, rows in ((READINGS, batch.readings), (SCORES, batch.scores)) if rows.rows]
        streams = [await _stream(table, rows) for table, rows in parts]
        days = await self._known_days()
        for table, rows in parts:
            await days.ensure(table.name, rows.integers(table.time_column))
        work = _Work(batch, streams, moves, self._newest.news(batch.readings))
        try:
            with database_errors():
                await self._store(work)
        except Exception:
            self._newest.forget()  # a server that lost commits shows in the offsets, which are refused
            raise
        if work.news is not None:
            self._newest.remember(work.news)

    async def _store(self, work: _Work) -> None:
        """Copy rows as new ones; where one was stored already nothing was done, and they are merged."""
        if self._to_merge == 0:
            try:
                await self._transact(work, merging=False)
            except asyncpg.UniqueViolationError:
                self._to_merge = MERGED_AFTER_A_REPEAT
            else:
                return
        else:
            self._to_merge -= 1
        await self._transact(work, merging=True)

    async def _transact(self, work: _Work, *, merging: bool) -> None:
        async with self._pool.acquire() as connection, connection.transaction():
            session = await connection.fetchrow(_BEGIN)
            # First the offsets: a stale owner is turned away before it writes, and two owners cannot interleave.
            await move_offsets(
                connection, family=self._family, version=self._version, cluster_id=self._cluster_id, moves=work.moves
            )
            for rows in work.rows:
                table = rows.table
                if merging and (session is None or not session[table.name]):
                    await connection.execute(table.create)
                await self._put(connection, rows, merging=merging)
            if work.batch.episodes:
                await connection.executemany(_UPSERT_EPISODE, [_episode_row(one) for one in work.batch.episodes])
            if work.batch.zones:
                await connection.executemany(_UPSERT_ZONE, [_zone_row(one) for one in work.batch.zones])
            if work.news is not None:
                await tell(connection, work.news)

    async def _put(self, connection: _Connection, rows: _Rows, *, merging: bool) -> None:
        table = rows.table
        try:
            await connection.copy_to_table(
                table.incoming if merging else table.name,
                source=_pieces(rows.stream),
                columns=rows.columns,
                format="binary",
            )
            if merging:
                await connection.fetch(table.insert)  # fetch, unlike execute, keeps the statement planned
        except asyncpg.CheckViolationError as error:
            # The tables have no checks of their own: a partition that we made is gone (a restored database).
            (await self._known_days()).forget(table.name)
            raise DatabaseAwayError(f"A partition of {table.name} is gone; the next try makes it again.") from error

    async def upkeep(self, *, oldest_us: int, newest_us: int) -> None:
        """Make the partitions up to `newest_us`, and drop what ended before `oldest_us`.

        Raises:
            DatabaseAwayError: Try again.
        """
        for table in (READINGS, SCORES):
            await (await self._known_days()).keep(table.name, oldest_us=oldest_us, newest_us=newest_us)
        with database_errors():
            await self._pool.execute(_DROP_ZONES, float(oldest_us))

    async def _known_days(self) -> Partitions | Chunks:
        if self._days is None:
            self._days = (
                Chunks(self._pool) if await read_variant(self._pool) == "timescaledb" else Partitions(self._pool)
            )
        return self._days


async def _stream(table: SeriesTable, rows: Frame) -> _Rows:
    told = tuple(name for name in table.frame_columns if not rows.absent(name))
    columns = [_stored_name(name) for name in told]
    if rows.rows <= _ON_LOOP_ROWS:
        return _Rows(table, columns, copy_stream(rows.batch, told))
    return _Rows(table, columns, await asyncio.to_thread(copy_stream, rows.batch, told))


async def _pieces(stream: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(stream), _PIECE_BYTES):
        yield stream[start : start + _PIECE_BYTES]


def _zone_row(status: ZoneStatus) -> tuple[object, ...]:
    return status.zone_id, status.bin_ms, status.revision, zones.encode(status).decode()


def _episode_row(episode: Episode) -> tuple[object, ...]:
    return (
        episode.episode_id,
        episode.writer,
        episode.revision,
        episode.subject.key,
        episode.subject.wearer,
        episode.condition,
        episode.type,
        episode.phase,
        episode.tier,
        episode.onset_ms,
        episode.changed_ms,
        episode.ended_ms,
        msgspec.json.encode(episode).decode(),
    )
