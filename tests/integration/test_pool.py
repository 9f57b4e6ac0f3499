"""The pool of connections on a real database: a connection goes back as it is, and still as a fresh one."""

import pytest

from infra.timescale.pool import open_pool

pytestmark = pytest.mark.connected


async def test_what_a_borrower_left_open_is_gone(database_url: str) -> None:
    """A transaction that was left open is rolled back, and a setting of a transaction ends with it."""
    pool = await open_pool(database_url, size=1)
    try:
        async with pool.acquire() as connection:
            await connection.execute("BEGIN")
            await connection.execute("SELECT set_config('synchronous_commit', 'off', true)")
            await connection.execute("CREATE TABLE left_open (one int)")
        async with pool.acquire() as connection:
            assert not connection.is_in_transaction()
            assert await connection.fetchval("SHOW synchronous_commit") == "on"
            assert await connection.fetchval("SELECT to_regclass('left_open')") is None
    finally:
        await pool.close()


async def test_going_back_asks_the_database_nothing(database_url: str) -> None:
    """The last statement of a connection's session is the borrower's own, also after it went back."""
    pool = await open_pool(database_url, size=2)
    try:
        async with pool.acquire() as watching:
            async with pool.acquire() as connection:
                process = connection.get_server_pid()
                await connection.execute("SELECT 'mine'")
            last = await watching.fetchval("SELECT query FROM pg_stat_activity WHERE pid = $1", process)
        assert last == "SELECT 'mine'"
    finally:
        await pool.close()
