"""What the bench's auditor reads from the database: plain rows, by plain SQL, sharing nothing with the writers."""

import io
from typing import Self

import asyncpg
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv


class StoredRows:
    """A connection of the auditor's own."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._connection: asyncpg.Connection | None = None

    async def __aenter__(self) -> Self:
        self._connection = await asyncpg.connect(self._dsn)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._connection is not None:
            await self._connection.close()

    async def stored(self) -> int:
        """Return how many readings are stored."""
        return await self._one("SELECT count(*) FROM readings")

    async def scored(self) -> int:
        """Return how many readings lie in scored bins."""
        return await self._one("SELECT coalesce(sum(readings), 0)::bigint FROM scores")

    async def readings(self, columns: tuple[str, ...]) -> pa.Table:
        """Return every stored reading: wearer (text), time_ms, and the named vitals."""
        names = ", ".join(f'"{column}"' for column in columns)
        at = "(extract(epoch FROM time) * 1000)::bigint AS time_ms"
        return await self._table(
            f"SELECT wearer_id::text AS wearer, {at}, {names} FROM readings"  # noqa: S608 - the bench's own constants
        )

    async def bins(self) -> pa.Table:
        """Return every scored bin: wearer (text), bin_ms, readings."""
        at = "(extract(epoch FROM bin) * 1000)::bigint AS bin_ms"
        return await self._table(f"SELECT wearer_id::text AS wearer, {at}, readings FROM scores")  # noqa: S608 - as above

    async def sizes(self) -> dict[str, int]:
        """Return the bytes of each table, its partitions and indexes with it."""
        assert self._connection is not None  # noqa: S101 - entered as a context
        rows = await self._connection.fetch(
            "SELECT coalesce(parent.relname, child.relname) AS name, "
            "sum(pg_total_relation_size(child.oid))::bigint AS bytes "
            "FROM pg_class child LEFT JOIN pg_inherits ON inhrelid = child.oid LEFT JOIN pg_class parent ON "
            "parent.oid = inhparent "
            "WHERE child.relkind = 'r' AND child.relnamespace = 'public'::regnamespace GROUP BY 1"
        )
        return {row["name"]: row["bytes"] for row in rows}

    async def _one(self, query: str) -> int:
        assert self._connection is not None  # noqa: S101 - entered as a context
        value: int = await self._connection.fetchval(query)
        return value

    async def _table(self, query: str) -> pa.Table:
        assert self._connection is not None  # noqa: S101 - entered as a context
        sink = io.BytesIO()
        await self._connection.copy_from_query(query, output=sink, format="csv", header=True)
        sink.seek(0)
        return pa.csv.read_csv(sink)


def keys(table: pa.Table, index_of: dict[str, int], time: str) -> npt.NDArray[np.int64]:
    """Return one integer an identity: device index x 2^44 + time in ms; wearers that are not ours get -1."""
    wearers = table.column("wearer").cast(pa.string()).combine_chunks().dictionary_encode()
    index = np.array([index_of.get(name, -1) for name in wearers.dictionary.to_pylist()], dtype=np.int64)
    at = index[wearers.indices.to_numpy()] if len(index) else np.zeros(0, dtype=np.int64)
    times = table.column(time).cast(pa.int64()).to_numpy()
    return np.where(at < 0, -1, at * (1 << 44) + times)
