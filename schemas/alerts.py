"""Alerts on `alerts.v1` and the commands that answer them on `commands.v1`."""

from typing import Any, Literal
from uuid import UUID, uuid5

import msgspec

from schemas.episodes import EpisodeType, Subject
from schemas.errors import UNREADABLE, ContractError

ALERT_NAMESPACE = UUID("1f0c9f38-9a53-5f0e-8d3b-5a0f6f5f7a42")

Priority = Literal["high", "medium", "low"]
Condition = Literal["active", "cleared"]
Response = Literal["unseen", "seen", "acknowledged", "resolved"]
EventKind = Literal["onset", "raised", "updated", "cleared", "seen", "acknowledged", "resolved", "refused"]
CommandKind = Literal["seen", "acknowledge", "resolve"]


class AlertEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of an alert's history; lines are only ever added.

    Attributes:
        kind: What happened.
        at_ms: The database's clock when it was recorded.
        by: User who did it, None for Pulsera itself.
        note: What the person wrote, or why a condition cleared.
        outcome: For `resolved`: what it turned out to be.
    """

    kind: EventKind
    at_ms: int
    by: UUID | None = None
    by_name: str | None = None
    note: str | None = None
    outcome: str | None = None


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """The state of an alert after one change: condition x response; an acknowledged alert is not a resolved one.

    Attributes:
        alert_id: UUIDv5 of the episode.
        kind: The episode's condition, such as `heart_rate.high` or `no_data`.
        condition: Does the episode still hold?
        response: What has somebody done about it?
        title: A few words; `reason` is one plain sentence.
        cleared_reason: recovered, data_ended or superseded; only `recovered` means that it went well.
    """

    alert_id: UUID
    subject: Subject
    episode_id: UUID
    revision: int
    kind: str
    priority: Priority
    type: EpisodeType
    condition: Condition
    response: Response
    onset_ms: int
    raised_ms: int
    title: str
    reason: str
    evidence: dict[str, Any]
    events: list[AlertEvent]
    decided_received_ms: int
    cleared_ms: int | None = None
    cleared_reason: str | None = None
    acknowledged_by: UUID | None = None
    resolved_by: UUID | None = None


class AlertChange(msgspec.Struct, frozen=True, kw_only=True):
    """The CloudEvents 1.0 envelope (JSON format) around an alert."""

    id: str
    source: str
    type: str
    subject: str
    time: str
    data: Alert
    specversion: str = "1.0"
    datacontenttype: str = "application/json"


class Command(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person asks of care; keyed by the alert's subject so that it lies on the alert's partition.

    Attributes:
        command_id: Repeats of one id are answered with the first one's result.
        by: The user; checked by the API before it is written.
    """

    command_id: UUID
    kind: CommandKind
    alert_id: UUID
    subject: Subject
    by: UUID
    by_name: str
    note: str | None = None
    outcome: str | None = None


_CHANGE = msgspec.json.Decoder(AlertChange)
_COMMAND = msgspec.json.Decoder(Command)
_ENCODER = msgspec.json.Encoder()


def alert_id(episode: UUID) -> UUID:
    """Return the id that an episode's alert always has."""
    return uuid5(ALERT_NAMESPACE, str(episode))


def encode_change(alert: Alert, *, time: str, change: EventKind = "updated") -> bytes:
    """Return the CloudEvents record of an alert's newest state; `change` is what led to it."""
    event = AlertChange(
        id=f"{alert.alert_id}:{alert.revision}",
        source="pulsera/care",
        type=f"pulsera.alert.{change}",
        subject=alert.subject.key,
        time=time,
        data=alert,
    )
    return _ENCODER.encode(event)


def decode_change(data: bytes) -> Alert:
    """Return the alert in a record of `alerts.v1`.

    Raises:
        ContractError: Not a CloudEvent with an alert.
    """
    try:
        return _CHANGE.decode(data).data
    except UNREADABLE as error:
        raise ContractError(f"Not an alert: {error}") from error


def encode_command(command: Command) -> bytes:
    """Return the record of a command."""
    return _ENCODER.encode(command)


def decode_command(data: bytes) -> Command:
    """Return the command in a record of `commands.v1`.

    Raises:
        ContractError: Not a command.
    """
    try:
        return _COMMAND.decode(data)
    except UNREADABLE as error:
        raise ContractError(f"Not a command: {error}") from error
