"""Community zones are defined and shared by administrators, within limits, and every step is kept."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import uuid4

import h3
import pytest

from api.zone_family import crossing
from infra.api_process import utc_now
from infra.timescale.zones import ZoneTable
from schemas.zones import AREA
from tests.api_server import RunningApi, running_api
from tests.security.doors import raw
from tests.zones_over_http import CELLS, define, status, store, watcher

pytestmark = pytest.mark.connected

_AUDIT = "SELECT action, user_id FROM audit WHERE subject = 'zone:old-town' ORDER BY at"
SQUARE = [[7.42, 46.94], [7.48, 46.94], [7.48, 46.97], [7.42, 46.97], [7.42, 46.94]]


@pytest.fixture
async def api(database_url: str, kafka_bootstrap: str) -> AsyncIterator[RunningApi]:
    """A served API."""
    async with running_api(database_url, kafka_bootstrap) as served:
        yield served


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
    ({"name": "x\u202e", "cells": CELLS}, "name"),
    ({"name": "x", "geojson": {"type": "Point", "coordinates": [7, 46]}}, "geojson"),
    ({"name": "x", "geojson": {"type": ["Polygon"], "coordinates": [SQUARE]}}, "geojson"),
    ({"name": "x", "geojson": {"type": "Feature", "geometry": {"type": [1]}}}, "geojson"),
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
        assert (taken.status_code, taken.json()["error"]["code"]) == (409, "id_taken")
        assert "is always there" in taken.json()["error"]["message"]


MORE = "881f8d4c31fffff"
LAST = "881f8d4c35fffff"


async def test_zones_are_nested_or_apart(api: RunningApi) -> None:
    """A zone that crosses another is refused by name, new or changed; one within, around, beside or the same is not."""
    async with api.client(api.admin) as admin:

        async def put(zone: str, *cells: str) -> Any:
            return await admin.put(f"/community/zones/{zone}", json={"name": zone, "cells": list(cells)})

        await define(api)
        await define(api, "within", CELLS[:1])
        await define(api, "same", CELLS)
        await define(api, "around", [*CELLS, MORE])
        await define(api, "beside", [LAST])
        crossing = {"name": "x", "cells": [CELLS[1], LAST]}
        refused = await admin.post("/community/zones", json=crossing)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "crosses")
        assert refused.json()["error"]["details"] == {"zone_id": "around", "name": "Old town"}
        assert "(around)" in refused.json()["error"]["message"]
        changed = await put("within", CELLS[0], LAST)
        assert (changed.status_code, changed.json()["error"]["code"]) == (409, "crosses")
        assert (await put("beside", MORE)).status_code == 200
        assert (await put("around", *CELLS, MORE, LAST)).status_code == 200
        for zone in ("old-town", "same", "around"):
            assert (await admin.delete(f"/community/zones/{zone}")).status_code == 204
        assert (await admin.post("/community/zones", json=crossing)).status_code == 201


async def test_one_of_two_that_would_cross_is_made(api: RunningApi) -> None:
    """Of two definitions at once that cross each other, one is made and the other refused, in every round."""
    async with api.client(api.admin) as admin:
        for number in range(6):
            both = [{"name": f"{number}{at}", "cells": [MORE, one]} for at, one in enumerate(CELLS)]
            made = await asyncio.gather(*(admin.post("/community/zones", json=one) for one in both))
            assert sorted(one.status_code for one in made) == [201, 409]
            (kept,) = (one.json()["properties"]["zone_id"] for one in made if one.status_code == 201)
            await admin.delete(f"/community/zones/{kept}")


async def test_zones_that_cross_from_before_stay_and_may_be_named_anew(api: RunningApi) -> None:
    """What an earlier release let cross is told of as it was, takes a new name, and no new place that crosses."""
    await define(api)
    by = await api.pool.fetchval("SELECT made_by FROM zones")
    cells = sorted(int(one, 16) for one in (CELLS[1], LAST))
    await api.pool.execute(
        "INSERT INTO zones (zone_id, version, name, cells, made_by) VALUES ('x', 1, 'X', $1, $2)", cells, by
    )
    assert crossing(await ZoneTable(api.pool).definitions(None)) == [("x", "old-town")]
    async with api.client(api.admin) as admin:
        same = {"name": "New name", "cells": [CELLS[1], LAST]}
        assert (await admin.put("/community/zones/x", json=same)).json()["properties"]["version"] == 2
        other = {"name": "X", "cells": [CELLS[1], MORE]}
        assert (await admin.put("/community/zones/x", json=other)).json()["error"]["code"] == "crosses"


def _disc(count: int) -> list[str]:
    centre = h3.latlng_to_cell(46.948, 7.447, 8)
    return list(h3.grid_disk(centre, 41))[:count]


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
        alone = await admin.put(path, json={"scopes": ["act", "status"]})
        assert (alone.status_code, alone.json()["error"]["details"]["field"]) == (422, "scopes")
        assert (
            await admin.put(f"/community/zones/nowhere/people/{user}", json={"scopes": ["status"]})
        ).status_code == 404
        nobody = f"/community/zones/old-town/people/{uuid4()}"
        assert (await admin.put(nobody, json={"scopes": ["status"]})).status_code == 404
        await admin.put(path, json={"scopes": ["status"]})
        assert (await client.get("/community/zones/old-town/status")).status_code == 200
        assert (await admin.delete(path)).status_code == 204
        assert (await admin.delete(path)).status_code == 404
        assert (await client.get("/community/zones/old-town/status")).status_code == 404
        await admin.put(path, json={"scopes": ["status"]})
        await admin.delete("/community/zones/old-town")
        assert (await client.get("/community/zones/old-town/status")).status_code == 404
    assert await api.pool.fetchval("SELECT count(*) FROM zone_grants") == 0


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
