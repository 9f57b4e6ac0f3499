"""What /ready says of each part, from what the part says of itself."""

from typing import Any

import httpx
import pytest

from api.records import Component
from infra.probes import SystemProbes


async def component(health: Any, status: int = 200) -> Component:
    """Return what is told of a worker with this health answer."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json=health))
    async with httpx.AsyncClient(transport=transport) as client:
        probes = SystemProbes(client, core={}, urls={"storage": "http://worker/health"}, lags={}, beside={})
        (found,) = await probes.components()
    return found


async def seen(health: Any, status: int = 200) -> tuple[str, str | None]:
    """Return its state and detail."""
    found = await component(health, status)
    return found.state, found.detail


STANDS_IN = {"alerting": "resting-rate 1 (fallback)", "role": "fallback", "fallback": "made up why", "shadow": None}


async def test_what_a_worker_tells_of_its_detector_is_handed_on() -> None:
    """Whoever asks for the parts of the system gets it whole, and nothing from who has none."""
    for health, told in (({"status": "ok", "detector": STANDS_IN}, STANDS_IN), ({"status": "ok"}, None)):
        assert (await component(health)).told == told


async def test_a_worker_that_works_is_up() -> None:
    """A healthy answer without anything lacking is all that is asked for, whatever else is in it."""
    assert await seen({"status": "ok", "waiting": {}, "lost_records": 0, "partitions": 12}) == ("up", None)
    assert await seen({"status": "ok", "sessions": 7}) == ("up", None)


@pytest.mark.parametrize(
    ("health", "words"),
    [
        pytest.param({"status": "ok", "waiting": {"write": "The database is away."}}, "database is away", id="waits"),
        pytest.param({"status": "ok", "lost_records": 41}, "dropped 41 records", id="a gap in the log"),
        pytest.param(["ok"], "in our form", id="somebody else's answer"),
        pytest.param({"status": "ok", "detector": STANDS_IN}, "made up why", id="another detector"),
    ],
)
async def test_what_a_worker_lacks_degrades_it(health: Any, words: str) -> None:
    """Waiting for the world, and records that the log lost before they were read, are told to the operator."""
    state, detail = await seen(health)
    assert state == "degraded"
    assert detail is not None
    assert words in detail


async def test_a_worker_that_is_not_healthy_is_down() -> None:
    """Any other status is down."""
    assert (await seen({"status": "starting"}, 503))[0] == "down"
