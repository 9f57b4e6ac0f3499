"""The lock of the one active process: one holds it, whoever loses it writes nothing."""

import asyncio
import time

import asyncpg
import pytest

from infra.timescale.lease import HELD_MOST_S, PING_EVERY_S, TimescaleLease, TimescaleLeases
from infra.timescale.state import TimescaleStateStore
from schemas.errors import LeaseLostError, StaleOwnerError
from stream_processors.ports import OffsetMove, SavedState
from tests.conformance.worlds import until

pytestmark = pytest.mark.connected

FAMILY, TOPIC = "zones", "scores.v1"


def _state(blob: bytes) -> SavedState:
    return SavedState(
        family=FAMILY, topic=TOPIC, partition=0, cluster_id="c", next_offset=0, clock_ms=5, version="1", blob=blob
    )


def _moves(expected: int | None, following: int) -> list[OffsetMove]:
    """Return the moves of three partitions, each one further than the one before."""
    return [
        OffsetMove(
            topic=TOPIC,
            partition=number,
            expected=None if expected is None else expected + number,
            next=following + number,
            clock_ms=5,
        )
        for number in range(3)
    ]


async def _won(leases: TimescaleLeases) -> TimescaleLease:
    """Return the lease once it can be had."""
    found: list[TimescaleLease] = []

    async def tried() -> bool:
        lease = await leases.win()
        found.extend([] if lease is None else [lease])
        return bool(found)

    await until(tried, 60.0)
    return found[0]


async def test_one_holds_it_until_it_lets_go(database_url: str, pool: asyncpg.Pool) -> None:
    """A second one gets nothing while the first holds the lock, and has it once that was given back."""
    del pool
    first, second = (TimescaleLeases(database_url, name="zones") for _ in range(2))
    lease = await _won(first)
    assert lease.held
    assert await second.win() is None
    await lease.release()
    other = await _won(second)
    await other.release()
    await first.close()
    await second.close()


async def test_state_and_offsets_move_together(database_url: str, pool: asyncpg.Pool) -> None:
    """What is saved is loaded again; from another offset nothing is written at all."""
    leases, store = TimescaleLeases(database_url, name="zones"), TimescaleStateStore(pool)
    lease = await _won(leases)
    await lease.save(_state(b"one"), _moves(None, 10))
    await lease.save(_state(b"two"), _moves(10, 20))
    with pytest.raises(StaleOwnerError):
        await lease.save(_state(b"three"), _moves(10, 30))
    rows = [await store.load(FAMILY, TOPIC, number) for number in range(3)]
    assert [(row.next_offset, row.blob) for row in rows if row is not None] == [(20, b"two"), (21, None), (22, None)]
    await lease.release()


async def test_whose_session_was_ended_knows_it_and_writes_nothing(database_url: str, pool: asyncpg.Pool) -> None:
    """Another may have the lock at once, and neither keeping nor saving goes on for the first."""
    first, second = (TimescaleLeases(database_url, name="zones") for _ in range(2))
    lease = await _won(first)
    await pool.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = "
        "(SELECT oid FROM pg_database WHERE datname = current_database())"
    )
    other = await _won(second)
    async with asyncio.timeout(20):
        with pytest.raises(LeaseLostError):
            await lease.keep()
    with pytest.raises(LeaseLostError):
        await lease.save(_state(b"late"), _moves(None, 10))
    assert await pool.fetchval("SELECT count(*) FROM processor_state") == 0
    await lease.release()
    await other.release()


async def test_whoever_says_nothing_loses_it(database_url: str, pool: asyncpg.Pool) -> None:
    """The database ends a session that was silent for some seconds, as that of a process that was stopped."""
    del pool
    first, second = (TimescaleLeases(database_url, name="zones") for _ in range(2))
    silent = await _won(first)
    other = await _won(second)
    assert not silent.held
    await silent.release()
    await other.release()


async def test_an_answer_that_lay_unread_counts_for_nothing(database_url: str, pool: asyncpg.Pool) -> None:
    """Who was stopped while the database answered, and goes on when its session has ended, knows of both."""
    del pool
    first, second = (TimescaleLeases(database_url, name="zones") for _ in range(2))
    lease = await _won(first)
    await lease.save(_state(b"one"), _moves(None, 10))
    asking = asyncio.create_task(lease.keep())
    await asyncio.sleep(PING_EVERY_S / 2)
    _nothing_runs_for(PING_EVERY_S)  # a ping is due now, and is sent before anything else
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    _nothing_runs_for(HELD_MOST_S + 2)
    assert not lease.held
    with pytest.raises(LeaseLostError):
        await asking
    other = await _won(second)
    await lease.release()
    await other.release()


def _nothing_runs_for(seconds: float) -> None:
    """Hold the whole process up, as a stop does."""
    time.sleep(seconds)
