"""The pool of database connections, and what the database's errors mean to the rest of Pulsera."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import asyncpg
import structlog

from schemas.errors import ContractError, DatabaseAwayError, SetupError

Pool = asyncpg.Pool
"""The pool's type, for those who hand it on without knowing the driver."""

_LOG = structlog.get_logger(__name__)
_WAIT_FIRST_S: Final = 0.1
_WAIT_MOST_S: Final = 3.0
_COMMAND_TIMEOUT_S: Final = 60.0

PASSING_CLASSES: Final = frozenset({"08", "28", "40", "53", "57", "58"})
"""Connection, authorisation, rollback (deadlock, serialisation), resources (disk, memory), operator, system: none of
them is about the rows."""
_PASSING_STATES: Final = frozenset(
    {
        "0A000",  # a prepared statement whose table was migrated meanwhile
        "23505",  # unique violation: two writers raced, the next try finds the other's row
        "25001",  # a transaction is open in this session already: it is rolled back when the session goes back
        "25006",  # read-only transaction: a standby, or a full disk's safety catch
        "25P03",  # idle in transaction: the session was ended
        "3D000",  # the database is being put back
        "42501",  # a missing privilege says nothing about the rows
        "42P01",  # a missing table, column, function or schema says nothing about the rows either: a person migrates
        "42703",
        "42883",
        "3F000",
        "55006",  # object in use
        "55P03",  # lock not available
    }
)


@contextmanager
def database_errors() -> Iterator[None]:
    """Turn the driver's errors into ours.

    Raises:
        DatabaseAwayError: The same call may work later (connection, timeout, deadlock, disk, memory, read-only).
        ContractError: The database will never take these rows or this query.
    """
    try:
        yield
    except asyncpg.PostgresError as error:
        state = getattr(error, "sqlstate", None) or ""
        if state[:2] in PASSING_CLASSES or state in _PASSING_STATES:
            raise DatabaseAwayError(f"The database cannot do this now: {type(error).__name__} ({state}).") from error
        raise ContractError(f"The database refuses this: {type(error).__name__} ({state}).") from error
    except (asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        if isinstance(error, ValueError):  # the driver could not encode a value: no retry changes that
            raise ContractError(f"The database cannot hold a value: {type(error).__name__}.") from error
        raise DatabaseAwayError(f"The database connection is lost: {type(error).__name__}.") from error
    except (OSError, TimeoutError) as error:
        raise DatabaseAwayError(f"The database does not answer: {type(error).__name__}.") from error


async def _as_it_is(connection: asyncpg.Connection) -> None:
    """Leave a connection that goes back to the pool as it is, without a question to the database.

    The driver has rolled back what was open. What its own reset would undo nobody leaves behind: settings are those of
    a transaction, locks too, but migrate's, which gives its own back.
    """


async def open_pool(
    dsn: str, *, size: int, application_name: str = "pulsera", command_timeout_s: float = _COMMAND_TIMEOUT_S
) -> asyncpg.Pool:
    """Return a pool of at most `size` connections; waits until the database answers, and says that it waits.

    A statement that takes longer than `command_timeout_s` is given up: the database hangs, or the network to it does.

    Raises:
        SetupError: The address cannot be read, so waiting would not help.
    """
    wait_s, waited = _WAIT_FIRST_S, False
    while True:
        try:
            with database_errors():
                pool = await asyncpg.create_pool(
                    dsn,
                    min_size=1,
                    max_size=size,
                    command_timeout=command_timeout_s,
                    reset=_as_it_is,
                    server_settings={"application_name": application_name},
                )
        except ContractError as error:
            raise SetupError("The database's address cannot be used.", next_step="Check PULSERA_DATABASE_URL.") from (
                error.__cause__
            )
        except DatabaseAwayError as error:
            if not waited:
                _LOG.warning("waiting for the database", reason=str(error))
            waited = True
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, _WAIT_MOST_S)
        else:
            if waited:
                _LOG.info("the database answers")
            return pool
