"""Zones on the live socket, and the alerts of zones: for those with the scopes, for as long as they have them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from infra.api_process import utc_now
from schemas.alerts import alert_id
from schemas.zones import AREA
from tests.api_server import RunningApi, episode, running_api, subscribe, told
from tests.embedded_services import BOTH_DATABASES
from tests.zones_over_http import define, publish, status, store, watcher, zone_episode

pytestmark = [pytest.mark.connected, BOTH_DATABASES]


@pytest.fixture
async def api(database_url: str, kafka_bootstrap: str) -> AsyncIterator[RunningApi]:
    """A served API."""
    async with running_api(database_url, kafka_bootstrap) as served:
        yield served


async def test_alerts_of_a_zone_are_for_people_with_its_scopes(api: RunningApi) -> None:
    """`alerts` shows them, `act` answers them; who holds a wearer's grant alone, or another zone's, sees none of it."""
    await define(api)
    await define(api, "suburb")
    wearer = await api.wearer()
    await api.care(wearer, episode(wearer), zone_episode())
    number = alert_id(zone_episode().episode_id)
    _, both = await watcher(api, "alerts", "act")
    _, sees = await watcher(api, "alerts")
    _, blind = await watcher(api, "status")
    _, elsewhere = await watcher(api, "alerts", "act", zone="suburb")
    async with api.client(sees) as client:
        (told,) = (await client.get("/alerts")).json()["items"]
        assert (told["alert_id"], told["subject"]) == (str(number), {"zone": "old-town"})
        assert (await client.get("/alerts", params={"zone": "old-town"})).json()["items"] == [told]
        assert (await client.get(f"/alerts/{number}")).json() == told
        assert (await client.post(f"/alerts/{number}/acknowledge", json={})).status_code == 403
        assert (await client.get("/alerts", params={"zone": "old-town", "wearer": str(wearer)})).status_code == 422
    async with api.client(both) as client:
        answer = await client.post(f"/alerts/{number}/acknowledge", json={})
        assert answer.status_code == 202
    async with api.client(blind) as client:
        assert (await client.get("/alerts")).json()["items"] == []
        assert (await client.get("/alerts", params={"zone": "old-town"})).status_code == 403
        assert (await client.get(f"/alerts/{number}")).status_code == 403
    for token in (elsewhere, api.admin):
        async with api.client(token) as client:
            assert (await client.get(f"/alerts/{number}")).status_code == 404
            assert (await client.post(f"/alerts/{number}/resolve", json={"outcome": "x"})).status_code == 404
            assert str(number) not in (await client.get("/alerts")).text


async def test_a_page_of_alerts_holds_both_kinds_in_order(api: RunningApi) -> None:
    """Alerts of wearers and of zones come in one order, page by page."""
    await define(api)
    wearer = await api.wearer()
    user, token = await watcher(api, "alerts")
    async with api.client(api.admin) as admin:
        await admin.put(f"/wearers/{wearer}/carers/{user}", json={"scopes": ["alerts"]})
    for minute in range(2):
        await api.care(wearer, episode(wearer, minute))
        await api.care(wearer, zone_episode(condition=f"zone.{minute}", episode_id=uuid4()))
    async with api.client(token) as client:
        whole = (await client.get("/alerts")).json()["items"]
        assert len(whole) == 4
        assert [one["raised"] for one in whole] == sorted((one["raised"] for one in whole), reverse=True)
        paged: list[Any] = []
        params: dict[str, Any] = {"limit": 1}
        while (page := (await client.get("/alerts", params=params)).json())["items"]:
            paged += page["items"]
            params["cursor"] = page["cursor"]
        assert paged == whole


async def test_zones_are_told_live_from_what_is_stored_on_and_resume(api: RunningApi) -> None:
    """The snapshot is the stored status in HTTP's shape, updates follow it, and a cursor brings what came meanwhile."""
    await define(api)
    await store(api.pool, status())
    _, token = await watcher(api, "status")
    async with api.client(token) as client:
        stored = (await client.get("/community/zones/old-town/status")).json()
    async with api.live(token) as socket:
        snapshot = await subscribe(socket, 1, "zones")
        assert snapshot["data"] == [stored]
        assert (await subscribe(socket, 2, "zones", zone="old-town"))["data"] == [stored]
        assert (await subscribe(socket, 3, "zones", zone="nowhere"))["code"] == "not_found"
        assert (await subscribe(socket, 4, "zones", zone=AREA))["code"] == "not_found"
        await publish(api, status("suburb", revision=7), status(revision=2))
        update = await told(socket, lambda message: message["type"] == "update" and message["id"] == 1)
        assert update["data"] == stored | {"revision": 2}
    await publish(api, status(revision=3), status("suburb", revision=8))
    async with api.live(token) as socket:
        resumed = await subscribe(socket, 1, "zones", since=update["cursor"])
        assert (resumed["data"], resumed.get("reset")) == ([], None)
        missed = await told(socket, lambda message: message["type"] == "update")
        assert missed["data"]["revision"] == 3


async def test_a_withdrawn_or_expired_zone_grant_ends_what_is_open_within_five_seconds(api: RunningApi) -> None:
    """Status, alerts and episodes of the zone end by name, and nothing of it arrives afterwards."""
    await define(api)
    user, token = await watcher(api, "status", "alerts")
    path = f"/community/zones/old-town/people/{user}"
    ends: tuple[Any, ...] = (None, {"scopes": ["status", "alerts"], "expires": ""}, "zone")
    for end in ends:
        async with api.client(api.admin) as admin, api.live(token) as socket:
            await admin.put(path, json={"scopes": ["status", "alerts"]})
            for number, topic in enumerate(("zones", "alerts", "episodes")):
                assert (await subscribe(socket, number, topic, zone="old-town"))["type"] == "snapshot"
            if end is None:
                await admin.delete(path)
            elif end == "zone":
                await admin.delete("/community/zones/old-town")
            else:
                await admin.put(path, json=end | {"expires": (utc_now() + timedelta(seconds=1)).isoformat()})
            since = asyncio.get_running_loop().time()
            ended = {(await told(socket, lambda one: one["type"] == "unsubscribed"))["id"] for _ in range(3)}
            assert ended == {0, 1, 2}
            assert asyncio.get_running_loop().time() - since <= 6
            assert (await subscribe(socket, 9, "zones", zone="old-town"))["code"] == "not_found"
