"""What an administrator, or who signs out, writes: done and in the audit, also where the database goes away since."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

import pytest
from fastapi.responses import Response

from api.callers import COOKIE, Ports
from api.records import AccessChange, AuditEntry, Caller
from api.routes import people, session, zones
from api.shapes import NewDevice, NewGrant, NewWearer
from api.zone_shapes import NewZoneBody, NewZoneGrant, ZoneBody
from schemas.errors import DatabaseAwayError
from tests.zones_over_http import CELLS

ADMIN, CARER, WEARER, DEVICE = UUID(int=1), UUID(int=2), UUID(int=3), UUID(int=4)
NOW = datetime(2026, 11, 22, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
TOKEN = "shown once"  # noqa: S105 - nobody's
ME = Caller(user_id=ADMIN, name="Ada", role="admin", token_sha256=b"hash", by_cookie=True)
ZONE_GRANT = NewZoneGrant.model_validate({"scopes": ["status"], "expires": LATER.isoformat()})
TAKEN: dict[str, Any] = {"add_device": (DEVICE, TOKEN), "close_session": None}


@dataclass
class World:
    """People and zones that take every change, grants that cannot be read again, and an audit."""

    away: bool
    done: list[str] = field(default_factory=list)
    learned: list[AccessChange] = field(default_factory=list)

    def __getattr__(self, name: str) -> Callable[..., Awaitable[Any]]:
        """Return what writes a change."""
        cells = [int(cell, 16) for cell in CELLS]
        made = SimpleNamespace(
            zone_id="ward", version=1, cells=cells, wearer_id=WEARER, name="Ward", timezone="UTC", profile={},
            created_at=NOW,
        )  # fmt: skip

        async def change(*_: object, **__: object) -> Any:
            self.done.append(name)
            return TAKEN.get(name, made)

        return change

    async def refresh(self) -> None:
        """Read the grants again, unless the database is away."""
        self.done.append("refresh")
        if self.away:
            raise DatabaseAwayError("The database is away.")

    def learn(self, change: AccessChange) -> None:
        """Keep what holds although it could not be read."""
        self.learned.append(change)

    def scopes(self, user_id: UUID, wearer: UUID) -> frozenset[str]:
        """Return nothing."""
        del user_id, wearer
        return frozenset()

    def note(self, entry: AuditEntry) -> None:
        """Keep a line of the audit."""
        self.done.append(f"{entry.action} {entry.subject}")


@dataclass(frozen=True, kw_only=True)
class Write:
    """A request that writes, what it writes, its line of the audit, and what it makes of who may see what."""

    ask: Callable[[Ports], Awaitable[Response]]
    change: str
    noted: str
    learned: AccessChange | None = None


WRITES = (
    Write(
        ask=lambda ports: zones.add_zone(NewZoneBody(zone_id="ward", name="Ward", cells=CELLS), ME, ports),
        change="define",
        noted="POST zone zone:ward",
    ),
    Write(
        ask=lambda ports: zones.change_zone("ward", ZoneBody(name="Ward", cells=CELLS), ME, ports),
        change="redefine",
        noted="PUT zone zone:ward",
    ),
    Write(
        ask=lambda ports: zones.withdraw_zone("ward", ME, ports),
        change="withdraw",
        noted="DELETE zone zone:ward",
        learned=AccessChange(subject="ward"),
    ),
    Write(
        ask=lambda ports: zones.grant("ward", CARER, ZONE_GRANT, ME, ports),
        change="grant",
        noted="PUT zone person zone:ward",
        learned=AccessChange(subject="ward", user_id=CARER, scopes=["status"], expires=LATER),
    ),
    Write(
        ask=lambda ports: zones.withdraw("ward", CARER, ME, ports),
        change="ungrant",
        noted="DELETE zone person zone:ward",
        learned=AccessChange(subject="ward", user_id=CARER),
    ),
    Write(
        ask=lambda ports: people.add_wearer(NewWearer(name="Ada"), ME, ports),
        change="add_wearer",
        noted=f"POST wearers wearer:{WEARER}",
    ),
    Write(
        ask=lambda ports: people.add_device(WEARER, NewDevice(model="W1"), ME, ports),
        change="add_device",
        noted=f"POST devices wearer:{WEARER}",
    ),
    Write(
        ask=lambda ports: people.grant(WEARER, CARER, NewGrant(scopes=["scores", "alerts"]), ME, ports),
        change="grant",
        noted=f"PUT carer wearer:{WEARER}",
        learned=AccessChange(subject=WEARER, user_id=CARER, scopes=["alerts", "scores"]),
    ),
    Write(
        ask=lambda ports: people.withdraw(WEARER, CARER, ME, ports),
        change="withdraw",
        noted=f"DELETE carer wearer:{WEARER}",
        learned=AccessChange(subject=WEARER, user_id=CARER),
    ),
    Write(
        ask=lambda ports: session.sign_out(ME, ports),
        change="close_session",
        noted=f"POST sign-out user:{ADMIN}",
        learned=AccessChange(subject=b"hash"),
    ),
)


async def answered(write: Write, world: World) -> Response:
    """Return the answer to a request in a world."""
    ports = SimpleNamespace(
        zones=world, people=world, sign_in=world, access=world, audit=world, clock=lambda: NOW, new_id=UUID
    )
    return await write.ask(cast(Ports, ports))


@pytest.mark.parametrize("away", [False, True])
@pytest.mark.parametrize("write", WRITES, ids=lambda one: one.noted)
async def test_what_was_written_is_noted_and_holds_whether_or_not_it_can_be_read_again(
    write: Write, *, away: bool
) -> None:
    """Each write is in the audit and answered as done; where grants cannot be read, what it made of them is learned."""
    world = World(away=away)
    answer = await answered(write, world)
    assert answer.status_code in {200, 201, 204}
    assert world.done == [write.change, write.noted, "refresh"]
    assert world.learned == ([write.learned] if away and write.learned is not None else [])


async def test_a_new_devices_token_and_the_end_of_a_session_reach_who_asked() -> None:
    """With the database gone since, the only sight of a token is not lost and the cookie is taken back."""
    by_change = {one.change: one for one in WRITES}
    assert TOKEN.encode() in (await answered(by_change["add_device"], World(away=True))).body
    cookie = (await answered(by_change["close_session"], World(away=True))).headers["set-cookie"]
    assert cookie.startswith(f'{COOKIE}=""')
