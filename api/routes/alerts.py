"""Routes about alerts: reading them and answering them. To acknowledge is not to resolve."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Header, Query
from fastapi.responses import Response

from api import views
from api.callers import CallerHere, PortsHere, check_scope, check_zone_scope, granted_alert, note
from api.commanding import carry_out, command_id, make_command
from api.cursors import open_page, page_cursor
from api.errors import RefusedError, answer
from api.moments import from_ms
from api.paging import answer_page
from api.records import AlertQuery, Caller
from api.shapes import AcknowledgeBody, AlertShape, AlertsShape, ErrorShape, PendingShape, ResolveBody
from schemas.alerts import Alert, CommandKind
from schemas.episodes import Subject
from schemas.errors import DatabaseAwayError
from schemas.zones import ZONE_ID

router = APIRouter(tags=["alerts"])

_STATUS: Final[dict[str, tuple[str | None, tuple[str, ...] | None]]] = {
    "active": ("active", None),
    "cleared": ("cleared", None),
    "open": (None, ("unseen", "seen", "acknowledged")),
    "unseen": (None, ("unseen",)),
    "seen": (None, ("seen",)),
    "acknowledged": (None, ("acknowledged",)),
    "resolved": (None, ("resolved",)),
}
"""What `status` selects: a condition, or responses. `open` is everything that nobody has resolved."""

ToSee = Annotated[Alert, Depends(granted_alert("alerts"))]
ToAnswer = Annotated[Alert, Depends(granted_alert("act"))]
Key = Annotated[
    str | None, Header(alias="Idempotency-Key", max_length=200, description="Makes a repeat the same answer.")
]
_ANSWERS: Final[dict[int | str, dict[str, object]]] = {
    202: {"model": PendingShape, "description": "Durable; care has not recorded it within 2 s."},
    409: {"model": ErrorShape, "description": "Care refused it."},
}


async def _selection(
    status: Annotated[str | None, Query(description=f"One of {', '.join(_STATUS)}.")] = None,
) -> tuple[str | None, tuple[str, ...] | None]:
    if status is not None and status not in _STATUS:
        raise RefusedError(422, "invalid", f"status: Use one of {', '.join(_STATUS)}.", field="status", value=status)
    return _STATUS[status] if status else (None, None)


async def _subjects(
    caller: CallerHere,
    ports: PortsHere,
    wearer: Annotated[UUID | None, Query(description="Only this wearer's.")] = None,
    zone: Annotated[
        str | None, Query(description="Only this community zone's; `area` is the whole area.", pattern=ZONE_ID)
    ] = None,
) -> tuple[frozenset[UUID], frozenset[str]]:
    """Return the wearers and zones that are asked for and that the caller may see, and note who asks."""
    if wearer is not None and zone is not None:
        raise RefusedError(422, "invalid", "zone: Ask for a wearer or for a zone, not for both.", field="zone")
    access, asked = ports.access, None
    if wearer is not None:
        check_scope(ports, caller, wearer, "alerts")
        asked = Subject(wearer=wearer)
        found = frozenset({wearer}), frozenset[str]()
    elif zone is not None:
        check_zone_scope(ports, caller, zone, "alerts")
        asked = Subject(zone=zone)
        found = frozenset[UUID](), frozenset({zone})
    else:
        found = access.wearers(caller.user_id, "alerts"), access.zones(caller.user_id, "alerts")
    note(ports, caller, "GET alerts", asked.key if asked else None)
    return found


@router.get("/alerts", response_model=AlertsShape)
async def alerts(
    ports: PortsHere,
    selection: Annotated[tuple[str | None, tuple[str, ...] | None], Depends(_selection)],
    subjects: Annotated[tuple[frozenset[UUID], frozenset[str]], Depends(_subjects)],
    limit: Annotated[int, Query(ge=1, le=500, description="Items of a page.")] = 100,
    cursor: Annotated[str | None, Query(max_length=400, description="From the previous page.")] = None,
) -> Response:
    """List alerts of the wearers and community zones whose alerts the caller may see, newest first."""
    wearers, zones = subjects
    after = open_page("alerts", cursor, datetime, UUID)
    condition, responses = selection
    query = AlertQuery(
        wearers=wearers,
        zones=zones,
        condition=condition,
        responses=responses,
        limit=limit,
        after=None if after is None else (after[0], after[1]),
    )
    found = await ports.reads.alerts(query)
    last = found[-1] if len(found) == limit else None
    following = page_cursor("alerts", from_ms(last.raised_ms), last.alert_id) if last else None
    return await answer_page(found, views.alert, cursor=following)


@router.get("/alerts/{alert_id}", response_model=AlertShape)  # noqa: FAST003 - granted_alert takes the id
async def alert(found: ToSee) -> Response:
    """Return one alert."""
    return answer(views.alert(found))


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Who answers which alert, and under which key a repeat is the same answer."""

    alert: Alert
    caller: Caller
    key: str | None


async def _asked(found: ToAnswer, caller: CallerHere, key: Key = None) -> Asked:
    return Asked(alert=found, caller=caller, key=key)


AskedHere = Annotated[Asked, Depends(_asked)]


@router.post("/alerts/{alert_id}/acknowledge", response_model=AlertShape, responses=_ANSWERS)  # noqa: FAST003 - as above
async def acknowledge(asked: AskedHere, ports: PortsHere, body: AcknowledgeBody | None = None) -> Response:
    """Take an alert on; the condition may still hold."""
    return await _carry_out(asked, ports, "acknowledge", told=(body.note if body else None, None))


@router.post("/alerts/{alert_id}/resolve", response_model=AlertShape, responses=_ANSWERS)  # noqa: FAST003 - as above
async def resolve(asked: AskedHere, ports: PortsHere, body: ResolveBody) -> Response:
    """Say what it turned out to be."""
    return await _carry_out(asked, ports, "resolve", told=(body.note, body.outcome))


@router.post("/alerts/{alert_id}/seen", response_model=AlertShape, responses=_ANSWERS)  # noqa: FAST003 - as above
async def seen(asked: AskedHere, ports: PortsHere) -> Response:
    """Say that the alert was on somebody's screen."""
    return await _carry_out(asked, ports, "seen", told=(None, None))


async def _carry_out(
    asked: Asked, ports: PortsHere, kind: CommandKind, *, told: tuple[str | None, str | None]
) -> Response:
    number = command_id(asked.caller, asked.alert.alert_id, kind, asked.key) if asked.key else ports.new_id()
    text, outcome = told
    command = make_command(asked.caller, asked.alert, kind, number=number, note=text, outcome=outcome)
    pending = answer({"command_id": number, "status": "pending"}, 202)
    try:
        result = await carry_out(ports.commands, command, clock=ports.clock, sleep=ports.sleep)
    except DatabaseAwayError:
        return pending
    if result is None:
        return pending
    if not result.done:
        raise RefusedError(
            409, "refused", result.detail or "Care refused this.", command_id=number, response=result.alert.response
        )
    return answer(views.alert(result.alert))
