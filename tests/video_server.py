"""The API's routes of videos on a free port of the test's own loop: real HTTP, no database and no Kafka behind it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID, uuid4, uuid5

import httpx

from api.app import create_app
from api.jobs import JobDesk
from api.ports import Reads, Videos
from api.records import Caller, Point, Span
from infra.api_process import Front, bind, make_server
from infra.fuzz.live_world import WEARERS, MemoryAccess, live_ports
from schemas.errors import UnauthenticatedError
from tests.described_app import described_once

USERS = {name: Caller(user_id=uuid5(WEARERS[0], name), name=name, role="carer", token_sha256=b"") for name in "ab"}
SHARED, FOREIGN = uuid4(), uuid4()
"""A wearer whose readings user a may see, and one whom nobody may."""


class TwoUsers(MemoryAccess):
    """The token is the user's name; user a may read one wearer until that is withdrawn, and act for nobody."""

    withdrawn = False

    async def identify(self, token: str) -> Caller:
        """Return the user of that name."""
        if token not in USERS:
            raise UnauthenticatedError("No such token.")
        return USERS[token]

    def scopes(self, user_id: UUID, wearer: UUID) -> frozenset[str]:
        """Return `readings` for the one that is shared."""
        shared = user_id == USERS["a"].user_id and wearer == SHARED and not self.withdrawn
        return frozenset({"readings"}) if shared else frozenset()


class Days:
    """Ten stored days of heart rate: 60, and 66 in the newest three."""

    async def points(self, wearer: UUID, span: Span, vitals: Sequence[str], step: timedelta) -> Sequence[Point]:
        """Return them."""
        assert vitals == ["heart_rate"]
        return [
            Point(
                wearer=wearer,
                time=span.start + number * step,
                step=step,
                readings=5,
                injected=0,
                replayed=0,
                simulated=0,
                vitals={"heart_rate": {"mean": 66.0 if number > 6 else 60.0, "count": 5}},
            )
            for number in range(10)
        ]


@dataclass(slots=True, kw_only=True)
class VideoServer:
    """A served API, its jobs, and who may see whom."""

    host: str
    jobs: JobDesk
    access: TwoUsers

    def client(self, user: str | None = "a") -> httpx.AsyncClient:
        """Return an HTTP client of a user."""
        headers = {} if user is None else {"Authorization": f"Bearer {user}"}
        return httpx.AsyncClient(base_url=f"http://{self.host}", headers=headers, timeout=60.0)


@asynccontextmanager
async def video_server(videos: Videos, *, limit_s: float = 60.0) -> AsyncIterator[VideoServer]:
    """Serve the API over these videos."""
    jobs, access = JobDesk(clock=_now, new_id=uuid4, limit_s=limit_s), TwoUsers()
    ports = replace(
        live_ports(), access=access, reads=cast(Reads, Days()), videos=videos, jobs=jobs, clock=_now, new_id=uuid4
    )
    with described_once():
        server = make_server(create_app(ports), Front())
    listening = bind("127.0.0.1", 0)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        yield VideoServer(host=f"127.0.0.1:{listening.getsockname()[1]}", jobs=jobs, access=access)
    finally:
        await jobs.close()
        server.should_exit = True
        await serving


async def until(condition: Callable[[], Any], *, within_s: float = 10.0) -> None:
    """Return once something holds."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - processes and sockets tell no event
            await asyncio.sleep(0.01)


def _now() -> datetime:
    return datetime.now(UTC)
