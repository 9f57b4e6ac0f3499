"""Episodes and commands become changes of alerts: who is told what, and who has answered.

Everything here is a decision about values: the alerts known so far and one event go in, changes come out. The rules:

- An episode that pages has one alert, however often its events arrive. Its priority only rises.
- At most one alert per subject and condition is uncleared. The episode with the later onset keeps it; the other alert
  is cleared as `superseded`. Clearing is final: an episode that goes on after it changes nothing.
- Acknowledging is not resolving. The first who acknowledges stays in charge; who does so later is recorded once each.
- Resolving is final and needs an outcome; the condition stays active until its episode ends.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal
from uuid import UUID

import msgspec

from schemas.alerts import Alert, AlertEvent, Command, EventKind, Priority, alert_id
from schemas.episodes import EndReason, Episode, Evidence
from schemas.vitals import BY_NAME
from stream_processors.operators import zone_words

GENERATION_STEP: Final = 2**22
"""Revisions of one generation. A raised generation counts seconds; until 2094 the product stays below 2^53, which JSON
readers that use doubles can hold."""

_RANK: Final[dict[Priority, int]] = {"low": 0, "medium": 1, "high": 2}
_OF_TIER: Final[dict[int, Priority]] = {1: "low", 2: "medium", 3: "high"}
_OF_TECHNICAL: Final[dict[str, Priority]] = {"no_data": "medium"}
_SOURCE_WORDS: Final = {"rppg": "camera", "manual": "manual entries"}
_UNKNOWN: Final = "There is no such alert for this subject."
_CLEARED_NOTES: Final[dict[EndReason, str]] = {
    "recovered": "The condition no longer holds.",
    "data_ended": "Data stopped, so whether the condition still holds is unknown.",
    "superseded": "A newer episode of the same condition took its place.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When a decision is made: the database's clock, and the generation that its revisions belong to."""

    now_ms: int
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracked:
    """An alert and, per writer, the revision of its episode that it has taken in."""

    alert: Alert
    taken: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change of one alert.

    Attributes:
        after: The alert with the change in it; its last event is the line to append, if `recorded`.
        kind: What happened.
        recorded: The change is a line of the alert's history; refreshed evidence is none.
        command_id: The command that led to it.
    """

    after: Tracked
    kind: EventKind
    recorded: bool
    command_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command led to.

    Attributes:
        detail: A sentence for whoever sent it.
        early: There is no such alert yet. Where topics are read again, an answer can come before what it answers;
            the command is kept and answered anew when its alert is raised.
    """

    status: Literal["done", "refused"]
    detail: str | None = None
    changes: Sequence[Change] = ()
    early: bool = False


def priority_of(episode: Episode) -> Priority:
    """Return the priority of an episode: by tier, or by condition for technical ones."""
    if episode.type == "technical":
        return _OF_TECHNICAL.get(episode.condition, "low")
    return _OF_TIER[episode.tier]


def title_of(condition: str, evidence: Evidence) -> str:
    """Return a few words for a person, such as `Heart rate high` or `No data from watch`."""
    if condition == "no_data":
        names = [_SOURCE_WORDS.get(source, source) for source in evidence.sources]
        return f"No data from {', '.join(names)}" if names else "No data from any source"
    if condition == "clock_offset":
        return "Device clock is wrong"
    if condition.startswith("zone."):
        return zone_words.title(condition, evidence)
    name, _, side = condition.partition(".")
    label = BY_NAME[name].label if name in BY_NAME else name.replace("_", " ")
    words = f"{label} {side}".strip()
    return words[0].upper() + words[1:]


def follow_episode(alerts: Mapping[UUID, Tracked], episode: Episode, moment: Moment) -> list[Change]:
    """Return what one change of an episode changes, in the order in which it is to be told.

    Args:
        alerts: The episode's own alert, if it has one, and every uncleared alert of its subject.
        episode: The episode as its writer now sees it.
        moment: Clock and generation.
    """
    known = alerts.get(alert_id(episode.episode_id))
    if known is not None:
        return _take_in(known, episode, moment)
    if not episode.pages:
        return []
    rival = _uncleared_rival(alerts, episode)
    newest = rival is None or rival.alert.onset_ms <= episode.onset_ms
    changes = [_clear(rival, "superseded", moment)] if rival is not None and newest else []
    raised = _raise(episode, moment)
    changes.append(raised)
    if episode.phase == "ended":
        changes.append(_clear(raised.after, episode.end_reason or "data_ended", moment))
    elif not newest:
        changes.append(_clear(raised.after, "superseded", moment))
    return changes


def answer_command(alerts: Mapping[UUID, Tracked], command: Command, moment: Moment) -> Answer:
    """Return the answer to a person's command, with the changes it leads to."""
    known = alerts.get(command.alert_id)
    if known is None:
        return Answer(status="refused", detail=_UNKNOWN, early=True)
    if known.alert.subject != command.subject:
        return Answer(status="refused", detail=_UNKNOWN)
    if command.kind == "seen":
        return _see(known, command, moment)
    if known.alert.response == "resolved":
        return Answer(status="refused", detail=f"Already resolved by {_who(known.alert, 'resolved')}; that is final.")
    if command.kind == "acknowledge":
        return _acknowledge(known, command, moment)
    return _resolve(known, command, moment)


def _take_in(known: Tracked, episode: Episode, moment: Moment) -> list[Change]:
    if episode.revision <= known.taken.get(episode.writer, -1) or known.alert.condition == "cleared":
        return []
    told = replace(known, taken={**known.taken, episode.writer: episode.revision})
    if episode.phase != "ended":
        return [_refresh(told, episode, moment)]
    changes = [_refresh(told, episode, moment)] if _rises(told.alert, episode) else []
    last = changes[-1].after if changes else told
    return [*changes, _clear(last, episode.end_reason or "data_ended", moment)]


def _rises(alert: Alert, episode: Episode) -> bool:
    return _RANK[priority_of(episode)] > _RANK[alert.priority]


def _refresh(known: Tracked, episode: Episode, moment: Moment) -> Change:
    alert = known.alert
    risen = _rises(alert, episode)
    evidence = msgspec.to_builtins(episode.evidence)
    if alert.evidence.get("injected"):
        evidence["injected"] = True  # what was raised on injected values stays marked so
    renewed = msgspec.structs.replace(
        alert,
        revision=_next_revision(alert.revision, moment),
        priority=priority_of(episode) if risen else alert.priority,
        title=title_of(episode.condition, episode.evidence),
        reason=episode.reason,
        evidence=evidence,
        decided_received_ms=episode.decided_received_ms,
    )
    if risen:
        line = AlertEvent(kind="updated", at_ms=moment.now_ms, note=f"Priority rose to {renewed.priority}.")
        renewed = msgspec.structs.replace(renewed, events=[*alert.events, line])
    return Change(after=replace(known, alert=renewed), kind="updated", recorded=risen)


def _raise(episode: Episode, moment: Moment) -> Change:
    alert = Alert(
        alert_id=alert_id(episode.episode_id),
        subject=episode.subject,
        episode_id=episode.episode_id,
        revision=_next_revision(0, moment),
        kind=episode.condition,
        priority=priority_of(episode),
        type=episode.type,
        condition="active",
        response="unseen",
        onset_ms=episode.onset_ms,
        raised_ms=moment.now_ms,
        title=title_of(episode.condition, episode.evidence),
        reason=episode.reason,
        evidence=msgspec.to_builtins(episode.evidence),
        events=[AlertEvent(kind="raised", at_ms=moment.now_ms)],
        decided_received_ms=episode.decided_received_ms,
    )
    return Change(after=Tracked(alert=alert, taken={episode.writer: episode.revision}), kind="raised", recorded=True)


def _clear(known: Tracked, why: EndReason, moment: Moment) -> Change:
    alert = msgspec.structs.replace(
        known.alert,
        revision=_next_revision(known.alert.revision, moment),
        condition="cleared",
        cleared_ms=moment.now_ms,
        cleared_reason=why,
        events=[*known.alert.events, AlertEvent(kind="cleared", at_ms=moment.now_ms, note=_CLEARED_NOTES[why])],
    )
    return Change(after=replace(known, alert=alert), kind="cleared", recorded=True)


def _uncleared_rival(alerts: Mapping[UUID, Tracked], episode: Episode) -> Tracked | None:
    for known in alerts.values():
        same = known.alert.subject == episode.subject and known.alert.kind == episode.condition
        if same and known.alert.condition == "active":
            return known
    return None


def _see(known: Tracked, command: Command, moment: Moment) -> Answer:
    alert = known.alert
    if alert.response == "resolved" or _has(alert, ("seen", "acknowledged"), command.by):
        return Answer(status="done")
    seen = alert if alert.response != "unseen" else msgspec.structs.replace(alert, response="seen")
    return Answer(status="done", changes=[_recorded(known, seen, command, "seen", moment)])


def _acknowledge(known: Tracked, command: Command, moment: Moment) -> Answer:
    alert = known.alert
    if _has(alert, ("acknowledged",), command.by):
        return Answer(status="done", detail="You had acknowledged it already.")
    if alert.response == "acknowledged":
        detail = f"{_who(alert, 'acknowledged')} acknowledged it first and stays in charge; yours is recorded."
        return Answer(status="done", detail=detail, changes=[_recorded(known, alert, command, "acknowledged", moment)])
    taken_on = msgspec.structs.replace(alert, response="acknowledged", acknowledged_by=command.by)
    return Answer(status="done", changes=[_recorded(known, taken_on, command, "acknowledged", moment)])


def _resolve(known: Tracked, command: Command, moment: Moment) -> Answer:
    if not (command.outcome or "").strip():
        return Answer(status="refused", detail="Resolving needs an outcome: say what it turned out to be.")
    resolved = msgspec.structs.replace(known.alert, response="resolved", resolved_by=command.by)
    return Answer(status="done", changes=[_recorded(known, resolved, command, "resolved", moment)])


def _recorded(known: Tracked, alert: Alert, command: Command, kind: EventKind, moment: Moment) -> Change:
    line = AlertEvent(
        kind=kind,
        at_ms=moment.now_ms,
        by=command.by,
        by_name=command.by_name,
        note=command.note,
        outcome=command.outcome if kind == "resolved" else None,
    )
    after = msgspec.structs.replace(
        alert, revision=_next_revision(alert.revision, moment), events=[*alert.events, line]
    )
    return Change(after=replace(known, alert=after), kind=kind, recorded=True, command_id=command.command_id)


def _next_revision(last: int, moment: Moment) -> int:
    return max(last, moment.generation * GENERATION_STEP) + 1


def _has(alert: Alert, kinds: tuple[EventKind, ...], by: UUID) -> bool:
    return any(line.kind in kinds and line.by == by for line in alert.events)


def _who(alert: Alert, kind: EventKind) -> str:
    return next((line.by_name or "somebody" for line in alert.events if line.kind == kind), "somebody")
