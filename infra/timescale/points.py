"""The statement that brings a wearer's readings together in steps.

Steps of whole hours or minutes add up what each hour or minute came to, others what each step came to itself; so the
answer is the same whether those sums are kept (`readings_1h`, `readings_1m` of TimescaleDB) or made from the readings.
Of a count, such as steps walked, two devices see the same: in each hour, minute or step the larger count stands.
How many readings may be read for an answer is bounded, so that none takes longer than the database may take.
"""

from collections.abc import Sequence
from datetime import timedelta
from functools import cache
from typing import Final

import asyncpg

from api.records import Point
from schemas.vitals import BY_NAME

_GRAINS: Final = ((timedelta(hours=1), "readings_1h"), (timedelta(minutes=1), "readings_1m"))
_EPOCH: Final = "timestamptz '1970-01-01T00:00:00Z'"
_ROWS: Final = ("readings", "injected", "replayed", "simulated")
_COUNTED: Final = (
    "count(*) AS readings, count(*) FILTER (WHERE injected) AS injected, "
    "count(*) FILTER (WHERE origin = 1) AS replayed, count(*) FILTER (WHERE origin = 2) AS simulated"
)


def points_query(names: Sequence[str], step: timedelta, *, sums_kept: bool) -> tuple[str, timedelta | None]:
    """Return the statement for these vitals, and its fifth argument where it goes to the readings themselves.

    Its arguments are the wearer, the first moment, the moment after the last, and the step; where there is a fifth one,
    the sixth is how many readings are read. A step without the vitals is given too, so that `readings` counts all.
    """
    grain, table = next(((grain, table) for grain, table in _GRAINS if not step % grain), (step, ""))
    if sums_kept and table:
        return _query(tuple(names), table), None
    return _query(tuple(names), ""), grain


def read_point(row: asyncpg.Record, names: Sequence[str], step: timedelta) -> Point:
    """Return a row of that statement as a point."""
    wearer, time, readings, injected, replayed, simulated, *found = row  # looking a column up by name takes longer
    vitals, at = {}, 0
    for name in names:
        total, count = found[at : at + 2]
        if BY_NAME[name].step_with == "sum":
            at += 2
            if count:
                vitals[name] = {"sum": round(total, 4), "count": count}
        else:
            if count:
                low, high = found[at + 2 : at + 4]
                mean = round(total / count, 4)
                vitals[name] = {"mean": mean, "min": round(low, 4), "max": round(high, 4), "count": count}
            at += 4
    return Point(
        wearer=wearer,
        time=time,
        step=step,
        readings=readings,
        injected=injected,
        replayed=replayed,
        simulated=simulated,
        vitals=vitals,
    )


@cache
def _query(names: tuple[str, ...], table: str) -> str:
    columns = [(name, part) for name in names for part in _parts(name)]
    listed = ", ".join(f"{name}_{part}" for name, part in columns)
    if table:
        source = (
            f"SELECT bucket, stream_id, {', '.join(_ROWS)}, {listed} FROM {table} "  # noqa: S608 - names of the registry
            "WHERE wearer_id = $1 AND bucket >= $2 AND bucket < $3"
        )
    else:
        source = (
            f"SELECT date_bin($5::interval, time, {_EPOCH}) AS bucket, stream_id, {_COUNTED}, "  # noqa: S608 - as above
            + ", ".join(f"{part}({name}{'::float8' * (part == 'sum')}) AS {name}_{part}" for name, part in columns)
            + " FROM (SELECT * FROM readings WHERE wearer_id = $1 AND time >= $2 AND time < $3 LIMIT $6) AS bounded "
            "GROUP BY bucket, stream_id"
        )
    by_bucket = ", ".join(_brought(name, part, across_streams=True) for name, part in columns)
    by_step = ", ".join(_brought(name, part, across_streams=False) for name, part in columns)
    rows = ", ".join(f"sum({name})::bigint AS {name}" for name in _ROWS)
    return f"""
WITH parts AS ({source}),
moments AS (SELECT bucket, {rows}, {by_bucket} FROM parts GROUP BY bucket)
SELECT $1::uuid AS wearer_id, date_bin($4::interval, bucket, {_EPOCH}) AS time, {rows}, {by_step}
FROM moments GROUP BY time ORDER BY time
"""  # noqa: S608 - as above


def _parts(name: str) -> tuple[str, ...]:
    return ("sum", "count") if BY_NAME[name].step_with == "sum" else ("sum", "count", "min", "max")


def _brought(name: str, part: str, *, across_streams: bool) -> str:
    column = f"{name}_{part}"
    if part == "count":
        return f"sum({column})::bigint AS {column}"
    if part == "sum" and across_streams and BY_NAME[name].step_with == "sum":
        return f"max({column}) AS {column}"
    return f"{part}({column}) AS {column}"
