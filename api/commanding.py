"""A person's answer to an alert: written to the log for care, then awaited for a moment."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final
from uuid import UUID, uuid5

from api.ports import Clock, Commands
from api.records import Caller, CommandResult
from schemas.alerts import Alert, Command, CommandKind

WAIT_S: Final = 2.0
_STEP_S: Final = 0.025

COMMAND_NAMESPACE: Final = UUID("5b0f7e0e-47a1-5c0b-9d0c-2f6f6b1f9c35")


def command_id(caller: Caller, alert: UUID, kind: CommandKind, key: str) -> UUID:
    """Return the id that repeats of one request share: the user, the alert, the kind and the Idempotency-Key."""
    return uuid5(COMMAND_NAMESPACE, f"{caller.user_id}|{alert}|{kind}|{key}")


def make_command(
    caller: Caller, alert: Alert, kind: CommandKind, *, number: UUID, note: str | None, outcome: str | None
) -> Command:
    """Return the command that asks care for this."""
    return Command(
        command_id=number,
        kind=kind,
        alert_id=alert.alert_id,
        subject=alert.subject,
        by=caller.user_id,
        by_name=caller.name,
        note=note,
        outcome=outcome,
    )


async def carry_out(
    commands: Commands, command: Command, *, clock: Clock, sleep: Callable[[float], Awaitable[None]]
) -> CommandResult | None:
    """Append a command and return what care made of it, None if care has not said within two seconds.

    Raises:
        BrokerAwayError: The command is not known to be durable.
        DatabaseAwayError: The command is durable, its result cannot be asked for now.
    """
    await commands.append(command)
    deadline = clock() + timedelta(seconds=WAIT_S)
    while True:
        found = await commands.result(command.command_id)
        if found is not None or clock() >= deadline:
            return found
        await sleep(_STEP_S)
