"""New rows are copied in; from the first that is stored already rows are merged, for a while, with the same result."""

import asyncio
import random
from typing import Any

import asyncpg
import pytest

from infra.timescale import series as stores
from infra.timescale.series import TimescaleSeries
from infra.timescale.state import TimescaleStateStore
from schemas.errors import StaleOwnerError
from schemas.frame import Frame
from stream_processors.operators.merge import merge_readings, merge_scores
from stream_processors.ports import OffsetMove
from tests.embedded_services import BOTH_DATABASES
from tests.made_frames import NOW_MS, readings, rows_of, scores, wearer
from tests.series_store import batch, stored

pytestmark = [pytest.mark.connected, BOTH_DATABASES]

_DEADLINE_S = 20.0
_VALUES = ("wearer", "heart_rate", "spo2", "origin", "injected", "received")
_STORED = "wearer_id, heart_rate, spo2, origin, injected, (extract(epoch FROM received) * 1000000)::bigint"
_FIRST = {"heart_rate": 61.0}
_WAITERS = "SELECT count(*) FROM pg_locks WHERE NOT granted"


def _move(expected: int | None, following: int) -> OffsetMove:
    return OffsetMove(topic="readings.v1", partition=3, expected=expected, next=following, clock_ms=NOW_MS)


async def _saved_offset(pool: asyncpg.Pool) -> int | None:
    saved = await TimescaleStateStore(pool).load("storage", "readings.v1", 3)
    return None if saved is None else saved.next_offset


async def _places(pool: asyncpg.Pool, number: int) -> int:
    """Return how many places the table had used up when a wearer's only row was stored: rows, and what failed."""
    query = "SELECT split_part(trim(ctid::text, '()'), ',', 2)::integer FROM readings WHERE wearer_id = $1"
    place: int = await pool.fetchval(query, wearer(number))
    return place


async def test_new_rows_leave_no_table_behind(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """Batches of new rows need no table of the session's own, the first repeat makes it."""
    made = "SELECT count(*) FROM pg_class WHERE relname IN ('incoming_readings', 'incoming_scores')"
    for number in range(3):
        row = {"wearer": number}
        await series.write(batch(readings(row), scored=[scores(row)]), [])
    assert await pool.fetchval(made) == 0
    await series.write(batch(readings({}), scored=[scores({})]), [])
    assert await pool.fetchval(made) == 2
    assert len(await stored(pool)) == 3


async def test_after_a_repeat_rows_are_merged_for_a_while(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """Of many repeats only the first, and the first after the pause, is tried as new: each try leaves one dead row."""
    made = batch(readings(_FIRST))
    await series.write(made, [])
    for _ in range(1 + stores.MERGED_AFTER_A_REPEAT):
        await series.write(made, [])
    await series.write(batch(readings({"wearer": 2})), [])
    assert await _places(pool, 2) == 3
    await series.write(made, [])
    await series.write(batch(readings({"wearer": 3})), [])
    assert await _places(pool, 3) == 5
    assert len(await stored(pool)) == 3


async def test_a_repeat_moves_the_offsets_once(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """What is repeated in part is stored with its offset, and a stale owner's repeat changes neither."""
    await series.write(batch(readings(_FIRST)), [_move(None, 5)])
    part = batch(readings({"wearer": 2, "heart_rate": 62.0}, {"spo2": 97.0}))
    with pytest.raises(StaleOwnerError):
        await series.write(part, [_move(4, 9)])
    assert (await _saved_offset(pool), await stored(pool)) == (5, [(61.0, None)])
    await series.write(part, [_move(5, 9)])
    assert (await _saved_offset(pool), await stored(pool)) == (9, [(61.0, 97.0), (62.0, None)])
    with pytest.raises(StaleOwnerError):
        await series.write(part, [_move(5, 9)])
    assert await _saved_offset(pool) == 9


async def test_a_repeated_score_leaves_new_readings_once(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """New readings beside a score that is stored already are stored once, and the score is replaced."""
    await series.write(batch(scored=[scores({"score": 1.5})]), [])
    await series.write(batch(readings(_FIRST), scored=[scores({"score": 2.5}, {"wearer": 2, "score": 3.5})]), [])
    assert await stored(pool) == [(61.0, None)]
    rows = await pool.fetch("SELECT score FROM scores ORDER BY wearer_id")
    assert [row["score"] for row in rows] == [2.5, 3.5]


async def test_a_long_batch_with_a_repeat_is_stored(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """A batch of many pieces of which the first row is stored already ends whole in the table."""
    rows = [{"time": NOW_MS * 1_000 + at, "heart_rate": 60.0} for at in range(9_000)]
    await series.write(batch(readings(rows[0])), [])
    await series.write(batch(readings(*rows)), [_move(None, 5)])
    assert (await _saved_offset(pool), len(await stored(pool))) == (5, 9_000)


async def test_a_row_of_a_transaction_under_way_is_merged(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """A write that meets a row which another session has not committed yet waits for it, and completes it."""
    await series.write(batch(readings({"wearer": 2, "heart_rate": 62.0})), [])
    async with pool.acquire() as other:
        async with other.transaction():
            await other.execute("UPDATE readings SET wearer_id = $1", wearer(1))
            writing = asyncio.create_task(series.write(batch(readings({"heart_rate": 99.0, "spo2": 97.0})), []))
            await _someone_waits(other)
        await writing
    assert await stored(pool) == [(62.0, 97.0)]


async def _someone_waits(connection: asyncpg.pool.PoolConnectionProxy) -> None:
    async with asyncio.timeout(_DEADLINE_S):
        while not await connection.fetchval(_WAITERS):  # noqa: ASYNC110 - another process has no event to set
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("pause", [0, 1, 3])
async def test_any_mix_of_new_and_repeated_rows_ends_as_merged_at_once(
    pool: asyncpg.Pool, series: TimescaleSeries, monkeypatch: pytest.MonkeyPatch, pause: int
) -> None:
    """Random batches, some again whole or in part, leave what one merge of everything would, and each offset once."""
    monkeypatch.setattr(stores, "MERGED_AFTER_A_REPEAT", pause)
    chance = random.Random(pause)  # noqa: S311 - the same batches every time
    frames: list[Frame] = []
    scored: list[Frame] = []
    before: int | None = None
    for following in range(1, 61):
        count = chance.choice((1, 1, 5))
        repeated = following % 4 == 0 and frames
        made = chance.sample(frames, 1) if repeated else [_some_readings(chance) for _ in range(count)]
        told = [_some_scores(chance)] if chance.random() < 0.5 else []
        await series.write(batch(*made, scored=told), [_move(before, following)])
        frames, scored, before = [*frames, *made], [*scored, *told], following
    assert await stored(pool, _STORED) == _as_stored(rows_of(merge_readings(frames), *_VALUES))
    rows = await pool.fetch("SELECT wearer_id, score, tier FROM scores ORDER BY wearer_id, bin")
    assert [tuple(row) for row in rows] == _as_stored(rows_of(merge_scores(scored), "wearer", "score", "tier"))
    assert await _saved_offset(pool) == before


def _some_readings(chance: random.Random) -> Frame:
    rows = []
    for _ in range(chance.randint(1, 4)):
        row: dict[str, Any] = {
            "wearer": chance.randint(1, 9),
            "time": (NOW_MS + chance.randint(0, 60)) * 1_000,
            "origin": chance.randint(0, 2),
            "injected": chance.random() < 0.3,
            "received": (NOW_MS + chance.randint(0, 10**6)) * 1_000,
        }
        row[chance.choice(("heart_rate", "spo2"))] = float(chance.randint(60, 99))
        rows.append(row)
    return readings(*rows)


def _some_scores(chance: random.Random) -> Frame:
    return scores(
        {
            "wearer": chance.randint(1, 9),
            "bin": (NOW_MS + chance.randint(0, 20) * 5_000) * 1_000,
            "score": chance.choice((None, 1.5, 2.5)),
            "tier": chance.randint(0, 3),
        }
    )


def _as_stored(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    ids = {wearer(number).bytes: wearer(number) for number in range(1, 10)}
    return [(ids[row[0]], *row[1:]) for row in rows]
