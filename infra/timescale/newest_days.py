"""The day (UTC) of each wearer's newest reading, and of the newest value of each vital.

Who asks for the latest goes straight to those days. A row changes about once a day: the writer remembers what it has
told, and only news costs a statement.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final
from uuid import UUID

import asyncpg
import numpy as np
import numpy.typing as npt

from infra.timescale.partitions import DAY_US
from schemas.frame import Frame
from schemas.vitals import NAMES

_Connection = asyncpg.pool.PoolConnectionProxy
_Days = npt.NDArray[np.int32]

_EPOCH: Final = date(1970, 1, 1)
_NONE: Final = -1
_NOBODY: Final = 0
"""The row that stays empty, for wearers of whom nothing was told."""
_FIRST_CAPACITY: Final = 64
_COLUMNS: Final = ("reading", *NAMES)
_LISTED: Final = ", ".join(_COLUMNS)
_TELL: Final = f"""
INSERT INTO newest_days AS kept (wearer_id, {_LISTED})
SELECT * FROM unnest($1::uuid[], {", ".join(f"${place}::date[]" for place in range(2, len(_COLUMNS) + 2))})
ON CONFLICT (wearer_id) DO UPDATE SET
    {", ".join(f"{column} = greatest(kept.{column}, excluded.{column})" for column in _COLUMNS)}
WHERE ({", ".join(f"kept.{column}" for column in _COLUMNS)}) IS DISTINCT FROM
    ({", ".join(f"greatest(kept.{column}, excluded.{column})" for column in _COLUMNS)})
"""  # noqa: S608 - names of the registry
_COUNT_AGAIN: Final = f"""
INSERT INTO newest_days (wearer_id, {_LISTED})
SELECT wearer_id, max(day), {", ".join(f"max(day) FILTER (WHERE {name} > 0)" for name in NAMES)}
FROM (
    SELECT wearer_id, (date_bin('1 day', time, '2000-01-01T00:00:00Z') AT TIME ZONE 'UTC')::date AS day,
        {", ".join(f"count({name}) AS {name}" for name in NAMES)}
    FROM readings GROUP BY wearer_id, date_bin('1 day', time, '2000-01-01T00:00:00Z')
) AS by_day GROUP BY wearer_id
"""  # noqa: S608 - names of the registry


@dataclass(frozen=True, slots=True)
class News:
    """Days that the table does not hold yet: days since 1970, shape (wearers, 1 + vitals), -1 where there is none."""

    wearers: Sequence[bytes]
    days: _Days


class NewestDays:
    """What one writer has told the table; others may have told it more, and then its statement changes nothing."""

    def __init__(self) -> None:
        self._rows: dict[bytes, int] = {}
        self._days = np.full((_FIRST_CAPACITY, len(_COLUMNS)), _NONE, dtype=np.int32)

    def news(self, readings: Frame) -> News | None:
        """Return what the rows add, sorted by wearer; None where they add nothing.

        Rows of one wearer lie together, as `merge_readings` sorts them.
        """
        if readings.rows == 0:
            return None
        ids, wearer = readings.ids("wearer")
        first = np.flatnonzero(np.diff(wearer, prepend=wearer[0] - 1))
        wearers = [ids[code] for code in wearer[first].tolist()]
        days = _newest(readings, first)
        told = self._days[[self._rows.get(one, _NOBODY) for one in wearers]]
        new = np.flatnonzero((days > told).any(axis=1))
        if len(new) == 0:
            return None
        order = sorted(new.tolist(), key=wearers.__getitem__)
        return News([wearers[row] for row in order], np.maximum(days, told)[order])

    def remember(self, news: News) -> None:
        """Keep in mind what a transaction has told; for after its commit."""
        rows = [self._rows.setdefault(one, len(self._rows) + 1) for one in news.wearers]
        while len(self._rows) >= len(self._days):
            self._days = np.concatenate((self._days, np.full_like(self._days, _NONE)))
        self._days[rows] = news.days

    def forget(self) -> None:
        """Remember nothing: the database may have lost what it was told."""
        self._rows.clear()
        self._days.fill(_NONE)


def _newest(readings: Frame, first: npt.NDArray[np.int64]) -> _Days:
    day = (readings.integers("time") // DAY_US).astype(np.int32)
    days = np.full((len(first), len(_COLUMNS)), _NONE, dtype=np.int32)
    days[:, 0] = np.maximum.reduceat(day, first)
    for place, name in enumerate(NAMES, start=1):
        if not readings.absent(name):
            days[:, place] = np.maximum.reduceat(np.where(readings.known(name), day, _NONE), first)
    return days


async def tell(connection: _Connection, news: News) -> None:
    """Write news within the caller's transaction."""
    numbers: set[int] = set(news.days.ravel().tolist())
    by_number = {number: None if number == _NONE else _EPOCH + timedelta(days=number) for number in numbers}
    columns = [[by_number[number] for number in column] for column in news.days.T.tolist()]
    await connection.execute(_TELL, [UUID(bytes=raw) for raw in news.wearers], *columns)


async def count_again(connection: _Connection) -> None:
    """Fill the table anew from the readings that are stored: for rows that no writer told of."""
    await connection.execute("DELETE FROM newest_days")
    await connection.execute(_COUNT_AGAIN)
