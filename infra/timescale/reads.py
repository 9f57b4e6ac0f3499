"""What the API reads: rows that storage and care wrote, and how far storage has come in the log.

Values are parameters; names of columns come from the registry of vitals and from this module, never from a request.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any, Final, TypeVar
from uuid import UUID

import asyncpg
import msgspec

from api.points import TooManyReadingsError
from api.records import AlertQuery, Latest, Point, Position, Positions, Reading, Score, Span
from infra.timescale.points import points_query, read_point
from infra.timescale.pool import database_errors
from infra.timescale.variant import Variant, read_variant
from schemas.alerts import Alert
from schemas.episodes import Episode, Subject
from schemas.scores import RATES
from schemas.topics import EPISODES, READINGS, SCORES
from schemas.vitals import NAMES

_FAMILY: Final = "storage"
_ON_LOOP_ROWS: Final = 200
"""Reading more rows would hold the loop for over 5 ms, so it happens in a thread."""
_NEWEST: Final = 600
"""Among so many newest readings of a wearer the newest value of each vital is looked for."""
_LOOK_BACK: Final = timedelta(days=2)
"""How far back newest scores are looked for at first: a query that may go back to the first day plans for every day
that is stored, which takes longer than to run it."""
_DAY: Final = timedelta(days=1)

_READING: Final = (
    "wearer_id, time, received, stream_id, quality, worn, origin, injected, backfill, hrv_window_s, ibi, "
    + ", ".join(NAMES)
)
_SCORE: Final = (
    "wearer_id, bin, bin_ms, score, tier, tier0, worn, at_rest, motion, model, readings, late, backfill, received, "
    + ", ".join(RATES)
    + ", "
    + ", ".join(f"{prefix}_{name}" for prefix in ("value", "z", "expected") for name in NAMES)
)
_BY_TIME: Final = "ORDER BY time DESC, stream_id DESC LIMIT 1"
_NEWEST_DAYS: Final = f"SELECT wearer_id, reading, {', '.join(NAMES)} FROM newest_days WHERE wearer_id = ANY($1)"  # noqa: S608 - names of the registry
_LATEST: Final = f"""
SELECT newest.* FROM unnest($1::uuid[]) AS asked(id) CROSS JOIN LATERAL (
    WITH recent AS MATERIALIZED (
        SELECT {_READING} FROM readings WHERE wearer_id = asked.id AND time >= $2 AND time < $3
        ORDER BY time DESC, stream_id DESC LIMIT {_NEWEST}
    )
    SELECT recent.*, (SELECT count(*) FROM recent) AS among FROM recent WHERE (time, stream_id) IN (
        (SELECT time, stream_id FROM recent {_BY_TIME})
        {" ".join(f"UNION (SELECT time, stream_id FROM recent WHERE {name} IS NOT NULL {_BY_TIME})" for name in NAMES)}
    )
) AS newest ORDER BY time DESC, stream_id DESC
"""  # noqa: S608 - names of the registry
_READINGS: Final = f"""
SELECT {_READING} FROM readings
WHERE wearer_id = $1 AND time >= $2 AND time < $3 AND (time, stream_id) > ($4, $5) AND ({{wanted}})
ORDER BY time, stream_id LIMIT $6
"""  # noqa: S608 - names of the registry
_SCORES: Final = f"""
SELECT {_SCORE} FROM scores WHERE wearer_id = $1 AND bin >= $2 AND bin < $3 AND bin > $4 ORDER BY bin LIMIT $5
"""  # noqa: S608 - names of the registry
_SCORES_NOW: Final = f"""
SELECT newest.* FROM unnest($1::uuid[]) AS asked(id) CROSS JOIN LATERAL (
    SELECT {_SCORE} FROM scores WHERE wearer_id = asked.id AND {{since}} ORDER BY bin DESC LIMIT 1
) AS newest
"""  # noqa: S608 - names of the registry
_NOT_OUTDATED: Final = """
NOT EXISTS (
    SELECT 1 FROM episodes AS newer WHERE newer.episode_id = episodes.episode_id
    AND (newer.changed, newer.revision, newer.writer) > (episodes.changed, episodes.revision, episodes.writer)
)
"""
_EPISODES: Final = f"""
SELECT state::text AS state FROM episodes
WHERE wearer_id = $1 AND onset >= $2 AND onset < $3
    AND ($4::timestamptz IS NULL OR onset < $4 OR (onset = $4 AND episode_id > $5)) AND {_NOT_OUTDATED}
ORDER BY onset DESC, episode_id LIMIT $6
"""  # noqa: S608 - a constant
_EPISODES_NOW: Final = f"""
SELECT state::text AS state FROM episodes
WHERE wearer_id = ANY($1::uuid[]) AND phase <> 'ended' AND {_NOT_OUTDATED} ORDER BY onset DESC, episode_id
"""  # noqa: S608 - a constant
_ALERTS: Final = """
SELECT state::text AS state FROM alerts
WHERE wearer_id = ANY($1::uuid[]) AND ($2::text IS NULL OR condition = $2)
    AND ($3::text[] IS NULL OR response = ANY($3))
    AND ($4::timestamptz IS NULL OR raised < $4 OR (raised = $4 AND alert_id > $5))
ORDER BY raised DESC, alert_id LIMIT $6
"""
_ZONE_ALERTS: Final = _ALERTS.replace("wearer_id = ANY($1::uuid[])", "wearer_id IS NULL AND subject = ANY($1::text[])")
_ZONE_EPISODES_NOW: Final = _EPISODES_NOW.replace(
    "wearer_id = ANY($1::uuid[])", "wearer_id IS NULL AND subject = ANY($1::text[])"
)
_POSITIONS: Final = "SELECT partition, next_offset, clock_ms FROM processor_state WHERE family = $1 AND topic = $2"

_T = TypeVar("_T")
_Connection = asyncpg.pool.PoolConnectionProxy
_Asking = Callable[[_Connection], Awaitable[Sequence[asyncpg.Record]]]
_alert = msgspec.json.Decoder(Alert).decode
_episode = msgspec.json.Decoder(Episode).decode


class StoredData:
    """The API's `Reads`."""

    def __init__(
        self, pool: asyncpg.Pool, device_of: Callable[[int], UUID | None], clock: Callable[[], datetime]
    ) -> None:
        """`device_of` gives the id of a device by its number; `clock` says about when the newest readings are."""
        self._pool = pool
        self._device_of = device_of
        self._clock = clock
        self._variant: Variant | None = None

    async def latest(self, wearer: UUID) -> Latest | None:
        """Return what was measured last, None before the first reading."""
        with database_errors():
            async with self._pool.acquire() as connection:
                rows = await _ask_latest(connection, [wearer])
        found = self._latest(rows)
        return found[0] if found else None

    async def readings(self, wearer: UUID, span: Span, vitals: Sequence[str]) -> Sequence[Reading]:
        """Return readings that hold one of `vitals`, oldest first."""
        names = [name for name in NAMES if name in vitals]
        query = _READINGS.format(wanted=" OR ".join(f"{name} IS NOT NULL" for name in names))
        if len(names) == len(NAMES):
            query = _READINGS.format(wanted="true")
        after = span.after or (span.start, -1)
        with database_errors():
            rows = await self._pool.fetch(query, wearer, span.start, span.end, *after, span.limit)
        return await _made(rows, lambda row: self._reading(row, names))

    async def points(self, wearer: UUID, span: Span, vitals: Sequence[str], step: timedelta) -> Sequence[Point]:
        """Return what the readings of each step of the span come to, oldest first."""
        if self._variant is None:
            self._variant = await read_variant(self._pool)
        query, grain = points_query(vitals, step, sums_kept=self._variant == "timescaledb")
        more = () if grain is None else (grain, span.limit + 1)
        with database_errors():
            rows = await self._pool.fetch(query, wearer, span.start, span.end, step, *more)
        if grain is not None and sum(row["readings"] for row in rows) > span.limit:
            raise TooManyReadingsError(span.limit, sums_kept=self._variant == "timescaledb")
        return [point for point in await _made(rows, lambda row: read_point(row, vitals, step)) if point.vitals]

    async def scores(self, wearer: UUID, span: Span) -> Sequence[Score]:
        """Return scored bins, oldest first."""
        after = span.after[0] if span.after else None
        with database_errors():
            if after is None:
                query = _SCORES.replace(" AND bin > $4", " AND $4::timestamptz IS NULL")
                rows = await self._pool.fetch(query, wearer, span.start, span.end, None, span.limit)
            else:
                rows = await self._pool.fetch(_SCORES, wearer, span.start, span.end, after, span.limit)
        return await _made(rows, _score)

    async def episodes(self, wearer: UUID, span: Span) -> Sequence[Episode]:
        """Return episodes by onset, newest first."""
        after = span.after or (None, None)
        with database_errors():
            rows = await self._pool.fetch(_EPISODES, wearer, span.start, span.end, *after, span.limit)
        return [_episode(row["state"]) for row in rows]

    async def alerts(self, query: AlertQuery) -> Sequence[Alert]:
        """Return alerts, newest first."""
        responses = None if query.responses is None else list(query.responses)
        wanted = (query.condition, responses, *(query.after or (None, None)), query.limit)
        with database_errors():
            # Two statements: each finds the index that holds its subjects in order of time.
            rows = await self._pool.fetch(_ALERTS, list(query.wearers), *wanted) if query.wearers else []
            if query.zones:
                rows = rows + await self._pool.fetch(_ZONE_ALERTS, _zone_keys(query.zones), *wanted)
        found = [_alert(row["state"]) for row in rows]
        if query.wearers and query.zones:
            found.sort(key=lambda one: (-one.raised_ms, one.alert_id))
        return found[: query.limit]

    async def alert(self, alert: UUID) -> Alert | None:
        """Return one alert."""
        with database_errors():
            state = await self._pool.fetchval("SELECT state::text FROM alerts WHERE alert_id = $1", alert)
        return None if state is None else _alert(state)

    async def readings_now(self, wearers: Collection[UUID]) -> tuple[Sequence[Latest], Positions]:
        """Return what was measured last by each wearer, and storage's offsets at that moment."""
        rows, positions = await self._snapshot(partial(_ask_latest, wearers=list(wearers)), READINGS.name)
        if len(rows) <= _ON_LOOP_ROWS:
            return self._latest(rows), positions
        return await asyncio.to_thread(self._latest, rows), positions

    async def scores_now(self, wearers: Collection[UUID]) -> tuple[Sequence[Score], Positions]:
        """Return the newest score of each wearer, and storage's offsets at that moment."""
        rows, positions = await self._snapshot(partial(self._ask_scores, wearers=list(wearers)), SCORES.name)
        return await _made(rows, _score), positions

    async def episodes_now(
        self, wearers: Collection[UUID], zones: Collection[str] = ()
    ) -> tuple[Sequence[Episode], Positions]:
        """Return the open episodes of the wearers and of the zones, and storage's offsets at that moment."""

        async def ask(connection: _Connection) -> Sequence[asyncpg.Record]:
            rows: list[asyncpg.Record] = await connection.fetch(_EPISODES_NOW, list(wearers)) if wearers else []
            return rows + await connection.fetch(_ZONE_EPISODES_NOW, _zone_keys(zones)) if zones else rows

        rows, positions = await self._snapshot(ask, EPISODES.name)
        return [_episode(row["state"]) for row in rows], positions

    async def positions(self, family: str, topic: str) -> Positions:
        """Return how far a family has come in a topic."""
        with database_errors():
            return _positions(await self._pool.fetch(_POSITIONS, family, topic))

    async def _snapshot(self, ask: _Asking, topic: str) -> tuple[Sequence[asyncpg.Record], Positions]:
        with database_errors():
            async with (
                self._pool.acquire() as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                rows = await ask(connection)
                return rows, await stored_positions(connection, topic)

    async def _ask_scores(self, connection: _Connection, wearers: Sequence[UUID]) -> Sequence[asyncpg.Record]:
        """Return wearers' newest scores: of the newest days, of others from however long ago."""
        since = self._clock() - _LOOK_BACK
        found: list[asyncpg.Record] = await connection.fetch(_SCORES_NOW.format(since="bin >= $2"), wearers, since)
        done = {row["wearer_id"] for row in found}
        left = [wearer for wearer in wearers if wearer not in done]
        # Without an argument for the time the plan is the same for everybody, and is kept.
        return found + await connection.fetch(_SCORES_NOW.format(since="true"), left) if left else found

    def _latest(self, rows: Sequence[asyncpg.Record]) -> list[Latest]:
        by_wearer: dict[UUID, list[Reading]] = {}
        for row in rows:
            by_wearer.setdefault(row["wearer_id"], []).append(self._reading(row, NAMES))
        return [Latest(reading=found[0], vitals=_newest(found)) for found in by_wearer.values()]

    def _reading(self, row: asyncpg.Record, names: Sequence[str]) -> Reading:
        return Reading(
            wearer=row["wearer_id"],
            time=row["time"],
            received=row["received"],
            stream_id=row["stream_id"],
            device_id=self._device_of(row["stream_id"] // 256),
            quality=_rounded(row["quality"]),
            worn=row["worn"],
            origin=row["origin"],
            injected=row["injected"],
            backfill=row["backfill"],
            vitals=_present(row, "", names),
            hrv_window_s=_rounded(row["hrv_window_s"]),
            ibi=None if row["ibi"] is None else [round(interval, 2) for interval in row["ibi"]],
        )


async def stored_positions(connection: _Connection, topic: str) -> Positions:
    """Return storage's offsets of a topic, in the caller's transaction."""
    return _positions(await connection.fetch(_POSITIONS, _FAMILY, topic))


async def _ask_latest(connection: _Connection, wearers: Sequence[UUID]) -> Sequence[asyncpg.Record]:
    """Return the readings that hold wearers' newest values, newest first, from the days that are known to hold them."""
    asked: dict[date, set[UUID]] = {}
    for wearer, *days in await connection.fetch(_NEWEST_DAYS, wearers):
        for day in filter(None, days):
            asked.setdefault(day, set()).add(wearer)
    rows: list[asyncpg.Record] = []
    looked_through: Counter[UUID] = Counter()
    for day in sorted(asked, reverse=True):
        left = [wearer for wearer in asked[day] if looked_through[wearer] < _NEWEST]
        if left:
            midnight = datetime.combine(day, time(), UTC)
            found = await connection.fetch(_LATEST, left, midnight, midnight + _DAY)
            looked_through.update({row["wearer_id"]: row["among"] for row in found})
            rows += found
    return rows


def _zone_keys(zones: Collection[str]) -> list[str]:
    return [Subject(zone=zone).key for zone in sorted(zones)]


async def _made(rows: Sequence[asyncpg.Record], make: Callable[[asyncpg.Record], _T]) -> list[_T]:
    def made() -> list[_T]:
        return [make(row) for row in rows]

    return made() if len(rows) <= _ON_LOOP_ROWS else await asyncio.to_thread(made)


def _newest(found: Sequence[Reading]) -> Mapping[str, Reading]:
    newest: dict[str, Reading] = {}
    for name in NAMES:
        holds = next((reading for reading in found if name in reading.vitals), None)
        if holds is not None:
            newest[name] = holds
    return newest


def _present(row: asyncpg.Record, prefix: str, names: Sequence[str] = NAMES) -> dict[str, float]:
    values = ((name, row[prefix + name]) for name in names)
    return {name: round(value, 4) for name, value in values if value is not None}


def _rounded(value: float | None) -> float | None:
    """Return what was sent: a column of 32 bits keeps 0.9 as 0.8999999761581421."""
    return None if value is None else round(value, 4)


def _score(row: asyncpg.Record) -> Score:
    plain: dict[str, Any] = {
        name: row[name]
        for name in ("bin", "bin_ms", "tier", "tier0", "worn", "at_rest", "model", "readings", "late", "backfill",
                     "received")
    }  # fmt: skip
    plain.update({name: _rounded(row[name]) for name in RATES})
    return Score(
        wearer=row["wearer_id"],
        score=_rounded(row["score"]),
        motion=_rounded(row["motion"]),
        values=_present(row, "value_"),
        z=_present(row, "z_"),
        expected=_present(row, "expected_"),
        **plain,
    )


def _positions(rows: Sequence[asyncpg.Record]) -> Positions:
    return {row["partition"]: Position(next_offset=row["next_offset"], clock_ms=row["clock_ms"]) for row in rows}
