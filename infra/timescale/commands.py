"""What became of a command, and the alert as it is since."""

from uuid import UUID

import asyncpg
import msgspec

from api.records import CommandResult
from infra.timescale.pool import database_errors
from schemas.alerts import Alert


async def command_result(pool: asyncpg.Pool, command_id: UUID) -> CommandResult | None:
    """Return what care recorded for a command, None while there is nothing.

    Raises:
        DatabaseAwayError: The database cannot be asked.
    """
    with database_errors():
        row = await pool.fetchrow(
            "SELECT status, detail, state::text AS state FROM command_results JOIN alerts USING (alert_id) "
            "WHERE command_id = $1",
            command_id,
        )
    if row is None:
        return None
    return CommandResult(
        done=row["status"] == "done", detail=row["detail"], alert=msgspec.json.decode(row["state"], type=Alert)
    )
