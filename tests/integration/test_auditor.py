"""The auditor against a real database: it passes a faithful one, and finds each thing that is done to a row."""

import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import asyncpg
import numpy as np
import pytest

from infra.chaos.alerts import stored_alerts
from infra.chaos.auditor import AuditError, Database, Findings, Wearer, audit
from infra.chaos.journal import Journal
from infra.chaos.made_readings import ALL, VITALS, table_of_values
from infra.embedded.postgres import client_program
from infra.timescale.migrate import apply_migrations
from infra.timescale.partitions import Partitions
from infra.timescale.pool import open_pool
from tests.made_frames import NOW_MS

pytestmark = pytest.mark.connected

VALUES = table_of_values(7)
PEOPLE = 3
EACH = 50
_READING = f"""
INSERT INTO readings (wearer_id, time, stream_id, received, clock_offset_ms, origin, injected, backfill,
    {", ".join(VITALS)})
SELECT $1, to_timestamp($3 / 1000.0), (SELECT device_number FROM devices WHERE device_id = $2) * 256::bigint + 1, now(),
    0, 2, false, false, $4, $5, $6, $7, $8, $9
"""
_BIN = """
INSERT INTO scores (wearer_id, bin, bin_ms, tier, tier0, model, readings, late, backfill, received)
VALUES ($1, to_timestamp($2 / 1000.0), 5000, 0, false, 'none/1', $3, 0, 0, now())
"""


@dataclass(frozen=True, slots=True)
class Audited:
    """A database that holds what the journal says, and a connection to change it with."""

    url: str
    journal: Path
    wearers: list[Wearer]
    connection: asyncpg.pool.PoolConnectionProxy

    def findings(self) -> Findings:
        """Let the auditor look."""
        return audit(Database(client_program("psql"), self.url), self.journal, self.wearers, VALUES)


@pytest.fixture
async def faithful(database_url: str, tmp_path: Path) -> AsyncIterator[Audited]:
    """Three wearers with 50 acknowledged readings in one bin of 5 s each, all stored and scored."""
    pool = await open_pool(database_url, size=2)
    journal = Journal(tmp_path)
    wearers = [Wearer(index, str(uuid.uuid4()), str(uuid.uuid4())) for index in range(PEOPLE)]
    try:
        await apply_migrations(pool)
        for table in ("readings", "scores"):
            await Partitions(pool).ensure(table, np.array([NOW_MS * 1000]))
        async with pool.acquire() as connection:
            for one in wearers:
                await _fill(connection, one)
                for number in range(EACH):
                    journal.write(one.index, [(NOW_MS + number * 20, number, ALL)], acked=True)
            journal.close()
            yield Audited(database_url, tmp_path, wearers, connection)
    finally:
        await pool.close()


async def _fill(connection: asyncpg.pool.PoolConnectionProxy, one: Wearer) -> None:
    wearer, device = uuid.UUID(one.wearer_id), uuid.UUID(one.device_id)
    await connection.execute("INSERT INTO wearers (wearer_id, name) VALUES ($1, 'made')", wearer)
    await connection.execute(
        "INSERT INTO devices (device_id, wearer_id, model, token_sha256) VALUES ($1, $2, 'made', $3)",
        device, wearer, device.bytes,
    )  # fmt: skip
    rows = [(wearer, device, NOW_MS + number * 20, *VALUES[number].tolist()) for number in range(EACH)]
    await connection.executemany(_READING, rows)
    await connection.execute(_BIN, wearer, NOW_MS - NOW_MS % 5000, EACH)


async def test_a_faithful_database_passes(faithful: Audited) -> None:
    """What is stored as it was sent is no breach, whatever the digits of a value."""
    found = faithful.findings()
    assert (found.sent, found.acked, found.stored, found.scored) == (150, 150, 150, 150)
    assert (found.lost, found.doubled, found.wrong, found.shown) == (0, 0, 0, [])


@pytest.mark.parametrize(("change", "breach"), [
    ("DELETE FROM readings WHERE ctid = (SELECT min(ctid) FROM readings)", "lost"),
    ("UPDATE readings SET spo2 = NULL WHERE ctid = (SELECT min(ctid) FROM readings)", "lost"),
    ("UPDATE readings SET motion = motion + 0.0001 WHERE ctid = (SELECT min(ctid) FROM readings)", "wrong"),
    ("UPDATE scores SET readings = readings + 1 WHERE ctid = (SELECT min(ctid) FROM scores)", "doubled"),
])  # fmt: skip
async def test_each_change_is_found(faithful: Audited, change: str, breach: str) -> None:
    """One row taken away, emptied, altered or counted again is one breach of its kind, and no other."""
    await faithful.connection.execute(change)
    found = faithful.findings()
    counts = {"lost": found.lost, "wrong": found.wrong, "doubled": found.doubled}
    assert counts == {"lost": 0, "wrong": 0, "doubled": 0, breach: 1}
    assert len(found.shown) == 1


async def test_rows_that_nobody_sent_are_wrong(faithful: Audited) -> None:
    """A row of another time, of another stream, and of a wearer who sent nothing are three wrong ones."""
    copy = (
        "INSERT INTO readings (wearer_id, time, stream_id, received, clock_offset_ms, origin, injected, backfill) "
        "SELECT {}, {}, {}, received, 0, 2, false, false FROM readings LIMIT 1"
    )
    for wearer, time, stream in (
        ("wearer_id", "time + interval '7 ms'", "stream_id"),
        ("wearer_id", "time", "stream_id + 1"),
        ("gen_random_uuid()", "time", "stream_id"),
    ):
        await faithful.connection.execute(copy.format(wearer, time, stream))
    found = faithful.findings()
    assert (found.lost, found.doubled, found.wrong) == (0, 0, 3)


async def test_no_alerts_are_read_as_none(faithful: Audited) -> None:
    """The question for alerts is understood by the database."""
    assert stored_alerts(Database(client_program("psql"), faithful.url)) == []


def test_a_database_that_is_away_is_no_breach() -> None:
    """Where nothing answers the auditor says so, instead of counting everything as lost."""
    with pytest.raises(AuditError):
        Database(client_program("psql"), "postgresql://nobody:none@127.0.0.1:9/none").table("SELECT 1 AS one")
