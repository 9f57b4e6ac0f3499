"""What stored and live things look like on the API's wires; one shape for HTTP and the live socket."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from api.moments import stamp, stamp_ms
from api.records import Carer, Device, Latest, Reading, Score, Wearer
from schemas.alerts import Alert, AlertEvent
from schemas.episodes import Episode, Subject
from schemas.scores import RATES
from schemas.vitals import BY_NAME, NAMES, ORIGINS, SOURCE_NAMES


def wearer(found: Wearer, scopes: frozenset[str]) -> dict[str, Any]:
    """Return a wearer and what the caller may do with their data."""
    return {
        "wearer_id": found.wearer_id,
        "name": found.name,
        "timezone": found.timezone,
        "profile": found.profile,
        "created_at": stamp(found.created_at),
        "scopes": sorted(scopes),
    }


def device(found: Device) -> dict[str, Any]:
    """Return a device."""
    return {
        "device_id": found.device_id,
        "wearer_id": found.wearer_id,
        "model": found.model,
        "created_at": stamp(found.created_at),
        "revoked_at": stamp(found.revoked_at) if found.revoked_at else None,
    }


def carer(found: Carer) -> dict[str, Any]:
    """Return a carer's grant."""
    return {
        "user_id": found.user_id,
        "name": found.name,
        "scopes": list(found.scopes),
        "expires": stamp(found.expires_at) if found.expires_at else None,
    }


def _source(stream_id: int) -> str:
    return SOURCE_NAMES.get(stream_id % 256, "unknown")


def reading(found: Reading) -> dict[str, Any]:
    """Return a reading; a vital that was not measured is absent, never 0."""
    body: dict[str, Any] = {
        "wearer_id": found.wearer,
        "time": stamp(found.time),
        "received": stamp(found.received),
        "device_id": found.device_id,
        "source": _source(found.stream_id),
        "quality": found.quality,
        "worn": found.worn,
        "origin": ORIGINS[found.origin],
        "injected": found.injected,
        "backfill": found.backfill,
        **found.vitals,
    }
    if found.hrv_window_s is not None:
        body["hrv_window_s"] = found.hrv_window_s
    if found.ibi is not None:
        body["ibi"] = list(found.ibi)
    return body


def latest(found: Latest) -> dict[str, Any]:
    """Return the newest reading, flat, and the newest value of each vital with its unit and time."""
    return {
        **dict.fromkeys(NAMES),
        **reading(found.reading),
        "vitals": {name: _vital(name, one) for name, one in found.vitals.items()},
    }


def no_latest(wearer_id: UUID) -> dict[str, Any]:
    """Return the answer before the first reading: nulls and the reason."""
    nothing = dict.fromkeys(("time", "received", "device_id", "source", "quality", "worn", "origin", "injected"))
    return {
        "wearer_id": wearer_id,
        **nothing,
        **dict.fromkeys(NAMES),
        "vitals": {},
        "reason": "no_data",
        "detail": "No reading of this wearer has been stored yet.",
    }


def _vital(name: str, found: Reading) -> dict[str, Any]:
    return {
        "value": found.vitals[name],
        "unit": BY_NAME[name].unit,
        "time": stamp(found.time),
        "source": _source(found.stream_id),
        "quality": found.quality,
        "origin": ORIGINS[found.origin],
        "injected": found.injected,
    }


def score(found: Score) -> dict[str, Any]:
    """Return a scored bin: `value_*` was seen, `expected_*` expected, `z_*` is how far off in standard deviations."""
    body: dict[str, Any] = {
        "wearer_id": found.wearer,
        "bin": stamp(found.bin),
        "bin_ms": found.bin_ms,
        "score": found.score,
        "tier": found.tier,
        "tier0": found.tier0,
        "worn": found.worn,
        "at_rest": found.at_rest,
        "motion": found.motion,
        "model": found.model,
        "readings": found.readings,
        "late": found.late,
        "backfill": found.backfill,
        "received": stamp(found.received),
    }
    rates = {name: getattr(found, name) for name in RATES}
    body.update({name: value for name, value in rates.items() if value is not None})
    for prefix, known in (("value", found.values), ("z", found.z), ("expected", found.expected)):
        body.update({f"{prefix}_{name}": value for name, value in known.items()})
    return body


def _subject(found: Subject) -> Mapping[str, Any]:
    return {"wearer": found.wearer} if found.wearer is not None else {"zone": found.zone}


def _at(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else stamp_ms(milliseconds)


def episode(found: Episode) -> dict[str, Any]:
    """Return an episode."""
    return {
        "episode_id": found.episode_id,
        "subject": _subject(found.subject),
        "writer": found.writer,
        "revision": found.revision,
        "condition": found.condition,
        "type": found.type,
        "phase": found.phase,
        "tier": found.tier,
        "pages": found.pages,
        "onset": stamp_ms(found.onset_ms),
        "changed": stamp_ms(found.changed_ms),
        "ended": _at(found.ended_ms),
        "end_reason": found.end_reason,
        "reason": found.reason,
        "evidence": found.evidence,
    }


def alert(found: Alert) -> dict[str, Any]:
    """Return an alert with its history."""
    return {
        "alert_id": found.alert_id,
        "subject": _subject(found.subject),
        "episode_id": found.episode_id,
        "revision": found.revision,
        "kind": found.kind,
        "priority": found.priority,
        "type": found.type,
        "condition": found.condition,
        "response": found.response,
        "onset": stamp_ms(found.onset_ms),
        "raised": stamp_ms(found.raised_ms),
        "cleared": _at(found.cleared_ms),
        "cleared_reason": found.cleared_reason,
        "acknowledged_by": found.acknowledged_by,
        "resolved_by": found.resolved_by,
        "title": found.title,
        "reason": found.reason,
        "evidence": found.evidence,
        "events": [_event(line) for line in found.events],
    }


def _event(line: AlertEvent) -> dict[str, Any]:
    body: dict[str, Any] = {"kind": line.kind, "at": stamp_ms(line.at_ms)}
    told = {"by": line.by, "by_name": line.by_name, "note": line.note, "outcome": line.outcome}
    return body | {name: value for name, value in told.items() if value is not None}
