"""Rows and offsets in a real PostgreSQL: together or not at all, and repeats change nothing."""

import asyncio
from typing import Any, Literal

import asyncpg
import msgspec
import pytest

from infra.timescale.followed_zones import FollowedZones
from infra.timescale.series import TimescaleSeries
from infra.timescale.state import TimescaleStateStore
from schemas.episodes import Episode, Evidence, Subject, episode_id
from schemas.errors import ContractError, DatabaseAwayError, StaleOwnerError
from schemas.zones import BIN_MS, ZoneStatus
from stream_processors.operators.zone_told import Definition
from stream_processors.ports import OffsetMove
from tests.embedded_services import BOTH_DATABASES
from tests.made_frames import NOW_MS, readings, scores, wearer
from tests.series_store import batch, stored

pytestmark = [pytest.mark.connected, BOTH_DATABASES]

_DAY_US = 86_400_000_000
_DEADLINE_S = 20.0


def _move(expected: int | None, following: int) -> OffsetMove:
    return OffsetMove(topic="readings.v1", partition=3, expected=expected, next=following, clock_ms=NOW_MS)


async def _saved_offset(pool: asyncpg.Pool) -> int | None:
    saved = await TimescaleStateStore(pool).load("storage", "readings.v1", 3)
    return None if saved is None else saved.next_offset


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("together", [True, False])
async def test_vitals_sent_apart_become_one_row(
    pool: asyncpg.Pool,
    series: TimescaleSeries,
    order: tuple[int, int],
    together: bool,  # noqa: FBT001
) -> None:
    """Heart rate and SpO2 of one instant end in one row, in one batch or two, in either order."""
    apart = [readings({"heart_rate": 61.0}), readings({"spo2": 97.0})]
    frames = [apart[number] for number in order]
    for made in [batch(*frames)] if together else [batch(one) for one in frames]:
        await series.write(made, [])
    assert await stored(pool) == [(61.0, 97.0)]


async def test_the_first_value_stays(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """A later batch fills what is missing, and never replaces a stored value or the first receipt."""
    await series.write(batch(readings({"heart_rate": 61.0, "quality": 0.5})), [])
    again = {"heart_rate": 70.0, "spo2": 97.0, "quality": 1.0, "received": 0, "injected": True}
    await series.write(batch(readings(again)), [])
    columns = "heart_rate, spo2, quality, extract(epoch FROM received)::bigint, injected"
    assert await stored(pool, columns) == [(61.0, 97.0, 0.5, NOW_MS // 1_000, True)]


async def test_every_column_arrives_as_it_was_sent(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """Ids, times, text, beats, booleans and nulls are read back as they stood in the frame; no cell is kept."""
    row = {
        "wearer": 5, "stream_id": 2**40, "time": NOW_MS * 1_000 - 123_000, "utc_offset_min": -210, "cell": 2**62,
        "clock_offset_ms": -7, "origin": 1, "backfill": True, "worn": False, "firmware": "9.1 é", "steps": 12.0,
        "hrv_window_s": 60.0, "ibi": [812.5, 790.0], "skin_temperature": 33.25,
    }  # fmt: skip
    await series.write(batch(readings(row, {"wearer": 6, "ibi": []})), [])
    columns = (
        "wearer_id, stream_id, (extract(epoch FROM time) * 1000000)::bigint, utc_offset_min, cell, clock_offset_ms, "
        "origin, backfill, worn, firmware, steps, hrv_window_s, ibi, skin_temperature, heart_rate, quality"
    )
    rows = await stored(pool, columns)
    assert rows[0] == (
        wearer(5), 2**40, NOW_MS * 1_000 - 123_000, -210, None, -7, 1, True, False, "9.1 é", 12.0, 60.0,
        [812.5, 790.0], 33.25, None, None,
    )  # fmt: skip
    assert rows[1][0] == wearer(6)
    assert rows[1][8:] == (None, None, None, None, [], None, None, None)


async def test_a_repeat_changes_nothing(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """Writing the same batch again leaves every row version of readings, scores and episodes as it was."""
    made = batch(
        readings({"heart_rate": 61.0}, {"wearer": 2, "spo2": 97.0, "ibi": [800.0]}),
        scored=[scores({"score": 1.5}, {"wearer": 2})],
        episodes=[_episode(1)],
    )
    await series.write(made, [])
    before = await _row_versions(pool)
    await series.write(made, [])
    assert await _row_versions(pool) == before
    assert len(before) == 5


async def test_only_the_row_that_changes_is_written(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """A batch that repeats one reading and completes another writes the latter alone."""
    await series.write(batch(readings({"heart_rate": 61.0}, {"wearer": 2, "heart_rate": 62.0})), [])
    before = await _row_versions(pool)
    await series.write(batch(readings({"heart_rate": 61.0}, {"wearer": 2, "spo2": 97.0})), [])
    after = await _row_versions(pool)
    assert before[0] == after[0]
    assert before[1] != after[1]


async def test_a_score_is_replaced_where_it_differs(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """A score that comes again with other values replaces the stored one, nulls included."""
    await series.write(batch(scored=[scores({"score": 1.5, "z_spo2": 2.0})]), [])
    await series.write(batch(scored=[scores({"score": 2.5, "tier": 1, "promised_rate": 0.5, "rate_days": 12.0})]), [])
    stored = await pool.fetch("SELECT score, z_spo2, tier, promised_rate, realised_rate, rate_days FROM scores")
    assert [tuple(row) for row in stored] == [(2.5, None, 1, 0.5, None, 12.0)]


async def test_an_episode_takes_only_a_higher_revision(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """An older revision changes nothing, a newer one is kept whole, and the state reads back as the episode."""
    for revision in (2, 1, 3):
        await series.write(batch(episodes=[_episode(revision)]), [])
    row = await pool.fetchrow("SELECT revision, subject, wearer_id, onset, ended, state FROM episodes")
    assert row is not None
    assert (row["revision"], row["wearer_id"], row["ended"]) == (3, wearer(1), None)
    assert int(row["onset"].timestamp() * 1_000) == NOW_MS
    assert msgspec.json.decode(row["state"], type=Episode) == _episode(3)


async def test_rows_and_offsets_move_together(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """The rows of a write and its offset are there after it, and the next write goes on from that offset."""
    await series.write(batch(readings({"heart_rate": 61.0})), [_move(None, 5)])
    await series.write(batch(readings({"wearer": 2, "heart_rate": 62.0})), [_move(5, 9)])
    assert await _saved_offset(pool) == 9
    assert len(await stored(pool)) == 2


@pytest.mark.parametrize("expected", [None, 4])
async def test_a_stale_owner_writes_nothing(pool: asyncpg.Pool, series: TimescaleSeries, expected: int | None) -> None:
    """Where the saved offset is not the expected one, neither rows nor offsets change."""
    await series.write(batch(readings({"heart_rate": 61.0})), [_move(None, 5)])
    with pytest.raises(StaleOwnerError):
        await series.write(batch(readings({"wearer": 2, "heart_rate": 62.0})), [_move(expected, 9)])
    assert await _saved_offset(pool) == 5
    assert await stored(pool) == [(61.0, None)]


async def test_what_the_database_refuses_is_permanent(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """A text that PostgreSQL cannot hold raises ContractError and moves nothing; the next write works."""
    refused = readings({"heart_rate": 61.0}, {"wearer": 2, "firmware": "a\0b"})
    with pytest.raises(ContractError):
        await series.write(batch(refused), [_move(None, 5)])
    with pytest.raises(ContractError):
        await series.write(batch(readings({"heart_rate": 61.0}), episodes=[_episode(1, reason="\0")]), [_move(None, 5)])
    assert (await _saved_offset(pool), await stored(pool)) == (None, [])
    await series.write(batch(readings({"heart_rate": 61.0})), [_move(None, 5)])
    assert await stored(pool) == [(61.0, None)]


async def test_a_lost_connection_passes(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """A write whose connection is ended raises DatabaseAwayError, and works when it is tried again."""
    made, moves = batch(readings({"heart_rate": 61.0})), [_move(None, 5)]
    async with pool.acquire() as blocker, blocker.transaction():
        await series.write(batch(), [])
        await blocker.execute("LOCK TABLE processor_state IN ACCESS EXCLUSIVE MODE")
        writing = asyncio.create_task(series.write(made, moves))
        await _end_waiting_backend(blocker)
        with pytest.raises(DatabaseAwayError):
            await writing
    await series.write(made, moves)
    assert (await _saved_offset(pool), await stored(pool)) == (5, [(61.0, None)])


async def _row_versions(pool: asyncpg.Pool) -> list[tuple[Any, ...]]:
    versions: list[tuple[Any, ...]] = []
    for table in ("readings", "scores", "episodes"):
        rows = await pool.fetch(f"SELECT ctid::text, xmin::text FROM {table} ORDER BY wearer_id")
        versions.extend((table, row["ctid"], row["xmin"]) for row in rows)
    return versions


async def _end_waiting_backend(connection: asyncpg.pool.PoolConnectionProxy) -> None:
    ended = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%moves%'"
    )
    async with asyncio.timeout(_DEADLINE_S):
        while not await connection.fetch(ended):
            await connection.execute("SELECT pg_stat_clear_snapshot()")


def _episode(revision: int, *, reason: str = "seen") -> Episode:
    subject = Subject(wearer=wearer(1))
    return Episode(
        episode_id=episode_id(subject, "spo2.low", NOW_MS),
        subject=subject,
        condition="spo2.low",
        type="physiological",
        phase="opened",
        tier=3,
        writer="vitals",
        revision=revision,
        pages=True,
        onset_ms=NOW_MS,
        changed_ms=NOW_MS + revision,
        reason=reason,
        evidence=Evidence(vital="spo2"),
        decided_received_ms=NOW_MS,
        decided_append_ms=NOW_MS,
    )


def _status(bin_ms: int, revision: int, level: Literal["usual", "critical"]) -> ZoneStatus:
    return ZoneStatus(
        zone_id="old-town",
        name="Old Town",
        version=1,
        revision=revision,
        bin_ms=bin_ms,
        state="ok",
        level=level,
        coverage="good",
        recurrence="on most days",
    )


async def test_a_zone_has_one_row_a_bin(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """A higher revision replaces a row, a lower or equal one does not, and retention drops old bins."""
    bin_ms = NOW_MS // BIN_MS * BIN_MS
    await series.write(
        batch(zones=[_status(bin_ms, 7, "usual"), _status(bin_ms - 2 * _DAY_US // 1000, 3, "usual")]), []
    )
    await series.write(batch(zones=[_status(bin_ms, 9, "critical")]), [])
    await series.write(batch(zones=[_status(bin_ms, 8, "usual")]), [])
    rows = await pool.fetch("SELECT revision, body->>'level' AS level FROM zone_status ORDER BY bin")
    assert [tuple(row) for row in rows] == [(3, "usual"), (9, "critical")]
    await series.upkeep(oldest_us=NOW_MS * 1000 - _DAY_US, newest_us=NOW_MS * 1000)
    assert await pool.fetchval("SELECT array_agg(revision) FROM zone_status") == [9]


async def test_followed_zones_are_the_newest_that_were_not_withdrawn(pool: asyncpg.Pool) -> None:
    """Of each zone the newest version counts, and one that was withdrawn is followed no more."""
    rows = [("a", 1, "A", [5, 6], False), ("a", 2, "B", [5], False), ("b", 1, "C", [7], True)]
    await pool.executemany(
        "INSERT INTO zones (zone_id, version, name, cells, withdrawn_at) "
        "VALUES ($1, $2, $3, $4, CASE WHEN $5 THEN now() END)",
        rows,
    )
    newest = Definition(zone_id="a", version=2, name="B", cells=(5,))
    older = Definition(zone_id="a", version=1, name="A", cells=(5, 6))
    for held in ({}, {"a": older}, {"b": Definition(zone_id="b", version=1, name="C", cells=(7,))}):
        assert await FollowedZones(pool).named(held) == [newest]


async def test_cells_of_a_version_that_is_held_are_not_read_again(pool: asyncpg.Pool) -> None:
    """What is held of the newest version is what comes back, whatever cells the database has."""
    await pool.execute(
        "INSERT INTO zones (zone_id, version, name, cells) VALUES ('a', 1, 'A', '{5}'), ('b', 1, 'B', '{6}')"
    )
    held = Definition(zone_id="a", version=1, name="A", cells=(99,))
    assert await FollowedZones(pool).named({"a": held}) == [
        held,
        Definition(zone_id="b", version=1, name="B", cells=(6,)),
    ]
