"""What TimescaleDB adds, on a real one: compressed days that still take late readings, and sums kept up to date."""

import time
from pathlib import Path

import asyncpg
import pytest

from infra.backup import back_up, restore, verified
from infra.timescale.series import TimescaleSeries
from infra.timescale.variant import read_variant
from schemas.vitals import VITALS
from tests.made_frames import readings, wearer
from tests.series_store import batch, stored, stored_days

pytestmark = [
    pytest.mark.connected,
    pytest.mark.parametrize("database_url", ["timescaledb"], indirect=True),
]

_DAY_US = 86_400_000_000
_MINUTE_US = 60_000_000
_THEN_US = (int(time.time()) // 86_400 - 10) * _DAY_US
"""Midnight ten days ago, by the server's clock: its policies go by that."""
_ROWS = 1_500


def _made(*, wearers: int = 3) -> list[dict[str, object]]:
    return [
        {
            "wearer": number + 1,
            "time": _THEN_US + at * 10_000_000,
            "heart_rate": 60.0 + at % 7,
            "spo2": 97.0 if at % 5 else None,
            "skin_temperature": 33.25,
            "steps": float(at % 3),
            "origin": 2,
            "injected": at == 17,
        }
        for number in range(wearers)
        for at in range(_ROWS)
    ]


async def _compress(pool: asyncpg.Pool) -> None:
    """Do at once what the policy does some time after seven days."""
    await pool.execute("SELECT compress_chunk(chunk) FROM show_chunks('readings') AS chunk")


async def _compressed(pool: asyncpg.Pool) -> list[bool]:
    query = "SELECT is_compressed FROM timescaledb_information.chunks WHERE hypertable_name = 'readings'"
    return [row["is_compressed"] for row in await pool.fetch(query)]


async def test_the_database_has_hypertables_and_their_policies(pool: asyncpg.Pool) -> None:
    """Readings and scores are hypertables of days; policies compress them and both sums, and refresh the sums."""
    assert await read_variant(pool) == "timescaledb"
    tables = await pool.fetch(
        "SELECT hypertable_name AS name, time_interval FROM timescaledb_information.dimensions "
        "WHERE hypertable_name IN ('readings', 'scores') ORDER BY 1"
    )
    assert [(row["name"], row["time_interval"].days) for row in tables] == [("readings", 1), ("scores", 1)]
    jobs = await pool.fetch("SELECT proc_name, count(*) AS jobs FROM timescaledb_information.jobs GROUP BY 1")
    counted = {row["proc_name"]: row["jobs"] for row in jobs}
    assert counted["policy_compression"] == 4
    assert counted["policy_refresh_continuous_aggregate"] == 2


async def test_the_policy_compresses_after_seven_days(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """The policy's job compresses a day that is ten days old and leaves the present one."""
    now_us = int(time.time()) * 1_000_000
    await series.write(batch(readings(*_made(), {"time": now_us, "heart_rate": 61.0})), [])
    job = await pool.fetchval(
        "SELECT job_id FROM timescaledb_information.jobs "
        "WHERE proc_name = 'policy_compression' AND hypertable_name = 'readings'"
    )
    await pool.execute(f"CALL run_job({job})")
    assert sorted(await _compressed(pool)) == [False, True]


async def test_a_compressed_day_reads_as_before(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """Every column of every reading of a compressed day is what it was before, in a fraction of the space."""
    await series.write(batch(readings(*_made())), [])
    columns = "wearer_id, time, stream_id, received, heart_rate, spo2, steps, skin_temperature, injected, origin"
    before = await stored(pool, columns)
    size = "SELECT hypertable_size('readings')"
    large = await pool.fetchval(size)
    await _compress(pool)
    assert await _compressed(pool) == [True]
    assert await stored(pool, columns) == before
    assert await pool.fetchval(size) < large / 3


async def test_late_readings_enter_a_compressed_day(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """In a compressed day a new reading is added, a vital sent apart completes its row, and the first value stays."""
    await series.write(batch(readings(*_made())), [])
    await _compress(pool)
    late = [
        {"wearer": 1, "time": _THEN_US + 5, "heart_rate": 99.0},
        {"wearer": 1, "time": _THEN_US, "heart_rate": 99.0, "respiratory_rate": 14.0},
        {"wearer": 9, "time": _THEN_US, "heart_rate": 70.0},
    ]
    await series.write(batch(readings(*late)), [])
    rows = await pool.fetch(
        "SELECT heart_rate, respiratory_rate FROM readings WHERE wearer_id = $1 ORDER BY time LIMIT 2", wearer(1)
    )
    assert [tuple(row) for row in rows] == [(60.0, 14.0), (99.0, None)]
    assert len(await stored(pool)) == 3 * _ROWS + 2
    assert await stored_days(pool) == [time.strftime("%Y-%m-%d", time.gmtime(_THEN_US / 1e6))]


async def test_new_readings_enter_a_compressed_day(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """A batch of late readings none of which is stored yet, so that none is merged, is added to a compressed day."""
    await series.write(batch(readings(*_made())), [])
    await _compress(pool)
    late = [
        {"wearer": 1, "time": _THEN_US + 5, "heart_rate": 99.0},
        {"wearer": 9, "time": _THEN_US, "heart_rate": 70.0},
    ]
    await series.write(batch(readings(*late)), [])
    assert len(await stored(pool)) == 3 * _ROWS + 2


async def test_a_repeat_in_a_compressed_day_doubles_nothing(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """All readings of a compressed day written again, as after a restore, leave as many rows with the same values."""
    made = batch(readings(*_made()))
    await series.write(made, [])
    before = await stored(pool)
    await _compress(pool)
    await series.write(made, [])
    assert await stored(pool) == before


async def test_a_fleet_may_come_back_late(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """A batch that touches more compressed rows than TimescaleDB's default limit for one transaction is stored."""
    fleet = 40
    await pool.execute(
        "INSERT INTO readings (wearer_id, time, stream_id, received, clock_offset_ms, origin, injected, backfill, "
        "heart_rate) SELECT lpad(to_hex(n % 40), 32, '0')::uuid, to_timestamp($1::float8 / 1e6) + n * interval "
        "'1 ms', 257, now(), 0, 2, false, false, 61 FROM generate_series(0, 119999) n",
        float(_THEN_US),
    )
    await _compress(pool)
    rows = [
        {"wearer": number - (1 << 96), "time": _THEN_US + (number + fleet * at) * 1_000, "spo2": 97.0}
        for number in range(fleet)
        for at in range(0, 3_000, 300)
    ]
    await series.write(batch(readings(*rows)), [])
    assert await pool.fetchval("SELECT count(*) FROM readings WHERE spo2 = 97 AND heart_rate = 61") == len(rows)


async def test_compressed_days_come_back_from_a_backup(
    pool: asyncpg.Pool, series: TimescaleSeries, database_url: str, tmp_path: Path
) -> None:
    """What a backup of compressed days and their sums puts back has the same readings, sums and newest days."""
    await series.write(batch(readings(*_made(), {"time": _THEN_US + 9 * _DAY_US, "heart_rate": 61.0})), [])
    await _refresh(pool)
    await _compress(pool)
    columns = "wearer_id, time, stream_id, received, heart_rate, spo2, steps, skin_temperature, injected, origin"
    sums = "SELECT * FROM readings_1h ORDER BY wearer_id, bucket, stream_id"
    days = "SELECT * FROM newest_days ORDER BY wearer_id"
    before = [await stored(pool, columns), await pool.fetch(sums), await pool.fetch(days)]
    await back_up(database_url, tmp_path / "backup", say=lambda _: None)
    await pool.expire_connections()
    with verified(tmp_path / "backup", say=lambda _: None) as backup:
        await restore(backup, database_url, new_log=False, say=lambda _: None)
    async with asyncpg.create_pool(database_url, min_size=1, max_size=2) as again:
        after = [await stored(again, columns), await again.fetch(sums), await again.fetch(days)]
        assert after == before
        await _refresh(again)
        assert await again.fetch(sums) == before[1]
        await _compress(again)
        assert await stored(again, columns) == before[0]


async def _refresh(pool: asyncpg.Pool) -> None:
    for name in ("readings_1m", "readings_1h"):
        await pool.execute(f"CALL refresh_continuous_aggregate('{name}', NULL, NULL)")


@pytest.mark.parametrize("grain", ["minute", "hour"])
async def test_sums_hold_what_the_readings_come_to(pool: asyncpg.Pool, series: TimescaleSeries, grain: str) -> None:
    """After a refresh each minute's and hour's sums, counts and extremes are those of its stored readings."""
    await series.write(batch(readings(*_made())), [])
    await _refresh(pool)
    await _compare(pool, grain)


async def test_sums_follow_late_readings(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """A late reading in a compressed day, weeks behind, is in its minute and hour after the policies have run."""
    await series.write(batch(readings(*_made())), [])
    await _compress(pool)
    await _refresh(pool)
    await series.write(batch(readings({"wearer": 1, "time": _THEN_US + 5, "heart_rate": 199.0})), [])
    jobs = await pool.fetch(
        "SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = 'policy_refresh_continuous_aggregate' "
        "ORDER BY job_id"
    )
    for job in jobs:
        await pool.execute(f"CALL run_job({job['job_id']})")
    assert await pool.fetchval("SELECT max(heart_rate_max) FROM readings_1h") == 199.0
    for grain in ("minute", "hour"):
        await _compare(pool, grain)


async def test_sums_of_the_present_need_no_refresh(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """What was stored this minute is in the sums at once."""
    now_us = int(time.time()) * 1_000_000
    await series.write(batch(readings(*_made(wearers=1))), [])
    await _refresh(pool)
    await series.write(batch(readings({"time": now_us, "heart_rate": 61.0})), [])
    newest = await pool.fetchrow("SELECT heart_rate_sum, readings FROM readings_1m ORDER BY bucket DESC LIMIT 1")
    assert newest is not None
    assert tuple(newest) == (61.0, 1)


async def test_sums_go_with_their_readings(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """Retention drops the sums of the days whose readings it drops."""
    await series.write(batch(readings(*_made())), [])
    await _refresh(pool)
    await series.upkeep(oldest_us=_THEN_US + 3 * _DAY_US, newest_us=_THEN_US + 3 * _DAY_US)
    for table in ("readings", "readings_1m", "readings_1h"):
        assert await pool.fetchval(f"SELECT count(*) FROM {table}") == 0, table


async def _compare(pool: asyncpg.Pool, grain: str) -> None:
    """Assert that the refreshed sums are those of the readings, minute by minute or hour by hour."""
    names = ["readings", "injected", "replayed", "simulated"]
    made = ["count(*)", *(f"count(*) FILTER (WHERE {each})" for each in ("injected", "origin = 1", "origin = 2"))]
    for vital in VITALS:
        parts = [f"sum({vital.name}::float8)", f"count({vital.name})"]
        parts += [] if vital.step_with == "sum" else [f"min({vital.name})", f"max({vital.name})"]
        names += [f"{vital.name}_{part.split('(')[0]}" for part in parts]
        made += parts
    kept = await pool.fetch(
        f"SELECT wearer_id, bucket, stream_id, {', '.join(names)} FROM readings_1{grain[0]} ORDER BY 1, 2, 3"
    )
    computed = await pool.fetch(
        f"SELECT wearer_id, date_trunc('{grain}', time, 'UTC'), stream_id, {', '.join(made)} FROM readings "
        "GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
    )
    assert len(kept) > 3
    assert [tuple(row) for row in kept] == [tuple(row) for row in computed]
