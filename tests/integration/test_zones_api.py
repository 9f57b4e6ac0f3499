"""Community zones over HTTP: seen by grant alone, told without a count."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import pytest

from infra.api_process import utc_now
from schemas.zones import AREA, BIN_MS, CellStatus, ZoneStatus
from tests.api_server import DEADLINE_S, RunningApi, running_api
from tests.embedded_services import BOTH_DATABASES
from tests.zones_over_http import CELLS, define, newest_bin_ms, publish, status, store, told_as, watcher

pytestmark = [pytest.mark.connected, BOTH_DATABASES]


@pytest.fixture
async def api(database_url: str, kafka_bootstrap: str) -> AsyncIterator[RunningApi]:
    """A served API."""
    async with running_api(database_url, kafka_bootstrap) as served:
        yield served


async def test_nobody_sees_a_zone_without_a_grant_and_nobody_learns_whether_there_is_one(api: RunningApi) -> None:
    """An unknown zone and no grant look the same, also to administrators; a grant without the scope is 403."""
    await define(api)
    await store(api.pool, status(), status(AREA, cells=()))
    _, stranger = await api.carer()
    _, alerted = await watcher(api, "alerts")
    paths = ("", "/status", "/history")
    async with api.client(stranger) as client:
        for path in paths:
            known = await client.get(f"/community/zones/old-town{path}")
            unknown = await client.get(f"/community/zones/nowhere{path}")
            assert known.status_code == unknown.status_code == 404
            assert known.json() == unknown.json()
            assert (await client.get(f"/community/zones/area{path}")).json() == unknown.json()
        assert (await client.get("/community/zones")).json() == {"items": [], "cursor": None}
        summary = (await client.get("/community/summary")).json()
        assert (summary["overall_status"], summary["zones"]) == ("unknown", [])
        for zone in ("old-town", "nowhere"):
            assert (await client.get("/alerts", params={"zone": zone})).status_code == 404
    async with api.client(alerted) as client:
        for path in paths:
            assert (await client.get(f"/community/zones/old-town{path}")).status_code == 403
        assert (await client.get("/community/zones")).json()["items"] == []
    async with api.client(api.admin) as client:
        assert (await client.get("/community/zones/old-town/status")).status_code == 404
        assert (await client.get("/community/zones/area")).status_code == 404
        (item,) = (await client.get("/community/zones")).json()["items"]
        assert (item["zone_id"], item["level"], item["coverage"]) == ("old-town", None, None)


async def test_who_may_see_a_zone_sees_its_status_in_the_earlier_shape_and_more(api: RunningApi) -> None:
    """Status, list and summary tell the newest bin; what is not usual is never safe."""
    await define(api)
    at_ms = newest_bin_ms()
    newest = status(revision=2, active_episodes=1, labels=("firmware",), possible=("activity",))
    await store(api.pool, status(bin_ms=at_ms - BIN_MS, level="critical"), newest)
    _, token = await watcher(api, "status")
    async with api.client(token) as client:
        told = (await client.get("/community/zones/old-town/status")).json()
        assert {name: told[name] for name in ("zone_id", "name", "active_episodes", "risk_level")} == {
            "zone_id": "old-town", "name": "Old town", "active_episodes": 1, "risk_level": "safe"
        }  # fmt: skip
        assert datetime.fromisoformat(told["last_updated"]).timestamp() * 1000 == at_ms
        assert (told["level"], told["state"], told["coverage"], told["revision"]) == ("usual", "ok", "good", 2)
        assert (told["labels"], told["possible"]) == (["firmware"], ["activity"])
        assert "cells" not in told
        assert (await client.get("/community/summary")).json()["zones"] == [told]
        (item,) = (await client.get("/community/zones")).json()["items"]
        assert (item["scopes"], item["risk_level"], item["version"]) == (["status"], "safe", 1)
        feature = (await client.get("/community/zones/old-town")).json()
        assert (feature["type"], feature["geometry"]["type"]) == ("Feature", "MultiPolygon")


def in_time(zone: str) -> ZoneStatus:
    """Return a status that comes in time, and later than whatever another test told of the zone on the same log."""
    revision = int(utc_now().timestamp() * 1000)
    return status(zone, bin_ms=newest_bin_ms() + BIN_MS, revision=revision, level="critical")


async def test_what_the_log_tells_is_for_who_holds_a_grant_and_under_todays_name(api: RunningApi) -> None:
    """What nobody has stored is told from the log, and to nobody without a grant; a new name counts at once."""
    await define(api, "mill")
    _, token = await watcher(api, "status", zone="mill")
    _, stranger = await api.carer()
    critical = in_time("mill")
    await publish(api, critical)
    path = "/community/zones/mill/status"
    async with api.client(token) as client, api.client(stranger) as other, api.client(api.admin) as admin:
        found = await told_as(client, "mill", "critical")
        assert (found["state"], found["revision"], found["version"]) == ("ok", critical.revision, 1)
        assert "cells" not in found
        assert (await other.get(path)).status_code == 404
        assert (await admin.get(path)).status_code == 404
        renamed = await admin.put("/community/zones/mill", json={"name": "Watermill", "cells": CELLS})
        assert renamed.status_code == 200
        found = (await client.get(path)).json()
        assert (found["name"], found["level"], found["version"]) == ("Watermill", "critical", 1)
        assert (await admin.delete("/community/zones/mill")).status_code == 204
        assert (await client.get(path)).status_code == 404


async def test_without_the_database_no_status_is_told_under_grants_that_may_be_old(api: RunningApi) -> None:
    """What the log told is answered 503 within seconds of the database going away: a grant may be withdrawn since."""
    await define(api, "mill")
    _, token = await watcher(api, "status", zone="mill")
    await publish(api, in_time("mill"))
    path = "/community/zones/mill/status"
    async with api.client(token) as client, asyncio.timeout(DEADLINE_S):
        await told_as(client, "mill", "critical")
        await api.pool.close()
        while True:
            answer = await client.get(path)
            if answer.status_code != 200:
                break
            await asyncio.sleep(0.1)
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_away")


async def test_before_the_first_bin_nothing_is_called_safe(api: RunningApi) -> None:
    """A zone that no bin was closed of is starting, and unknown; one whose bins are overdue is delayed."""
    await define(api)
    await define(api, "late")
    await store(api.pool, status("late", bin_ms=newest_bin_ms() - 12 * BIN_MS))
    user, token = await watcher(api, "status")
    async with api.client(api.admin) as admin:
        await admin.put(f"/community/zones/late/people/{user}", json={"scopes": ["status"]})
        await admin.put(f"/community/zones/area/people/{user}", json={"scopes": ["status"]})
    async with api.client(token) as client:
        told = (await client.get("/community/zones/old-town/status")).json()
        assert (told["state"], told["risk_level"], told["last_updated"]) == ("starting", "unknown", None)
        assert (await client.get("/community/zones/late/status")).json()["state"] == "delayed"
        assert (await client.get("/community/zones/area")).json()["features"] == []
        assert (await client.get("/community/summary")).json()["overall_status"] == "unknown"


async def test_the_whole_area_tells_its_fixed_cells(api: RunningApi) -> None:
    """The area's status has cells with what is told of them, and its map is a FeatureCollection of them."""
    cells = (
        CellStatus(cell="871f8d4c3ffffff", level="elevated", active=40, flagged=11),
        CellStatus(cell="871f8d4c2ffffff", level="usual"),
    )
    await store(api.pool, status(AREA, cells=cells, region=("871f8d4c3ffffff",), level="elevated"))
    _, token = await watcher(api, "status", zone=AREA)
    async with api.client(token) as client:
        told = (await client.get("/community/zones/area/status")).json()
        assert told["cells"][0] == {"cell": "871f8d4c3ffffff", "level": "elevated", "active": 40, "flagged": 11}
        assert told["cells"][1]["active"] is None
        drawn = (await client.get("/community/zones/area")).json()
        assert drawn["type"] == "FeatureCollection"
        assert [one["properties"] for one in drawn["features"]] == told["cells"]
        assert drawn["features"][0]["geometry"]["type"] == "Polygon"
        (item,) = (await client.get("/community/zones")).json()["items"]
        assert (item["zone_id"], item["risk_level"]) == (AREA, "elevated")


async def test_a_named_zone_never_tells_cells_whatever_was_stored(api: RunningApi) -> None:
    """Cells and counts in a named zone's record are left out of every answer."""
    await define(api)
    cells = (CellStatus(cell="871f8d4c3ffffff", level="usual", active=12),)
    await store(api.pool, status(cells=cells, region=("871f8d4c3ffffff",)))
    _, token = await watcher(api, "status")
    async with api.client(token) as client:
        for path in ("zones/old-town/status", "zones/old-town/history", "summary", "zones"):
            assert "871f8d4c3ffffff" not in (await client.get(f"/community/{path}")).text


async def test_history_is_paged_newest_first(api: RunningApi) -> None:
    """Pages follow each other without gap or repeat, and hold what lies in the span."""
    await define(api)
    newest_ms = newest_bin_ms()
    await store(api.pool, *(status(bin_ms=newest_ms - number * BIN_MS, revision=9 - number) for number in range(7)))
    _, token = await watcher(api, "status")
    async with api.client(token) as client:
        found: list[int] = []
        params: dict[str, Any] = {"limit": 3, "from": newest_ms - 5 * BIN_MS}
        while True:
            page = (await client.get("/community/zones/old-town/history", params=params)).json()
            found += [one["revision"] for one in page["items"]]
            if page["cursor"] is None:
                break
            params["cursor"] = page["cursor"]
        assert found == [9, 8, 7, 6, 5, 4]
        wrong = await client.get("/community/zones/old-town/history", params={"cursor": "AAAA"})
        assert wrong.json()["error"]["code"] == "bad_cursor"
        back = await client.get("/community/zones/old-town/history", params={"from": newest_ms, "to": 1})
        assert back.status_code == 422
