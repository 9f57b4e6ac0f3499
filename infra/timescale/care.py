"""Alerts in the database: present state, append-only history, answers to commands, and the outbox."""

from collections.abc import Callable, Collection, Sequence
from typing import Final

import asyncpg
import msgspec

from infra.timescale.pool import database_errors
from infra.timescale.state import move_offsets
from schemas.alerts import Alert, decode_command, encode_command
from schemas.errors import DatabaseAwayError
from stream_processors.operators.care import Moment, Tracked
from stream_processors.ports import CareBook, CareEntries, CareQuestion, Emission, OffsetMove

FAMILY: Final = "care"

_Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

_LOCK: Final = """
SELECT pg_advisory_xact_lock(key)
FROM (
    SELECT DISTINCT hashtextextended('subject ' || subject, 0) AS key FROM unnest($1::text[]) AS subject ORDER BY key
) AS ordered
"""
_LOAD: Final = """
SELECT
    (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms,
    system.value::bigint AS generation,
    ARRAY(SELECT command_id FROM command_results WHERE command_id = ANY($3::uuid[])) AS answered,
    ARRAY(
        SELECT early::text FROM command_results WHERE alert_id = ANY($1::uuid[]) AND early IS NOT NULL
        ORDER BY number
    ) AS early,
    known.state::text AS state,
    known.episode_revisions::text AS taken
FROM system LEFT JOIN (
    SELECT state, episode_revisions FROM alerts WHERE alert_id IN (
        SELECT unnest($1::uuid[])
        UNION ALL
        SELECT alert_id FROM alerts WHERE subject = ANY($2::text[]) AND condition = 'active'
    )
) AS known ON true
WHERE system.key = 'care_generation'
"""
_KEEP_ALERTS: Final = """
INSERT INTO alerts (alert_id, episode_id, revision, subject, wearer_id, kind, type, priority, condition, response,
    onset, raised, cleared, state, episode_revisions)
SELECT (state->>'alert_id')::uuid, (state->>'episode_id')::uuid, (state->>'revision')::bigint, subject,
    (state->'subject'->>'wearer')::uuid, state->>'kind', state->>'type', state->>'priority', state->>'condition',
    state->>'response', timestamptz 'epoch' + (state->>'onset_ms')::bigint * interval '1 millisecond',
    timestamptz 'epoch' + (state->>'raised_ms')::bigint * interval '1 millisecond',
    timestamptz 'epoch' + (state->>'cleared_ms')::bigint * interval '1 millisecond', state, taken
FROM unnest($1::text[], $2::jsonb[], $3::jsonb[]) AS entry (subject, state, taken)
ORDER BY state->>'condition' = 'active' -- what is cleared makes room for what is raised
ON CONFLICT (alert_id) DO UPDATE SET revision = EXCLUDED.revision, priority = EXCLUDED.priority,
    condition = EXCLUDED.condition, response = EXCLUDED.response, cleared = EXCLUDED.cleared,
    state = EXCLUDED.state, episode_revisions = EXCLUDED.episode_revisions
WHERE alerts.revision < EXCLUDED.revision
"""
_ADD_HISTORY: Final = """
INSERT INTO alert_events (alert_id, number, kind, at, by_user, by_name, note, outcome, command_id)
SELECT alert_id, number, kind, timestamptz 'epoch' + at_ms * interval '1 millisecond', by_user, by_name, note, outcome,
    command_id
FROM unnest($1::uuid[], $2::integer[], $3::text[], $4::bigint[], $5::uuid[], $6::text[], $7::text[], $8::text[],
    $9::uuid[]) AS line (alert_id, number, kind, at_ms, by_user, by_name, note, outcome, command_id)
"""
_KEEP_ANSWERS: Final = """
INSERT INTO command_results (command_id, alert_id, status, detail, early)
SELECT command_id, alert_id, status, detail, early
FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[], $5::jsonb[]) WITH ORDINALITY
    AS answer (command_id, alert_id, status, detail, early, place)
ORDER BY place
ON CONFLICT (command_id) DO UPDATE SET status = EXCLUDED.status, detail = EXCLUDED.detail, early = EXCLUDED.early,
    recorded_at = EXCLUDED.recorded_at
WHERE command_results.early IS NOT NULL
"""
_ADD_OUTBOX: Final = """
INSERT INTO outbox (topic, partition, key, value)
SELECT topic, partition, key, value
FROM unnest($1::text[], $2::integer[], $3::bytea[], $4::bytea[]) WITH ORDINALITY
    AS entry (topic, partition, key, value, place)
ORDER BY place
"""
_WAITING: Final = """
SELECT outbox_id, topic, partition, key, value FROM outbox
WHERE partition = ANY($1::integer[]) AND published_at IS NULL
ORDER BY outbox_id LIMIT $2
"""
_MARK_PUBLISHED: Final = """
WITH old AS (DELETE FROM outbox WHERE published_at < now() - interval '1 day')
UPDATE outbox SET published_at = now() WHERE outbox_id = ANY($1::bigint[])
"""
_RAISE: Final = """
UPDATE system
SET value = greatest(value::bigint + 1, extract(epoch FROM clock_timestamp())::bigint - 1767225600)::text
WHERE key = 'care_generation'
RETURNING value::bigint
"""
"""Seconds since 2026: more than any revision that was published in the life of this database, or of a later copy."""


async def raise_generation(connection: _Connection) -> int:
    """Let every revision from now on be higher than any published before; called once after a database was put back.

    What was put back does not know what was published after it was copied, so the number comes from the clock, which
    also tells two restores of the same copy apart. Returns the new generation.

    Raises:
        DatabaseAwayError: The database cannot be written now, or has no generation: it is not migrated.
    """
    with database_errors():
        raised = await connection.fetchval(_RAISE)
    if raised is None:
        raise DatabaseAwayError("The database has no `care_generation` in the table `system`: is it being put back?")
    return int(raised)


class TimescaleCareStore:
    """Keeps alerts in the database; a `CareStore`."""

    def __init__(self, pool: asyncpg.Pool, *, version: str, cluster_id: str) -> None:
        self._pool = pool
        self._version = version
        self._cluster_id = cluster_id

    async def transact(
        self, question: CareQuestion, moves: Sequence[OffsetMove], decide: Callable[[CareBook], CareEntries]
    ) -> None:
        """Lock the subjects, `decide` on what is known of them, write its entries, move the offsets: all or nothing.

        Locks are taken in the order of their keys, so two batches never wait for each other in a circle.

        Raises:
            DatabaseAwayError: Nothing is known to be written; the same call may work later.
            StaleOwnerError: An offset was not the expected one; nothing was written.
            ContractError: The database will never take these rows; nothing was written.
        """
        with database_errors():
            async with self._pool.acquire() as connection, connection.transaction(isolation="read_committed"):
                await move_offsets(
                    connection, family=FAMILY, version=self._version, cluster_id=self._cluster_id, moves=moves
                )
                await connection.execute(_LOCK, list(question.subjects))
                await _write(connection, decide(await _load(connection, question)))

    async def waiting(self, partitions: Collection[int], most: int) -> Sequence[tuple[int, Emission]]:
        """Return the first `most` unpublished records of these partitions with their numbers, in order.

        Raises:
            DatabaseAwayError: Try again.
        """
        with database_errors():
            rows = await self._pool.fetch(_WAITING, list(partitions), most)
        return [
            (
                row["outbox_id"],
                Emission(topic=row["topic"], partition=row["partition"], key=row["key"], value=row["value"]),
            )
            for row in rows
        ]

    async def mark_published(self, numbers: Sequence[int]) -> None:
        """Mark records as published, and remove those published more than a day ago.

        Raises:
            DatabaseAwayError: Try again.
        """
        with database_errors():
            await self._pool.execute(_MARK_PUBLISHED, list(numbers))


async def _load(connection: _Connection, question: CareQuestion) -> CareBook:
    rows = await connection.fetch(_LOAD, list(question.alert_ids), list(question.subjects), list(question.command_ids))
    if not rows:
        raise DatabaseAwayError("The database has no `care_generation` in the table `system`: is it being put back?")
    known = [
        Tracked(
            alert=msgspec.json.decode(row["state"], type=Alert),
            taken=msgspec.json.decode(row["taken"], type=dict[str, int]),
        )
        for row in rows
        if row["state"] is not None
    ]
    return CareBook(
        moment=Moment(now_ms=rows[0]["now_ms"], generation=rows[0]["generation"]),
        alerts={tracked.alert.alert_id: tracked for tracked in known},
        answered=frozenset(rows[0]["answered"]),
        early=[decode_command(command.encode()) for command in rows[0]["early"]],
    )


async def _write(connection: _Connection, entries: CareEntries) -> None:
    if entries.alerts:
        await connection.execute(
            _KEEP_ALERTS,
            [tracked.alert.subject.key for tracked in entries.alerts],
            [msgspec.json.encode(tracked.alert).decode() for tracked in entries.alerts],
            [msgspec.json.encode(tracked.taken).decode() for tracked in entries.alerts],
        )
    if entries.history:
        await connection.execute(
            _ADD_HISTORY,
            [line.alert_id for line in entries.history],
            [line.number for line in entries.history],
            [line.event.kind for line in entries.history],
            [line.event.at_ms for line in entries.history],
            [line.event.by for line in entries.history],
            [line.event.by_name for line in entries.history],
            [line.event.note for line in entries.history],
            [line.event.outcome for line in entries.history],
            [line.command_id for line in entries.history],
        )
    if entries.answers:
        await connection.execute(
            _KEEP_ANSWERS,
            [command.command_id for command, _ in entries.answers],
            [command.alert_id for command, _ in entries.answers],
            [answer.status for _, answer in entries.answers],
            [answer.detail for _, answer in entries.answers],
            [encode_command(command).decode() if answer.early else None for command, answer in entries.answers],
        )
    if entries.outbox:
        await connection.execute(
            _ADD_OUTBOX,
            [emission.topic for emission in entries.outbox],
            [emission.partition for emission in entries.outbox],
            [emission.key for emission in entries.outbox],
            [emission.value for emission in entries.outbox],
        )
