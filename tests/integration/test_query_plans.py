"""What the API and storage ask most finds its index and touches only its days, on tables of a realistic size."""

import json
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import numpy as np
import pytest

from infra.timescale import reads, zones
from infra.timescale.migrate import apply_migrations
from infra.timescale.partitions import Partitions
from infra.timescale.pool import open_pool
from infra.timescale.series import READINGS
from infra.timescale.variant import read_variant
from tests.embedded_services import BOTH_DATABASES
from tests.made_frames import NOW_MS

pytestmark = [pytest.mark.connected, BOTH_DATABASES]

_Connection = asyncpg.pool.PoolConnectionProxy
_DAY_US = 86_400_000_000
_DAYS = 3
_NOW = "to_timestamp(1795248000)"
_NOW_AT = datetime.fromtimestamp(NOW_MS / 1_000, UTC)
_MIDNIGHT = _NOW_AT.replace(hour=0)
_WEARER = UUID(int=7)
_MADE_WEARER = "lpad(to_hex(n % 100), 32, '0')::uuid"

_FILL = f"""
INSERT INTO readings (wearer_id, time, stream_id, received, clock_offset_ms, origin, injected, backfill, heart_rate)
SELECT {_MADE_WEARER}, {_NOW} - n * interval '1.2 s', 257, {_NOW}, 0, 0, false, false, 61
FROM generate_series(0, 199999) n;

INSERT INTO scores (wearer_id, bin, bin_ms, tier, tier0, model, readings, late, backfill, received)
SELECT {_MADE_WEARER}, {_NOW} - n * interval '2.5 s', 5000, 0, false, 'none/1', 5, 0, 0, {_NOW}
FROM generate_series(0, 99999) n;

INSERT INTO episodes (episode_id, writer, revision, subject, wearer_id, condition, type, phase, tier, onset, changed,
    state)
SELECT gen_random_uuid(), 'vitals', 1, 'wearer:' || n % 100, {_MADE_WEARER}, 'spo2.low', 'physiological',
    CASE WHEN n < 200 THEN 'opened' ELSE 'ended' END, 1, {_NOW} - n * interval '1 min', {_NOW}, '{{}}'
FROM generate_series(0, 19999) n;

INSERT INTO alerts (alert_id, episode_id, revision, subject, wearer_id, kind, type, priority, condition, response,
    onset, raised, state)
SELECT gen_random_uuid(), gen_random_uuid(), 1, 'wearer:' || n % 100, {_MADE_WEARER}, 'kind' || n, 'physiological',
    'high', CASE WHEN n < 200 THEN 'active' ELSE 'cleared' END, 'unseen', {_NOW} - n * interval '1 min',
    {_NOW} - n * interval '1 min', '{{}}'
FROM generate_series(0, 19999) n;

INSERT INTO alerts (alert_id, episode_id, revision, subject, kind, type, priority, condition, response, onset, raised,
    state)
SELECT gen_random_uuid(), gen_random_uuid(), 1, 'zone:z' || n % 100, 'kind' || n, 'physiological', 'high', 'cleared',
    'unseen', {_NOW} - n * interval '1 min', {_NOW} - n * interval '1 min', '{{}}'
FROM generate_series(0, 4999) n;

INSERT INTO zones (zone_id, version, name, cells)
SELECT 'z' || n, 1, 'zone', ARRAY[n]::bigint[] FROM generate_series(0, 499) n;

INSERT INTO zone_status (zone_id, bin, revision, body)
SELECT 'z' || n % 100, {_NOW} - n / 100 * interval '5 min', n, '{{}}' FROM generate_series(0, 28799) n;
"""

_HOUR = (_NOW_AT - timedelta(hours=1), _NOW_AT)
_HOT: dict[str, tuple[str, tuple[Any, ...]]] = {
    "days of a wearer": (reads._NEWEST_DAYS, ([_WEARER],)),
    "latest of a wearer": (reads._LATEST, ([_WEARER], _MIDNIGHT, _MIDNIGHT + timedelta(days=1))),
    "readings of an hour": (reads._READINGS.format(wanted="true"), (_WEARER, *_HOUR, _HOUR[0], -1, 500)),
    "scores of an hour": (reads._SCORES, (_WEARER, *_HOUR, _HOUR[0], 500)),
    "newest scores": (reads._SCORES_NOW.format(since="bin >= $2"), ([_WEARER], _NOW_AT - timedelta(days=2))),
    "newest scores, ever": (reads._SCORES_NOW.format(since="true"), ([_WEARER],)),
    "episodes of a wearer": (reads._EPISODES, (_WEARER, *_HOUR, None, None, 50)),
    "open episodes": (reads._EPISODES_NOW, ([_WEARER],)),
    "alerts of a wearer": (reads._ALERTS, ([_WEARER], None, None, None, None, 50)),
    "active alerts of a wearer": (reads._ALERTS, ([_WEARER], "active", None, None, None, 50)),
    "active alert of a subject": ("SELECT * FROM alerts WHERE subject = $1 AND condition = 'active'", ("wearer:7",)),
    "alerts of a zone": (reads._ZONE_ALERTS, (["zone:z7"], None, None, None, None, 50)),
    "open episodes of a zone": (reads._ZONE_EPISODES_NOW, (["zone:z7"],)),
    "status of a zone": (zones._NOW, (["z7"],)),
    "newest status of a zone": (zones._STOOD, (["z7"],)),
    "history of a zone": (zones._HISTORY, ("z7", *_HOUR, None, 100)),
    "merge of the incoming": (READINGS.insert, ()),
}


@pytest.fixture
async def filled(database_url: str) -> AsyncIterator[_Connection]:
    """A connection to a database with three days of readings, scores, episodes, alerts and zones, analysed."""
    pool = await open_pool(database_url, size=2)
    try:
        await apply_migrations(pool)
        days_us = NOW_MS * 1_000 - np.arange(_DAYS + 1) * _DAY_US
        if await read_variant(pool) == "plain":
            for table in ("readings", "scores"):
                await Partitions(pool).ensure(table, days_us)
        async with pool.acquire() as connection:
            await connection.execute(_FILL)
            await connection.execute("ANALYZE readings, scores, episodes, alerts, zones, zone_status")
            yield connection
    finally:
        await pool.close()


async def test_hot_queries_use_their_index(filled: _Connection) -> None:
    """No hot query scans a table from end to end; the merge scans the incoming rows alone."""
    await filled.execute(READINGS.create)
    for name in _HOT:
        nodes = [node for node in await _plan(filled, name) if node["Node Type"] != "ModifyTable"]
        assert _touched(nodes), name
        scanned = _touched([node for node in nodes if node["Node Type"] == "Seq Scan"])
        assert scanned <= {READINGS.incoming}, name


async def test_queries_touch_only_the_days_they_need(filled: _Connection) -> None:
    """An hour and the latest plan for their day alone; the newest score plans for all days, and stops at the newest."""
    today = ("2026-11-21",)
    assert await _days(filled, _touched(await _plan(filled, "readings of an hour"))) == today
    assert await _days(filled, _touched(await _plan(filled, "scores of an hour"))) == today
    assert await _days(filled, _touched(await _plan(filled, "latest of a wearer"))) == today
    newest = await _plan(filled, "newest scores, ever", options="ANALYZE, TIMING OFF")
    assert await _days(filled, _touched([node for node in newest if node["Actual Loops"] > 0])) == today


def _touched(nodes: Sequence[dict[str, Any]]) -> set[str]:
    return {node["Relation Name"] for node in nodes if "Relation Name" in node}


async def _days(connection: _Connection, tables: set[str]) -> tuple[str, ...]:
    """Return the days of these partitions or chunks."""
    if not any("chunk" in table for table in tables):
        return tuple(sorted(table[-10:].replace("_", "-") for table in tables))
    rows = await connection.fetch(
        "SELECT to_char(range_start AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day FROM timescaledb_information.chunks "
        "WHERE chunk_name = ANY($1::text[]) ORDER BY 1",
        sorted(tables),
    )
    return tuple(row["day"] for row in rows)


async def _plan(connection: _Connection, name: str, *, options: str = "COSTS ON") -> list[dict[str, Any]]:
    """Return the nodes of a hot query's plan, a flat list."""
    query, values = _HOT[name]
    text = await connection.fetchval(f"EXPLAIN (FORMAT JSON, {options}) {query}", *values)
    waiting, nodes = [json.loads(text)[0]["Plan"]], []
    while waiting:
        node = waiting.pop()
        waiting.extend(node.pop("Plans", []))
        nodes.append(node)
    return nodes
