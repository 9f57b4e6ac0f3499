"""What the database's errors mean: only what the rows themselves are guilty of is permanent."""

import asyncpg
import pytest

from infra.timescale.pool import database_errors
from schemas.errors import ContractError, DatabaseAwayError


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.CannotConnectNowError,
        asyncpg.AdminShutdownError,
        asyncpg.ConnectionDoesNotExistError,
        asyncpg.DeadlockDetectedError,
        asyncpg.DiskFullError,
        asyncpg.OutOfMemoryError,
        asyncpg.ActiveSQLTransactionError,
        asyncpg.ReadOnlySQLTransactionError,
        asyncpg.UniqueViolationError,
        asyncpg.UndefinedTableError,
        asyncpg.UndefinedColumnError,
        asyncpg.InvalidCachedStatementError,
        asyncpg.InterfaceError,
        ConnectionResetError,
        TimeoutError,
    ],
)
def test_what_no_row_is_guilty_of_passes(error: type[Exception]) -> None:
    """A database that is away, full, or not migrated is waited for: no record may be set aside for it."""
    with pytest.raises(DatabaseAwayError), database_errors():
        raise error("on purpose")


@pytest.mark.parametrize(
    "error",
    [
        asyncpg.CheckViolationError,
        asyncpg.NotNullViolationError,
        asyncpg.NumericValueOutOfRangeError,
        asyncpg.InvalidTextRepresentationError,
        asyncpg.UntranslatableCharacterError,
        asyncpg.DataError,
    ],
)
def test_what_the_rows_are_guilty_of_is_permanent(error: type[Exception]) -> None:
    """No retry makes the database take a value that it refuses."""
    with pytest.raises(ContractError), database_errors():
        raise error("on purpose")
