"""The hot queries use their index and touch only the days they ask for, on tables of a realistic size."""

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from infra.timescale.migrate import apply_migrations
from infra.timescale.partitions import Partitions
from infra.timescale.pool import open_pool
from infra.timescale.series import READINGS
from tests.made_frames import NOW_MS

pytestmark = pytest.mark.connected

_Connection = asyncpg.pool.PoolConnectionProxy
_DAY_US = 86_400_000_000
_DAYS = 3
_NOW = "to_timestamp(1795248000)"
_WEARER = "'00000000-0000-0000-0000-000000000007'"
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
SELECT gen_random_uuid(), 'vitals', 1, 'wearer:' || n % 100, {_MADE_WEARER}, 'spo2.low', 'physiological', 'opened', 1,
    {_NOW} - n * interval '1 min', {_NOW}, '{{}}'
FROM generate_series(0, 19999) n;

INSERT INTO alerts (alert_id, episode_id, revision, subject, wearer_id, kind, type, priority, condition, response,
    onset, raised, state)
SELECT gen_random_uuid(), gen_random_uuid(), 1, 'wearer:' || n % 100, {_MADE_WEARER}, 'kind' || n, 'physiological',
    'high', CASE WHEN n < 200 THEN 'active' ELSE 'cleared' END, 'unseen', {_NOW} - n * interval '1 min',
    {_NOW} - n * interval '1 min', '{{}}'
FROM generate_series(0, 19999) n;
"""

_HOT = {
    "latest reading of a wearer": (
        f"SELECT * FROM readings WHERE wearer_id = {_WEARER} ORDER BY time DESC, stream_id DESC LIMIT 1"
    ),
    "latest value of a vital": (
        f"SELECT time, heart_rate FROM readings WHERE wearer_id = {_WEARER} AND heart_rate IS NOT NULL "
        "ORDER BY time DESC LIMIT 1"
    ),
    "readings of an hour": (
        f"SELECT * FROM readings WHERE wearer_id = {_WEARER} AND time >= {_NOW} - interval '1 hour' AND time < {_NOW} "
        "ORDER BY time, stream_id"
    ),
    "scores of an hour": (
        f"SELECT * FROM scores WHERE wearer_id = {_WEARER} AND bin >= {_NOW} - interval '1 hour' AND bin < {_NOW} "
        "ORDER BY bin"
    ),
    "episodes of a wearer": f"SELECT * FROM episodes WHERE wearer_id = {_WEARER} ORDER BY onset DESC LIMIT 50",
    "open alerts of a wearer": "SELECT * FROM alerts WHERE subject = 'wearer:7' AND condition = 'active'",
    "newest alerts of a wearer": (
        f"SELECT * FROM alerts WHERE wearer_id = {_WEARER} ORDER BY raised DESC, alert_id LIMIT 50"
    ),
    "newest alerts": "SELECT * FROM alerts ORDER BY raised DESC, alert_id LIMIT 50",
    "merge of the incoming": READINGS.insert,
}


@pytest.fixture
async def filled(database_url: str) -> AsyncIterator[_Connection]:
    """A connection to a database with three days of readings, scores, episodes and alerts, analysed."""
    pool = await open_pool(database_url, size=2)
    await apply_migrations(pool)
    for table in ("readings", "scores"):
        partitions = Partitions(pool)
        for ago in range(_DAYS + 1):
            await partitions.keep(table, oldest_us=0, newest_us=NOW_MS * 1_000 - ago * _DAY_US)
    async with pool.acquire() as connection:
        await connection.execute(_FILL)
        await connection.execute("ANALYZE readings, scores, episodes, alerts")
        yield connection
    await pool.close()


async def test_hot_queries_use_their_index(filled: _Connection) -> None:
    """No hot query scans a table from end to end, but for the merge, which reads the incoming rows alone."""
    await filled.execute(READINGS.create)
    for name, query in _HOT.items():
        nodes = await _plan(filled, query)
        read = [node for node in nodes if "Relation Name" in node and node["Node Type"] != "ModifyTable"]
        scanned = {node["Relation Name"] for node in read if node["Node Type"] == "Seq Scan"}
        assert scanned <= {READINGS.incoming}, (name, nodes)
        assert read, (name, nodes)


@pytest.mark.parametrize("name", ["readings of an hour", "scores of an hour"])
async def test_a_range_touches_only_its_days(filled: _Connection, name: str) -> None:
    """A query of one hour within a day looks into that day's partition alone."""
    nodes = await _plan(filled, _HOT[name])
    table = name.split(" ", 1)[0]
    assert {node["Relation Name"] for node in nodes if "Relation Name" in node} == {f"{table}_2026_11_21"}


async def test_the_latest_reading_needs_no_older_day(filled: _Connection) -> None:
    """The latest reading comes from the newest day's index: older partitions are planned, but never executed."""
    nodes = await _plan(filled, _HOT["latest reading of a wearer"], options="ANALYZE, TIMING OFF")
    touched = {node["Relation Name"] for node in nodes if "Relation Name" in node and node["Actual Loops"] > 0}
    assert touched == {"readings_2026_11_21"}


async def _plan(connection: _Connection, query: str, *, options: str = "COSTS ON") -> list[dict[str, Any]]:
    """Return the nodes of the plan, a flat list."""
    text = await connection.fetchval(f"EXPLAIN (FORMAT JSON, {options}) {query}")
    waiting, nodes = [json.loads(text)[0]["Plan"]], []
    while waiting:
        node = waiting.pop()
        waiting.extend(node.pop("Plans", []))
        nodes.append(node)
    return nodes
