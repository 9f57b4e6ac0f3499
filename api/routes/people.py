"""Routes about people: wearers, devices, users, and who may see whom."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Path
from fastapi.responses import Response

from api import views
from api.callers import AdminHere, CallerHere, Ports, PortsHere, note, note_written
from api.errors import RefusedError, answer
from api.records import SCOPES, AccessChange, Caller
from api.shapes import (
    CarersShape,
    DevicesShape,
    MeShape,
    NewDevice,
    NewDeviceShape,
    NewGrant,
    NewUser,
    NewUserShape,
    NewWearer,
    WearerShape,
    WearersShape,
)
from schemas.errors import UnknownSubjectError

router = APIRouter(tags=["people"])

WearerId = Annotated[UUID, Path(description="The wearer.")]


@router.get("/me", response_model=MeShape)
async def me(caller: CallerHere) -> Response:
    """Say who the token belongs to."""
    return answer({"user_id": caller.user_id, "name": caller.name, "role": caller.role})


@router.post("/wearers", status_code=201, response_model=WearerShape)
async def add_wearer(body: NewWearer, caller: AdminHere, ports: PortsHere) -> Response:
    """Add a wearer; the admin who adds one holds every scope until that grant is withdrawn."""
    found = await ports.people.add_wearer(
        name=body.name, timezone=body.timezone, profile=body.profile, created_by=caller.user_id
    )
    await note_written(ports, caller, "POST wearers", f"wearer:{found.wearer_id}")
    return answer(views.wearer(found, frozenset(SCOPES)), 201)


@router.get("/wearers", response_model=WearersShape)
async def wearers(caller: CallerHere, ports: PortsHere) -> Response:
    """List the wearers that the caller has a grant for; an admin sees every name."""
    only = None if caller.role == "admin" else _granted(ports, caller)
    found = await ports.people.wearers(only)
    note(ports, caller, "GET wearers", None)
    scopes = ports.access.scopes
    items = [views.wearer(one, scopes(caller.user_id, one.wearer_id)) for one in found]
    return answer({"items": items, "cursor": None})


@router.get("/wearers/{wearer_id}", response_model=WearerShape)
async def wearer(wearer_id: WearerId, caller: CallerHere, ports: PortsHere) -> Response:
    """Return one wearer."""
    _may_know(ports, caller, wearer_id)
    found = await ports.people.wearers([wearer_id])
    if not found:
        raise UnknownSubjectError("There is no such wearer.")
    note(ports, caller, "GET wearer", f"wearer:{wearer_id}")
    return answer(views.wearer(found[0], ports.access.scopes(caller.user_id, wearer_id)))


@router.post("/wearers/{wearer_id}/devices", status_code=201, response_model=NewDeviceShape)
async def add_device(wearer_id: WearerId, body: NewDevice, caller: AdminHere, ports: PortsHere) -> Response:
    """Add a device; its token is shown this once."""
    device_id, token = await ports.people.add_device(wearer_id, body.model)
    await note_written(ports, caller, "POST devices", f"wearer:{wearer_id}")
    return answer({"device_id": device_id, "token": token}, 201, headers={"Cache-Control": "no-store"})


@router.get("/wearers/{wearer_id}/devices", response_model=DevicesShape)
async def devices(wearer_id: WearerId, caller: CallerHere, ports: PortsHere) -> Response:
    """List a wearer's devices, revoked ones included."""
    _may_know(ports, caller, wearer_id)
    found = await ports.people.devices(wearer_id)
    note(ports, caller, "GET devices", f"wearer:{wearer_id}")
    return answer({"items": [views.device(one) for one in found], "cursor": None})


@router.delete("/devices/{device_id}", status_code=204)
async def revoke_device(
    device_id: Annotated[UUID, Path(description="The device.")], caller: AdminHere, ports: PortsHere
) -> Response:
    """Revoke a device's token; what it sent stays."""
    if not await ports.people.revoke_device(device_id):
        raise UnknownSubjectError("There is no such device.")
    note(ports, caller, "DELETE device", f"device:{device_id}")
    return Response(status_code=204)


@router.post("/users", status_code=201, response_model=NewUserShape)
async def add_user(body: NewUser, caller: AdminHere, ports: PortsHere) -> Response:
    """Add a user; the token is shown this once."""
    user_id, token = await ports.people.add_user(name=body.name, email=body.email, role=body.role)
    note(ports, caller, "POST users", f"user:{user_id}")
    return answer({"user_id": user_id, "token": token}, 201, headers={"Cache-Control": "no-store"})


@router.get("/wearers/{wearer_id}/carers", response_model=CarersShape)
async def carers(wearer_id: WearerId, caller: CallerHere, ports: PortsHere) -> Response:
    """List who holds a grant for a wearer."""
    _may_know(ports, caller, wearer_id)
    found = await ports.people.carers(wearer_id)
    note(ports, caller, "GET carers", f"wearer:{wearer_id}")
    return answer({"items": [views.carer(one) for one in found], "cursor": None})


@router.put("/wearers/{wearer_id}/carers/{user_id}", status_code=204)
async def grant(
    wearer_id: WearerId,
    user_id: Annotated[UUID, Path(description="The carer.")],
    body: NewGrant,
    caller: AdminHere,
    ports: PortsHere,
) -> Response:
    """Grant exactly these scopes, replacing what was granted before."""
    if body.expires is not None and body.expires <= ports.clock():
        raise RefusedError(422, "invalid", "expires: The time lies in the past.", field="expires")
    scopes = sorted(set(body.scopes))
    await ports.people.grant(wearer_id, user_id, scopes=scopes, expires=body.expires, by=caller.user_id)
    change = AccessChange(subject=wearer_id, user_id=user_id, scopes=scopes, expires=body.expires)
    await note_written(ports, caller, "PUT carer", f"wearer:{wearer_id}", change=change)
    return Response(status_code=204)


@router.delete("/wearers/{wearer_id}/carers/{user_id}", status_code=204)
async def withdraw(
    wearer_id: WearerId,
    user_id: Annotated[UUID, Path(description="The carer.")],
    caller: AdminHere,
    ports: PortsHere,
) -> Response:
    """Withdraw a grant; what is open under it ends within seconds."""
    if not await ports.people.withdraw(wearer_id, user_id):
        raise UnknownSubjectError("There is no such grant.")
    change = AccessChange(subject=wearer_id, user_id=user_id)
    await note_written(ports, caller, "DELETE carer", f"wearer:{wearer_id}", change=change)
    return Response(status_code=204)


def _granted(ports: Ports, caller: Caller) -> frozenset[UUID]:
    return frozenset().union(*(ports.access.wearers(caller.user_id, scope) for scope in SCOPES))


def _may_know(ports: Ports, caller: Caller, wearer_id: UUID) -> None:
    if caller.role != "admin" and not ports.access.scopes(caller.user_id, wearer_id):
        raise UnknownSubjectError("There is no such wearer, or none that you may see.")
