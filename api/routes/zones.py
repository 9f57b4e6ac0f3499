"""Routes about community zones: where they are, who may see them, and how they stand. None of them names a wearer."""

import asyncio
import re
import unicodedata
from datetime import datetime, timedelta
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Path, Query
from fastapi.responses import Response

from api import views, zone_views
from api.callers import NO_ZONE, AdminHere, CallerHere, Ports, PortsHere, check_zone_scope, note, note_written
from api.cursors import open_page, page_cursor
from api.errors import RefusedError, answer
from api.moments import Moment, from_ms, stamp
from api.outlines import cells_of_names, cells_of_outline
from api.paging import answer_page
from api.records import AccessChange, Span, Zone, ZoneNow
from api.shapes import ErrorShape
from api.zone_shapes import (
    DefinitionShape,
    NewZoneBody,
    NewZoneGrant,
    SummaryShape,
    ZoneBody,
    ZoneHistoryShape,
    ZonePeopleShape,
    ZonesShape,
    ZoneStatusShape,
)
from schemas.errors import UnknownSubjectError
from schemas.zones import AREA, ZONE_ID

PATH: Final = "/community/zones"
MOST_BODY_BYTES: Final = 256 * 1024
"""5,000 cells by name take 95 KB."""

_DAY_OF_BINS: Final = 288
_SLUG_MOST: Final = 48
_IS_TAKEN: Final[dict[int | str, dict[str, object]]] = {
    409: {
        "model": ErrorShape,
        "description": "The id was given before, there are too many zones, or it crosses another (`crosses`): of two "
        "zones one holds the other whole, or they share no cell.",
    }
}
_CROSSES: Final[dict[int | str, dict[str, object]]] = {
    409: {"model": ErrorShape, "description": "It would cross another zone (`crosses`)."}
}

router = APIRouter(tags=["community zones"], prefix="/community")

ZoneId = Annotated[str, Path(description="The zone; `area` is the whole area.", pattern=ZONE_ID, examples=["old-town"])]
Person = Annotated[UUID, Path(description="The user.")]


async def _seen(zone_id: ZoneId, caller: CallerHere, ports: PortsHere) -> str:
    """Return the zone once the caller's grant to see its status is checked."""
    check_zone_scope(ports, caller, zone_id, "status")
    return zone_id


ToSee = Annotated[str, Depends(_seen)]


@router.get("/zones", response_model=ZonesShape)
async def zones(caller: CallerHere, ports: PortsHere) -> Response:
    """List the zones whose status the caller may see; an admin sees every name and place."""
    visible = ports.access.zones(caller.user_id, "status")
    stands = {one["zone_id"]: one for one in await _now(ports, visible)}
    listed = list(await ports.zones.listed(None if caller.role == "admin" else visible))
    bounds = await ports.places.bounds(ports.zones, listed)
    if AREA in stands:
        listed.insert(0, Zone(zone_id=AREA, name=stands[AREA]["name"], version=stands[AREA]["version"]))
    note(ports, caller, "GET zones", None)
    scopes = ports.access.zone_scopes

    def made() -> Response:
        items = [
            zone_views.item(one, bounds.get(one.zone_id), stands.get(one.zone_id), scopes(caller.user_id, one.zone_id))
            for one in listed
        ]
        return answer({"items": items, "cursor": None})

    return await asyncio.to_thread(made)


@router.post("/zones", status_code=201, response_model=DefinitionShape, responses=_IS_TAKEN)
async def add_zone(body: NewZoneBody, caller: AdminHere, ports: PortsHere) -> Response:
    """Define a zone. Whoever is to see it, the admin included, needs a grant."""
    if body.zone_id == AREA:
        always = "zone_id: `area` is the whole area, which is always there; choose another id."
        raise RefusedError(409, "id_taken", always, field="zone_id", value=AREA)
    cells = await _cells(body)
    ids = [body.zone_id] if body.zone_id is not None else _ids_for(body.name, ports.new_id())
    for zone_id in ids:
        made = await ports.zones.define(zone_id, name=body.name, cells=cells, by=caller.user_id)
        if made is not None:
            await note_written(ports, caller, "POST zone", f"zone:{zone_id}")
            return answer(await asyncio.to_thread(zone_views.feature, made), 201)
    taken = "zone_id: This id was given before; a withdrawn zone's is not given again."
    raise RefusedError(409, "id_taken", taken, field="zone_id", value=ids[-1])


@router.get("/zones/{zone_id}", response_model=DefinitionShape)
async def zone(zone_id: ZoneId, caller: CallerHere, ports: PortsHere) -> Response:
    """Return where a zone is, as GeoJSON; the whole area as the cells of its fixed partition with what they tell."""
    if caller.role != "admin" or zone_id == AREA:
        check_zone_scope(ports, caller, zone_id, "status")
    note(ports, caller, "GET zone", f"zone:{zone_id}")
    if zone_id == AREA:
        (stands,) = await _now(ports, {AREA})
        return answer(await asyncio.to_thread(zone_views.area, stands))
    found = await ports.places.feature(ports.zones, zone_id)
    if found is None:
        raise UnknownSubjectError(NO_ZONE)
    return answer(found)


@router.put("/zones/{zone_id}", response_model=DefinitionShape, responses=_CROSSES)
async def change_zone(zone_id: ZoneId, body: ZoneBody, caller: AdminHere, ports: PortsHere) -> Response:
    """Define a zone anew, as its next version; what is the same stays the same version."""
    cells = await _cells(body)
    made = await ports.zones.redefine(zone_id, name=body.name, cells=cells, by=caller.user_id)
    if made is None:
        raise UnknownSubjectError(NO_ZONE)
    await note_written(ports, caller, "PUT zone", f"zone:{zone_id}")
    return answer(await asyncio.to_thread(zone_views.feature, made))


@router.delete("/zones/{zone_id}", status_code=204)
async def withdraw_zone(zone_id: ZoneId, caller: AdminHere, ports: PortsHere) -> Response:
    """Withdraw a zone and every grant for it; what is open under them ends within seconds."""
    if not await ports.zones.withdraw(zone_id):
        raise UnknownSubjectError(NO_ZONE)
    await note_written(ports, caller, "DELETE zone", f"zone:{zone_id}", change=AccessChange(subject=zone_id))
    return Response(status_code=204)


@router.get("/zones/{zone_id}/people", response_model=ZonePeopleShape)
async def people(zone_id: ZoneId, caller: AdminHere, ports: PortsHere) -> Response:
    """List who holds a grant for a zone."""
    found = await ports.zones.people(zone_id)
    note(ports, caller, "GET zone people", f"zone:{zone_id}")
    return answer({"items": [views.carer(one) for one in found], "cursor": None})


@router.put("/zones/{zone_id}/people/{user_id}", status_code=204)
async def grant(zone_id: ZoneId, user_id: Person, body: NewZoneGrant, caller: AdminHere, ports: PortsHere) -> Response:
    """Grant exactly these scopes, replacing what was granted before."""
    if body.expires is not None and body.expires <= ports.clock():
        raise RefusedError(422, "invalid", "expires: The time lies in the past.", field="expires")
    scopes = sorted(set(body.scopes))
    await ports.zones.grant(zone_id, user_id, scopes=scopes, expires=body.expires, by=caller.user_id)
    change = AccessChange(subject=zone_id, user_id=user_id, scopes=scopes, expires=body.expires)
    await note_written(ports, caller, "PUT zone person", f"zone:{zone_id}", change=change)
    return Response(status_code=204)


@router.delete("/zones/{zone_id}/people/{user_id}", status_code=204)
async def withdraw(zone_id: ZoneId, user_id: Person, caller: AdminHere, ports: PortsHere) -> Response:
    """Withdraw a grant; what is open under it ends within seconds."""
    if not await ports.zones.ungrant(zone_id, user_id):
        raise UnknownSubjectError("There is no such grant.")
    change = AccessChange(subject=zone_id, user_id=user_id)
    await note_written(ports, caller, "DELETE zone person", f"zone:{zone_id}", change=change)
    return Response(status_code=204)


@router.get("/zones/{zone_id}/status", response_model=ZoneStatusShape)
async def status(zone_id: ToSee, caller: CallerHere, ports: PortsHere) -> Response:
    """Return how a zone stands: a level, never a count; only the whole area tells counts, by its fixed cells."""
    told = ports.board.now(zone_id)
    found = [_as_told(ports, told)] if told is not None else await _now(ports, {zone_id})
    if not found:
        raise UnknownSubjectError(NO_ZONE)
    note(ports, caller, "GET zone status", f"zone:{zone_id}")
    return answer(found[0])


@router.get("/zones/{zone_id}/history", response_model=ZoneHistoryShape)
async def history(
    zone_id: ToSee,
    caller: CallerHere,
    ports: PortsHere,
    start: Annotated[Moment | None, Query(alias="from", description="Default: 24 h before `to`.")] = None,
    end: Annotated[Moment | None, Query(alias="to", description="Default: now.")] = None,
    limit: Annotated[int, Query(ge=1, le=_DAY_OF_BINS, description="Items of a page.")] = 100,
    cursor: Annotated[str | None, Query(max_length=400, description="From the previous page.")] = None,
) -> Response:
    """Return how a zone stood, bin by bin, newest first."""
    to = end or ports.clock()
    since = start or to - timedelta(days=1)
    if since > to:
        raise RefusedError(422, "invalid", "from: The time lies after `to`.", field="from")
    after = open_page("zone history", cursor, datetime)
    found = await ports.zones.history(zone_id, Span(start=since, end=to, limit=limit, after=after))
    note(ports, caller, "GET zone history", f"zone:{zone_id}")
    following = page_cursor("zone history", from_ms(found[-1].bin_ms)) if len(found) == limit else None
    return await answer_page(found, zone_views.status, cursor=following)


@router.get("/summary", response_model=SummaryShape)
async def summary(caller: CallerHere, ports: PortsHere) -> Response:
    """Return how all zones stand that the caller may see, and the worst of it."""
    found = await _now(ports, ports.access.zones(caller.user_id, "status"))
    note(ports, caller, "GET zone summary", None)
    overall = zone_views.worst([one["risk_level"] for one in found])
    return answer({"overall_status": overall, "zones": found, "timestamp": stamp(ports.clock())})


async def _now(ports: Ports, visible: frozenset[str] | set[str]) -> list[dict[str, Any]]:
    """Return how zones stand now; of none nothing is asked."""
    if not visible:
        return []
    return [_as_told(ports, one) for one in await ports.zones.now(visible)]


def _as_told(ports: Ports, found: ZoneNow) -> dict[str, Any]:
    return zone_views.status_now(found, now_ms=int(ports.clock().timestamp() * 1000))


async def _cells(body: ZoneBody) -> list[int]:
    """Return the cells of a body, beside the event loop: a long outline takes a while."""
    if body.geojson is not None:
        return await asyncio.to_thread(cells_of_outline, body.geojson)
    return await asyncio.to_thread(cells_of_names, body.cells or [])


def _ids_for(name: str, made: UUID) -> list[str]:
    """Return the ids to try for a zone: its name in plain letters, then that with something of a new id."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:_SLUG_MOST].strip("-") or "zone"
    return [slug, f"{slug}-{made.hex[-8:]}"]
