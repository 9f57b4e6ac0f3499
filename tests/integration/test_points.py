"""Readings brought together in steps, on a real database: the same answer however it is computed."""

import math
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from api.errors import RefusedError
from api.points import whole_steps
from api.records import Point, Span
from infra.timescale.reads import StoredData
from infra.timescale.series import TimescaleSeries
from infra.timescale.variant import read_variant
from schemas.vitals import BY_NAME, NAMES
from tests.embedded_services import BOTH_DATABASES
from tests.made_frames import NOW_MS, readings, wearer
from tests.series_store import batch

pytestmark = [pytest.mark.connected, BOTH_DATABASES]

_DAY = Span(start=datetime(2026, 11, 21, tzinfo=UTC), end=datetime(2026, 11, 22, tzinfo=UTC), limit=5_000)
_FIRST_US = NOW_MS * 1_000
_ROWS: list[dict[str, Any]] = [
    {
        "time": _FIRST_US + at * 7_300_000,
        "heart_rate": 60.0 + at % 11,
        "spo2": 97.25 if at % 3 else None,
        "steps": float(at % 4),
        "origin": 2 if at % 5 else 1,
        "injected": at == 70,
    }
    for at in range(1_200)
    if not 300 <= at < 700
]


async def _points(pool: asyncpg.Pool, step: timedelta, names: tuple[str, ...] = NAMES) -> list[Point]:
    return list(await StoredData(pool, lambda _: None, lambda: _DAY.end).points(wearer(1), _DAY, names, step))


async def _refresh(pool: asyncpg.Pool) -> None:
    if await read_variant(pool) == "timescaledb":
        for name in ("readings_1m", "readings_1h"):
            await pool.execute(f"CALL refresh_continuous_aggregate('{name}', NULL, NULL)")


def _expected(rows: list[dict[str, Any]], step: timedelta) -> dict[datetime, dict[str, dict[str, float]]]:
    """Bring rows of one stream together by plain Python."""
    length_us = int(step.total_seconds() * 1e6)
    values: dict[int, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row in rows:
        for name in NAMES:
            if row.get(name) is not None:
                values[row["time"] // length_us * length_us][name].append(row[name])
    return {
        datetime.fromtimestamp(at / 1e6, UTC): {name: _aggregate(name, found) for name, found in by_name.items()}
        for at, by_name in values.items()
    }


def _aggregate(name: str, found: list[float]) -> dict[str, float]:
    if BY_NAME[name].step_with == "sum":
        return {"sum": round(math.fsum(found), 4), "count": len(found)}
    mean = round(math.fsum(found) / len(found), 4)
    return {"mean": mean, "min": min(found), "max": max(found), "count": len(found)}


@pytest.mark.parametrize("refreshed", [True, False])
async def test_a_step_is_what_its_readings_come_to(
    pool: asyncpg.Pool,
    series: TimescaleSeries,
    refreshed: bool,  # noqa: FBT001
) -> None:
    """Mean, min, max, count and sum are those of the step's readings; a step without one is absent."""
    await series.write(batch(readings(*_ROWS)), [])
    if refreshed:
        await _refresh(pool)
    for seconds in (10, 11, 90, 60, 300, 420, 3_600, 86_400):
        found = await _points(pool, timedelta(seconds=seconds))
        assert {point.time: point.vitals for point in found} == _expected(_ROWS, timedelta(seconds=seconds))
        assert [point.time for point in found] == sorted(point.time for point in found)
        assert sum(point.readings for point in found) == len(_ROWS)
        assert sum(point.injected for point in found) == 1
        assert sum(point.replayed for point in found) == len([row for row in _ROWS if row["origin"] == 1])
        assert sum(point.replayed + point.simulated for point in found) == len(_ROWS)


async def test_steps_are_counted_from_1970_whatever_their_length(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """Steps of seven days or hours begin where the widened span does, so that none of them is cut short."""
    await series.write(batch(readings(*_ROWS)), [])
    for step in (timedelta(days=7), timedelta(hours=7)):
        span = whole_steps(_DAY, step)
        found = await StoredData(pool, lambda _: None, lambda: _DAY.end).points(wearer(1), span, NAMES, step)
        assert {point.time: point.vitals for point in found} == _expected(_ROWS, step)
        assert min(point.time for point in found) >= span.start


async def test_readings_beyond_a_bound_are_refused_not_waited_for(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """Where more readings lie in the span than may be read the answer is 422, of whichever vitals; kept sums answer."""
    await series.write(batch(readings(*_ROWS)), [])
    data = StoredData(pool, lambda _: None, lambda: _DAY.end)
    few, enough = (Span(start=_DAY.start, end=_DAY.end, limit=len(_ROWS) - more) for more in (1, 0))
    for names in (NAMES, ("body_temperature",)):
        with pytest.raises(RefusedError, match=f"more than {len(_ROWS) - 1} readings") as refused:
            await data.points(wearer(1), few, names, timedelta(seconds=90))
        assert refused.value.status == 422
    assert await data.points(wearer(1), enough, NAMES, timedelta(seconds=90))
    if await read_variant(pool) == "timescaledb":
        assert "whole hours or minutes" in str(refused.value)
        assert await data.points(wearer(1), few, NAMES, timedelta(minutes=1))
    else:
        assert "TimescaleDB" in str(refused.value)


async def test_two_devices_do_not_walk_twice_as_far(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """Of steps that a watch and a phone both counted the larger count stands; other vitals mean over both devices."""
    rows = [
        {"time": _FIRST_US, "stream_id": 257, "steps": 30.0, "heart_rate": 60.0},
        {"time": _FIRST_US + 1_000_000, "stream_id": 514, "steps": 24.0, "heart_rate": 70.0},
    ]
    await series.write(batch(readings(*rows)), [])
    for seconds in (30, 300, 3_600):
        (point,) = await _points(pool, timedelta(seconds=seconds))
        assert point.vitals["steps"] == {"sum": 30.0, "count": 2}
        assert point.vitals["heart_rate"] == {"mean": 65.0, "min": 60.0, "max": 70.0, "count": 2}
        assert point.readings == 2


async def test_a_step_without_the_asked_vitals_is_absent(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """A step whose readings hold other vitals alone gives no point, never a 0; others' readings do not count."""
    rows = [
        {"time": _FIRST_US, "heart_rate": 60.0},
        {"time": _FIRST_US + 3_600_000_000, "spo2": 97.0},
        {"time": _FIRST_US, "wearer": 2, "heart_rate": 99.0},
    ]
    await series.write(batch(readings(*rows)), [])
    for step in (timedelta(seconds=30), timedelta(minutes=1), timedelta(hours=1)):
        (point,) = await _points(pool, step, ("heart_rate",))
        assert point.vitals == {"heart_rate": {"mean": 60.0, "min": 60.0, "max": 60.0, "count": 1}}
        assert await _points(pool, step, ("steps",)) == []


async def test_kept_sums_are_used_where_the_step_allows(pool: asyncpg.Pool, series: TimescaleSeries) -> None:
    """With TimescaleDB whole minutes and hours come from the kept sums, other steps from the readings."""
    await series.write(batch(readings({"heart_rate": 60.0})), [])
    await _refresh(pool)
    if await read_variant(pool) == "plain":
        assert len(await _points(pool, timedelta(minutes=1))) == 1
        return
    await pool.execute("ALTER TABLE readings DISABLE TRIGGER USER")
    await pool.execute("DELETE FROM readings")
    assert len(await _points(pool, timedelta(minutes=5))) == 1
    assert len(await _points(pool, timedelta(hours=2))) == 1
    assert await _points(pool, timedelta(seconds=90)) == []
