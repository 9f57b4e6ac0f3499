"""One active process among several: a session's advisory lock in the database, and the state that its holder saves.

A process that is killed loses its session at once. One that hangs, or was stopped, says nothing for `HELD_MOST_S`:
then the database ends its session (`idle_session_timeout`), and another may have the lock. The holder's state is
written over the same session, so that whoever lost it writes nothing, and compare-and-set as every saved state.

How long ago the database was asked is measured by a clock that goes on while the computer is suspended, on Linux. Where
there is none, whoever wakes up may believe for up to `PING_EVERY_S` and an answer's time that the lock is still theirs.
"""

import asyncio
import hashlib
import sys
import time
from collections.abc import Callable, Sequence
from typing import Final

import asyncpg

from infra.timescale.pool import database_errors
from infra.timescale.state import move_offsets
from schemas.errors import DatabaseAwayError, LeaseLostError
from stream_processors.ports import OffsetMove, SavedState

HELD_MOST_S: Final = 8.0
PING_EVERY_S: Final = 1.0
_ANSWER_MOST_S: Final = 5.0
_SAVE_MOST_S: Final = 60.0
_SETTINGS: Final = {
    "idle_session_timeout": str(int(HELD_MOST_S * 1000)),
    "idle_in_transaction_session_timeout": str(int(HELD_MOST_S * 1000)),
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
}
_TRY: Final = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"
_BLOB: Final = """
UPDATE processor_state SET blob = $4, digest = $5 WHERE family = $1 AND topic = $2 AND partition = $3
"""


def since_boot_s() -> float:
    """Return the seconds since the computer started, those that it was suspended included where it can tell."""
    if sys.platform == "linux":
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class TimescaleLease:
    """The session that holds the lock; a `Lease`."""

    def __init__(self, connection: asyncpg.Connection, *, asked_s: float, now_s: Callable[[], float]) -> None:
        self._connection = connection
        self._now_s = now_s
        self._turn = asyncio.Lock()
        self._asked_s = asked_s

    @property
    def held(self) -> bool:
        """Whether the database was asked recently enough and has answered, so that nobody else has the lock.

        What counts is when it was asked: an answer may have lain here while this process was stopped.
        """
        recently = self._now_s() - self._asked_s < HELD_MOST_S
        return recently and not self._connection.is_closed()

    async def keep(self) -> None:
        """Tell the database regularly that the holder lives.

        Raises:
            LeaseLostError: The session has ended, or the database does not answer in time.
        """
        while True:
            await asyncio.sleep(PING_EVERY_S)
            async with self._turn:
                try:
                    await self._ask()
                except DatabaseAwayError as error:
                    raise LeaseLostError(f"The session with the lock has ended: {error}") from error

    async def save(self, state: SavedState, moves: Sequence[OffsetMove]) -> None:
        """Move the offsets, and keep the blob beside that of `state`'s partition, in one transaction.

        Raises:
            StaleOwnerError: An offset was not the expected one; nothing was written.
            LeaseLostError: The session has ended; whether it was written is not known.
            ContractError: The database will never take it; nothing was written.
        """
        digest = None if state.blob is None else hashlib.sha256(state.blob).digest()
        async with self._turn:
            try:
                with database_errors():
                    async with asyncio.timeout(_SAVE_MOST_S), self._connection.transaction():
                        await move_offsets(self._connection, state.family, state.version, state.cluster_id, moves)
                        await self._connection.execute(
                            _BLOB, state.family, state.topic, state.partition, state.blob, digest
                        )
                await self._ask()
            except DatabaseAwayError as error:
                raise LeaseLostError(f"The session with the lock has ended: {error}") from error

    async def _ask(self) -> None:
        asked_s = self._now_s()
        with database_errors():
            await self._connection.execute("SELECT 1", timeout=_ANSWER_MOST_S)
        self._asked_s = asked_s

    async def release(self) -> None:
        """End the session, and with it the lock."""
        await _ended(self._connection)


class TimescaleLeases:
    """Competes for one lock; a `Leases`."""

    def __init__(self, dsn: str, *, name: str, now_s: Callable[[], float] = since_boot_s) -> None:
        self._dsn = dsn
        self._now_s = now_s
        self._name = name
        self._waiting: asyncpg.Connection | None = None

    async def win(self) -> TimescaleLease | None:
        """Return the lease if nobody else holds it now, else None.

        Raises:
            DatabaseAwayError: Try again.
        """
        try:
            with database_errors():
                connection = self._waiting or await self._connect()
                self._waiting = connection
                asked_s = self._now_s()
                if not await connection.fetchval(_TRY, f"pulsera {self._name}", timeout=_ANSWER_MOST_S):
                    return None
        except DatabaseAwayError:
            await self.close()
            raise
        self._waiting = None
        return TimescaleLease(connection, asked_s=asked_s, now_s=self._now_s)

    async def close(self) -> None:
        """End the session that waits for the lock."""
        connection, self._waiting = self._waiting, None
        if connection is not None:
            await _ended(connection)

    async def _connect(self) -> asyncpg.Connection:
        settings = {"application_name": f"pulsera {self._name} lock", **_SETTINGS}
        return await asyncpg.connect(self._dsn, timeout=_ANSWER_MOST_S, server_settings=settings)


async def _ended(connection: asyncpg.Connection) -> None:
    try:
        async with asyncio.timeout(_ANSWER_MOST_S):
            await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()
