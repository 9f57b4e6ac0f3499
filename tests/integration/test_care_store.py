"""Care on a real PostgreSQL: what a batch writes, it writes whole, once and in order."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import asyncpg
import msgspec
import pytest

from infra.timescale import care
from infra.timescale.care import TimescaleCareStore, raise_generation
from infra.timescale.migrate import apply_migrations
from infra.timescale.pool import open_pool
from schemas import alerts
from schemas.alerts import Alert, Command
from schemas.episodes import Episode, Subject
from schemas.errors import BrokerAwayError, ContractError, DatabaseAwayError, StaleOwnerError
from stream_processors.families.care import CareFamily, partition_of
from stream_processors.operators.care import GENERATION_STEP
from stream_processors.ports import Emission, OffsetMove, Record
from tests.care_events import ANNA, BERT, ONSET_MS, SUBJECT, WEARER, command, ended, episode
from tests.embedded_services import BOTH_DATABASES

pytestmark = [pytest.mark.connected, BOTH_DATABASES]

ALERT_ID = alerts.alert_id(episode().episode_id)
PARTITION = partition_of(SUBJECT)
_WAITERS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"


class RecordingPublisher:
    """Keeps what it is told to publish; `away` makes it fail that many times after it has published."""

    def __init__(self) -> None:
        self.told: list[Emission] = []
        self.away = 0

    async def publish(self, emissions: Sequence[Emission]) -> None:
        """Keep the emissions, and then fail if told so."""
        self.told += emissions
        if self.away:
            self.away -= 1
            raise BrokerAwayError("The answer was lost.")

    def changes(self) -> list[tuple[int, str]]:
        """Return revision and CloudEvents type of all that was published, in order."""
        told = [msgspec.json.decode(each.value, type=alerts.AlertChange) for each in self.told]
        return [(change.data.revision - GENERATION_STEP, change.type.rsplit(".", 1)[-1]) for change in told]


@pytest.fixture
async def pool(database_url: str) -> AsyncIterator[asyncpg.Pool]:
    """A migrated database."""
    pool = await open_pool(database_url, size=8)
    await apply_migrations(pool)
    yield pool
    await pool.close()


@pytest.fixture
def publisher() -> RecordingPublisher:
    """A publisher that keeps what it is told."""
    return RecordingPublisher()


@pytest.fixture
def family(pool: asyncpg.Pool, publisher: RecordingPublisher) -> CareFamily:
    """The care family on that database."""
    return CareFamily(TimescaleCareStore(pool, version=CareFamily.version, cluster_id="cluster"), publisher)


def batch(*events: Episode | Command) -> list[tuple[Record, Episode | Command]]:
    """Return events as a host hands them to a family."""
    record = Record(topic="episodes.v1", partition=PARTITION, offset=0, append_ms=0, key=None, value=b"")
    return [(record, event) for event in events]


def move(expected: int | None, following: int) -> OffsetMove:
    """Return a move of the episodes' offset."""
    return OffsetMove(topic="episodes.v1", partition=PARTITION, expected=expected, next=following, clock_ms=1)


async def stored(pool: asyncpg.Pool, alert_id: UUID = ALERT_ID) -> Alert:
    """Return the alert as it lies in the database."""
    state = await pool.fetchval("SELECT state::text FROM alerts WHERE alert_id = $1", alert_id)
    return msgspec.json.decode(state, type=Alert)


async def rows(pool: asyncpg.Pool, table: str) -> int:
    """Return how many rows a table has."""
    count: int = await pool.fetchval(f"SELECT count(*) FROM {table}")
    return count


async def written(pool: asyncpg.Pool) -> list[int]:
    """Return how many rows each of care's tables has, offsets included."""
    tables = ("alerts", "alert_events", "command_results", "outbox", "processor_state")
    return [await rows(pool, table) for table in tables]


async def test_a_batch_writes_everything(pool: asyncpg.Pool, family: CareFamily) -> None:
    """One batch writes the alert, its history, the answer, what waits to be told, and the offset."""
    await family.write(batch(episode(), command("acknowledge")), [move(None, 2)])
    assert await written(pool) == [1, 2, 1, 2, 1]


async def test_stored_and_told_alert_are_the_same(
    pool: asyncpg.Pool, family: CareFamily, publisher: RecordingPublisher
) -> None:
    """The alert in the database, the one on the topic, and the columns beside it agree."""
    await family.write(batch(episode(), command("acknowledge", note="On my way, \u00e0 pied")), [])
    await family.settle([PARTITION])
    alert = await stored(pool)
    assert alerts.decode_change(publisher.told[-1].value) == alert
    row = await pool.fetchrow(
        "SELECT subject, wearer_id, kind, priority, condition, response, revision, cleared, "
        "(extract(epoch FROM onset) * 1000)::bigint AS onset_ms FROM alerts"
    )
    assert row is not None
    assert tuple(row) == (
        SUBJECT.key, WEARER, alert.kind, alert.priority, alert.condition, alert.response, alert.revision, None,
        ONSET_MS,
    )  # fmt: skip


async def test_the_history_table_holds_the_alerts_events(pool: asyncpg.Pool, family: CareFamily) -> None:
    """The append-only lines are the events of the alert, in order."""
    await family.write(batch(episode(), command("acknowledge")), [])
    await family.write(batch(command("resolve", number=2, outcome="false alarm", note="asleep"), ended(2)), [])
    lines = await pool.fetch(
        "SELECT kind, (extract(epoch FROM at) * 1000)::bigint AS at_ms, by_user AS by, by_name, note, outcome "
        "FROM alert_events WHERE alert_id = $1 ORDER BY number",
        ALERT_ID,
    )
    assert [alerts.AlertEvent(**line) for line in lines] == (await stored(pool)).events
    assert [line["kind"] for line in lines] == ["raised", "acknowledged", "resolved", "cleared"]


async def test_a_stale_offset_writes_nothing(pool: asyncpg.Pool, family: CareFamily) -> None:
    """A batch whose offset was moved by another leaves no trace."""
    await family.write([], [move(None, 5)])
    with pytest.raises(StaleOwnerError):
        await family.write(batch(episode(), command("acknowledge")), [move(4, 6)])
    assert await written(pool) == [0, 0, 0, 0, 1]


async def test_a_row_that_the_database_refuses_writes_nothing(pool: asyncpg.Pool, family: CareFamily) -> None:
    """A text that PostgreSQL cannot hold refuses the whole batch, offset included, as a broken contract."""
    with pytest.raises(ContractError):
        await family.write(batch(episode(), command("seen", note="\x00")), [move(None, 2)])
    assert await written(pool) == [0, 0, 0, 0, 0]


async def test_a_repeated_batch_changes_nothing(pool: asyncpg.Pool, family: CareFamily) -> None:
    """Episodes and commands that come again add nothing but the offset."""
    events = batch(episode(), command("acknowledge"), command("resolve", number=2))
    await family.write(events, [move(None, 3)])
    before, alert = await written(pool), await stored(pool)
    await family.write(events, [move(3, 6)])
    assert (await written(pool), await stored(pool)) == (before, alert)


async def test_a_refusal_is_kept_with_its_detail(pool: asyncpg.Pool, family: CareFamily) -> None:
    """A refused command leaves an answer that says why."""
    await family.write(batch(command("acknowledge")), [])
    answer = await pool.fetchrow("SELECT command_id, alert_id, status, detail FROM command_results")
    assert answer is not None
    assert tuple(answer) == (UUID(int=1), ALERT_ID, "refused", "There is no such alert for this subject.")


async def test_answers_that_come_before_their_alert_are_kept(pool: asyncpg.Pool, family: CareFamily) -> None:
    """Commands read before their alert's episode, as after a restore, are answered anew and in order when it comes."""
    await family.write(batch(command("seen"), command("acknowledge", number=2)), [])
    await family.write(batch(command("resolve", number=3, outcome="false alarm"), command("seen")), [])
    await family.write(batch(episode()), [])
    await family.write(batch(episode(), command("seen")), [])
    assert [line.kind for line in (await stored(pool)).events] == ["raised", "seen", "acknowledged", "resolved"]
    answers = await pool.fetch("SELECT status, detail, early FROM command_results")
    assert [tuple(answer) for answer in answers] == [("done", None, None)] * 3


async def test_a_database_without_its_generation_is_waited_for(pool: asyncpg.Pool, family: CareFamily) -> None:
    """A database in which the generation of revisions is missing is taken as not ready, and nothing is written."""
    await pool.execute("DELETE FROM system WHERE key = 'care_generation'")
    with pytest.raises(DatabaseAwayError):
        await family.write(batch(episode()), [move(None, 1)])
    assert await written(pool) == [0, 0, 0, 0, 0]


async def test_a_newer_episode_supersedes_in_one_transaction(pool: asyncpg.Pool, family: CareFamily) -> None:
    """However many episodes of a condition come in a batch, the newest one's alert alone is uncleared."""
    for first in (0, 3):
        await family.write(batch(*[episode(ONSET_MS + number * 60_000) for number in range(first, first + 3)]), [])
    uncleared = await pool.fetch("SELECT onset FROM alerts WHERE condition = 'active'")
    assert [row["onset"].timestamp() * 1000 for row in uncleared] == [ONSET_MS + 5 * 60_000]
    reasons = await pool.fetch("SELECT DISTINCT state->>'cleared_reason' FROM alerts WHERE condition = 'cleared'")
    assert [row[0] for row in reasons] == ["superseded"]


async def test_a_raised_generation_lifts_revisions(pool: asyncpg.Pool, family: CareFamily) -> None:
    """After the generation is raised, the next change has a revision above any of the last generation."""
    await family.write(batch(episode()), [])
    async with pool.acquire() as connection:
        generation = await raise_generation(connection)
    await family.write(batch(command("seen")), [])
    assert (await stored(pool)).revision == generation * GENERATION_STEP + 1


async def test_each_restore_of_the_same_copy_has_a_generation_of_its_own(pool: asyncpg.Pool) -> None:
    """A generation raised in a copy lies above one raised earlier, also where the copy does not know of that one."""
    async with pool.acquire() as connection:
        first = await raise_generation(connection)
        assert await raise_generation(connection) > first
        await connection.execute("UPDATE system SET value = '1' WHERE key = 'care_generation'")
        await connection.execute("SELECT pg_sleep(1)")  # a copy is not put back twice in a second
        assert await raise_generation(connection) > first
    assert first > 20_000_000


@pytest.mark.parametrize(
    "forbidden", ["UPDATE alert_events SET note = 'x'", "DELETE FROM alert_events", "TRUNCATE alert_events"]
)
async def test_history_is_append_only(pool: asyncpg.Pool, family: CareFamily, forbidden: str) -> None:
    """The database itself refuses to change or remove a line of an alert's history."""
    await family.write(batch(episode()), [])
    with pytest.raises(asyncpg.RaiseError, match="append-only"):
        await pool.execute(forbidden)


async def test_the_outbox_is_published_once_and_in_order(family: CareFamily, publisher: RecordingPublisher) -> None:
    """Every change is published once, in the order in which it was decided."""
    await family.write(batch(episode(), command("seen")), [])
    await family.settle([PARTITION])
    await family.write(batch(episode(revision=2, phase="updated", tier=3), ended(3)), [])
    await family.settle([PARTITION])
    await family.settle([PARTITION])
    assert publisher.changes() == [(1, "raised"), (2, "seen"), (3, "updated"), (4, "cleared")]


async def test_a_lost_publish_is_repeated(family: CareFamily, publisher: RecordingPublisher) -> None:
    """What is not known to be published is published again, in the same order."""
    publisher.away = 1
    await family.write(batch(episode(), command("seen")), [])
    with pytest.raises(BrokerAwayError):
        await family.settle([PARTITION])
    await family.settle([PARTITION])
    assert publisher.changes() == [(1, "raised"), (2, "seen")] * 2


async def test_other_partitions_are_left_to_their_owner(family: CareFamily, publisher: RecordingPublisher) -> None:
    """Settling one partition leaves the outbox of the others alone."""
    await family.write(batch(episode()), [])
    await family.settle([number for number in range(12) if number != PARTITION])
    assert publisher.told == []


async def test_what_was_published_yesterday_is_removed(pool: asyncpg.Pool, family: CareFamily) -> None:
    """Published records go after a day; younger ones and waiting ones stay."""
    await family.write(batch(episode(), command("seen")), [])
    await family.settle([PARTITION])
    await pool.execute(
        "UPDATE outbox SET published_at = now() - interval '25 hours' "
        "WHERE outbox_id = (SELECT min(outbox_id) FROM outbox)"
    )
    await family.write(batch(ended(2)), [])
    assert await rows(pool, "outbox") == 3
    await family.settle([PARTITION])
    assert await rows(pool, "outbox") == 2


async def waiting_for_locks(pool: asyncpg.Pool, wanted: int) -> None:
    """Return when this many sessions wait for an advisory lock; fail after ten seconds."""
    async with asyncio.timeout(10):
        while await pool.fetchval(_WAITERS) < wanted:  # noqa: ASYNC110 - another process has no event to set
            await asyncio.sleep(0.01)


async def test_two_batches_about_one_subject_follow_one_another(pool: asyncpg.Pool, family: CareFamily) -> None:
    """Two people who acknowledge at once are both recorded, and one of them is in charge."""
    await family.write(batch(episode()), [])
    async with pool.acquire() as holder, asyncio.TaskGroup() as both:
        transaction = holder.transaction()
        await transaction.start()
        await holder.execute(care._LOCK, [SUBJECT.key])
        both.create_task(family.write(batch(command("acknowledge", ANNA, 1)), []))
        both.create_task(family.write(batch(command("acknowledge", BERT, 2)), []))
        await waiting_for_locks(pool, 2)
        await transaction.rollback()
    alert = await stored(pool)
    assert [line.kind for line in alert.events] == ["raised", "acknowledged", "acknowledged"]
    assert alert.acknowledged_by == alert.events[1].by
    assert {line.by for line in alert.events[1:]} == {ANNA, BERT}


async def test_batches_that_share_subjects_never_lock_in_a_circle(pool: asyncpg.Pool, family: CareFamily) -> None:
    """Batches over the same subjects in opposite orders all succeed."""
    events = [
        episode(subject=Subject(zone=f"z{number}"), condition="many_affected", episode_id=UUID(int=number))
        for number in range(40)
    ]
    async with asyncio.TaskGroup() as group:
        for turn in range(8):
            group.create_task(family.write(batch(*events[:: 1 if turn % 2 else -1]), []))
    assert await rows(pool, "alerts") == 40
    assert await rows(pool, "outbox") == 40


@pytest.mark.parametrize(
    ("query", "arguments", "indexes"),
    [
        (care._LOAD, ([ALERT_ID], [SUBJECT.key], [UUID(int=1)]), ("alerts_pkey", "alerts_one_uncleared")),
        (care._WAITING, ([PARTITION], 1000), ("outbox_waiting",)),
        (care._MARK_PUBLISHED, ([1],), ("outbox_pkey", "outbox_published")),
    ],
    ids=["load", "waiting", "mark"],
)
async def test_hot_queries_use_their_indexes(
    pool: asyncpg.Pool, query: str, arguments: tuple[object, ...], indexes: tuple[str, ...]
) -> None:
    """The queries of every batch have an index for each condition, so they do not slow down as tables grow."""
    async with pool.acquire() as connection:
        await connection.execute("SET enable_seqscan = off")
        plan = "\n".join(row[0] for row in await connection.fetch(f"EXPLAIN {query}", *arguments))
    assert [index for index in indexes if index not in plan] == []
    assert "Seq Scan on alerts" not in plan
    assert "Seq Scan on outbox" not in plan
