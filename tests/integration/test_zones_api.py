"""Community zones over HTTP: defined by administrators, seen by grant alone, told without a count."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import h3
import pytest

from infra.api_process import utc_now
from schemas import zones
from schemas.alerts import alert_id
from schemas.episodes import Episode, Evidence, Subject, episode_id
from schemas.topics import ZONES, partition_of
from schemas.zones import AREA, BIN_MS, CellStatus, ZoneStatus
from stream_processors.ports import Emission
from tests.api_server import RunningApi, episode, running_api, subscribe, told
from tests.security.doors import raw

pytestmark = pytest.mark.connected

_AUDIT = "SELECT action, user_id FROM audit WHERE subject = 'zone:old-town' ORDER BY at"
CELLS = ["881f8d4c37fffff", "881f8d4c33fffff"]
SQUARE = [[7.42, 46.94], [7.48, 46.94], [7.48, 46.97], [7.42, 46.97], [7.42, 46.94]]


@pytest.fixture
async def api(database_url: str, kafka_bootstrap: str) -> AsyncIterator[RunningApi]:
    """A served API."""
    async with running_api(database_url, kafka_bootstrap) as served:
        yield served


def newest_bin_ms() -> int:
    """Return the start of the newest bin that can be closed."""
    return (int(utc_now().timestamp() * 1000) // BIN_MS - 2) * BIN_MS


def status(zone: str = "old-town", **changes: Any) -> ZoneStatus:
    """Return a status of a zone where nothing is unusual."""
    values: dict[str, Any] = {
        "zone_id": zone,
        "name": "Old town",
        "version": 1,
        "revision": 1,
        "bin_ms": newest_bin_ms(),
        "state": "ok",
        "level": "usual",
        "coverage": "good",
        "recurrence": "on most days",
        "smallest_visible": 0.1,
    }
    return ZoneStatus(**{**values, **changes})


async def store(pool: asyncpg.Pool, *told: ZoneStatus) -> None:
    """Write statuses as storage does."""
    for one in told:
        at = datetime.fromtimestamp(one.bin_ms / 1000, UTC)
        body = zones.encode(one).decode()
        await pool.execute("INSERT INTO zone_status VALUES ($1, $2, $3, $4)", one.zone_id, at, one.revision, body)


async def define(api: RunningApi, zone: str = "old-town", cells: Any = CELLS) -> None:
    """Define a zone."""
    async with api.client(api.admin) as admin:
        answer = await admin.post("/community/zones", json={"zone_id": zone, "name": "Old town", "cells": cells})
        assert answer.status_code == 201, answer.text


async def watcher(api: RunningApi, *scopes: str, zone: str = "old-town") -> tuple[UUID, str]:
    """Add a user with a grant for a zone; return the id and the token."""
    user, token = await api.carer()
    async with api.client(api.admin) as admin:
        answer = await admin.put(f"/community/zones/{zone}/people/{user}", json={"scopes": list(scopes)})
        assert answer.status_code == 204, answer.text
    return user, token


def zone_episode(zone: str = "old-town", **changes: Any) -> Episode:
    """Return an open episode of a zone."""
    subject, onset_ms = Subject(zone=zone), newest_bin_ms()
    values: dict[str, Any] = {
        "episode_id": episode_id(subject, "zone.count", onset_ms),
        "subject": subject,
        "condition": "zone.count",
        "type": "physiological",
        "phase": "opened",
        "tier": 2,
        "writer": "zones",
        "revision": 1,
        "pages": True,
        "onset_ms": onset_ms,
        "changed_ms": onset_ms,
        "reason": "More wearers than usual are flagged.",
        "evidence": Evidence(rule="zone.count"),
        "decided_received_ms": onset_ms,
        "decided_append_ms": onset_ms,
    }
    return Episode(**{**values, **changes})


async def test_a_zone_is_defined_changed_and_withdrawn_and_its_versions_are_kept(api: RunningApi) -> None:
    """Cells and outlines come in, GeoJSON goes out; a change is a version, the same again is none."""
    async with api.client(api.admin) as admin:
        made = await admin.post("/community/zones", json={"name": "Old Town!", "cells": CELLS})
        assert made.status_code == 201
        assert made.json()["geometry"]["type"] == "MultiPolygon"
        assert made.json()["properties"] == {
            "zone_id": "old-town", "name": "Old Town!", "version": 1, "cells": sorted(CELLS)
        }  # fmt: skip
        again = await admin.post("/community/zones", json={"name": "Old town", "cells": CELLS})
        other = again.json()["properties"]["zone_id"]
        assert other.startswith("old-town-")
        taken = await admin.post("/community/zones", json={"zone_id": "old-town", "name": "x", "cells": CELLS})
        assert (taken.status_code, taken.json()["error"]["code"]) == (409, "id_taken")
        drawn = {"name": "Old Town!", "geojson": {"type": "Polygon", "coordinates": [SQUARE]}}
        changed = (await admin.put("/community/zones/old-town", json=drawn)).json()["properties"]
        assert changed["version"] == 2
        assert len(changed["cells"]) > 2
        assert (await admin.put("/community/zones/old-town", json=drawn)).json()["properties"] == changed
        assert (await admin.get("/community/zones/old-town")).json()["properties"] == changed
        assert (await admin.delete(f"/community/zones/{other}")).status_code == 204
        assert (await admin.delete(f"/community/zones/{other}")).status_code == 404
        assert (await admin.put(f"/community/zones/{other}", json=drawn)).status_code == 404
        assert (await admin.get(f"/community/zones/{other}")).status_code == 404
        taken = await admin.post("/community/zones", json={"zone_id": other, "name": "x", "cells": CELLS})
        assert taken.json()["error"]["code"] == "id_taken"
        listed = (await admin.get("/community/zones")).json()["items"]
    assert [(one["zone_id"], one["version"], one["risk_level"]) for one in listed] == [("old-town", 2, None)]
    west, south, east, north = listed[0]["bounds"]
    assert west < 7.45 < east
    assert south < 46.95 < north
    rows = await api.pool.fetch("SELECT zone_id, version, cardinality(cells) AS cells FROM zones ORDER BY 1, 2")
    assert [(row["zone_id"], row["version"]) for row in rows] == [("old-town", 1), ("old-town", 2), (other, 1)]


REFUSED: tuple[tuple[dict[str, Any], str], ...] = (
    ({"name": "x"}, "body"),
    ({"name": "x", "cells": CELLS, "geojson": {"type": "Polygon", "coordinates": [SQUARE]}}, "body"),
    ({"name": "x", "cells": []}, "cells"),
    ({"name": "x", "cells": ["zzzzzzzzzzzzzzz"]}, "cells.0"),
    ({"name": "x", "cells": ["8" * 5_000]}, "cells.0"),
    ({"name": "", "cells": CELLS}, "name"),
    ({"name": "x" * 201, "cells": CELLS}, "name"),
    ({"name": "x\0", "cells": CELLS}, "body"),
    ({"name": "x", "cells": CELLS, "zone_id": "Ä"}, "zone_id"),
    ({"name": "x", "cells": CELLS, "zone_id": "a" * 65}, "zone_id"),
    ({"name": "x", "geojson": {"type": "Point", "coordinates": [7, 46]}}, "geojson"),
)


async def test_what_is_no_zone_is_refused_by_its_field(api: RunningApi) -> None:
    """A definition that is not as it must be is answered 422 with the field, and makes nothing."""
    async with api.client(api.admin) as admin:
        for body, field in REFUSED:
            answer = await admin.post("/community/zones", json=body)
            assert answer.status_code == 422, answer.text
            assert answer.json()["error"]["details"]["field"] == field
    assert await api.pool.fetchval("SELECT count(*) FROM zones") == 0


async def test_sizes_are_limited(api: RunningApi) -> None:
    """5,000 cells fit, one more does not, nor a body over 256 KiB; endless nesting is an answer; `area` is taken."""
    async with api.client(api.admin) as admin:
        disc = _disc(5_001)
        fits = await admin.post("/community/zones", json={"zone_id": "large", "name": "Large", "cells": disc[:-1]})
        assert fits.status_code == 201, fits.text
        over = await admin.put("/community/zones/large", json={"name": "Large", "cells": disc})
        assert (over.status_code, over.json()["error"]["details"]["field"]) == (422, "cells")
        for method, path in (("POST", "/community/zones"), ("PUT", "/community/zones/large")):
            head = f"{method} {path} HTTP/1.1\r\nHost: here\r\nContent-Length: 262145\r\n\r\n"
            assert (await raw(api.host, head.encode())).status == 413
        for depth in (200, 100_000):
            nested = b'{"name": "x", "geojson": {"a": ' + b"[" * depth + b"]" * depth + b"}}"
            headers = {"Content-Type": "application/json"}
            answer = await admin.put("/community/zones/large", content=nested, headers=headers)
            assert answer.status_code in {400, 422}, answer.text
        taken = await admin.post("/community/zones", json={"zone_id": AREA, "name": "x", "cells": CELLS})
        assert taken.status_code == 409


def _disc(count: int) -> list[str]:
    centre = h3.latlng_to_cell(46.948, 7.447, 8)
    return list(h3.grid_disk(centre, 41))[:count]


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
    await store(api.pool, status(bin_ms=at_ms - BIN_MS, level="critical"), status(revision=2, active_episodes=1))
    _, token = await watcher(api, "status")
    async with api.client(token) as client:
        told = (await client.get("/community/zones/old-town/status")).json()
        assert {name: told[name] for name in ("zone_id", "name", "active_episodes", "risk_level")} == {
            "zone_id": "old-town", "name": "Old town", "active_episodes": 1, "risk_level": "safe"
        }  # fmt: skip
        assert datetime.fromisoformat(told["last_updated"]).timestamp() * 1000 == at_ms
        assert (told["level"], told["state"], told["coverage"], told["revision"]) == ("usual", "ok", "good", 2)
        assert "cells" not in told
        assert (await client.get("/community/summary")).json()["zones"] == [told]
        (item,) = (await client.get("/community/zones")).json()["items"]
        assert (item["scopes"], item["risk_level"], item["version"]) == (["status"], "safe", 1)
        feature = (await client.get("/community/zones/old-town")).json()
        assert (feature["type"], feature["geometry"]["type"]) == ("Feature", "MultiPolygon")


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


async def test_grants_are_exact_end_and_are_listed(api: RunningApi) -> None:
    """A grant replaces the one before, a withdrawn one is worth nothing, and a withdrawn zone's are gone."""
    await define(api)
    await store(api.pool, status())
    user, token = await watcher(api, "status", "alerts")
    path = f"/community/zones/old-town/people/{user}"
    async with api.client(api.admin) as admin, api.client(token) as client:
        assert (await admin.get("/community/zones/old-town/people")).json()["items"] == [
            {"user_id": str(user), "name": "Ben", "scopes": ["alerts", "status"], "expires": None}
        ]
        await admin.put(path, json={"scopes": ["alerts"]})
        assert (await client.get("/community/zones/old-town/status")).status_code == 403
        past = {"scopes": ["status"], "expires": (utc_now() - timedelta(minutes=1)).isoformat()}
        assert (await admin.put(path, json=past)).status_code == 422
        assert (await admin.put(path, json={"scopes": ["readings"]})).status_code == 422
        assert (await admin.put(f"/community/zones/nowhere/people/{user}", json={"scopes": ["act"]})).status_code == 404
        nobody = f"/community/zones/old-town/people/{uuid4()}"
        assert (await admin.put(nobody, json={"scopes": ["act"]})).status_code == 404
        await admin.put(path, json={"scopes": ["status"]})
        assert (await client.get("/community/zones/old-town/status")).status_code == 200
        assert (await admin.delete(path)).status_code == 204
        assert (await admin.delete(path)).status_code == 404
        assert (await client.get("/community/zones/old-town/status")).status_code == 404
        await admin.put(path, json={"scopes": ["status"]})
        await admin.delete("/community/zones/old-town")
        assert (await client.get("/community/zones/old-town/status")).status_code == 404
    assert await api.pool.fetchval("SELECT count(*) FROM zone_grants") == 0


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


async def test_every_write_and_read_of_a_zone_is_in_the_audit(api: RunningApi) -> None:
    """Who defined, granted, changed, saw, and withdrew what is kept."""
    await define(api)
    user, token = await watcher(api, "status", "alerts")
    async with api.client(token) as client:
        await client.get("/community/zones/old-town/status")
        await client.get("/alerts", params={"zone": "old-town"})
    async with api.client(api.admin) as admin:
        await admin.put("/community/zones/old-town", json={"name": "New", "cells": CELLS})
        await admin.delete(f"/community/zones/old-town/people/{user}")
        await admin.delete("/community/zones/old-town")
    wanted = ["POST zone", "PUT zone person", "GET zone status", "GET alerts", "PUT zone", "DELETE zone person",
              "DELETE zone"]  # fmt: skip
    async with asyncio.timeout(20):
        while len(rows := await api.pool.fetch(_AUDIT)) < len(wanted):  # noqa: ASYNC110 - the database tells nobody
            await asyncio.sleep(0.05)
    assert [row["action"] for row in rows] == wanted
    assert [row["user_id"] == user for row in rows] == [False, False, True, True, False, False, False]


async def publish(api: RunningApi, *statuses: ZoneStatus) -> None:
    """Append statuses to the log as the zones family does."""
    await api.publisher.publish(
        [
            Emission(
                topic=ZONES.name,
                partition=partition_of(one.zone_id.encode()),
                key=f"zone:{one.zone_id}".encode(),
                value=zones.encode(one),
            )
            for one in statuses
        ]
    )


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
