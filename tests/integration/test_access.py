"""Nobody sees what is not shared with them: every route of the application, asked without token and without grant."""

import re
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

import pytest
from fastapi.routing import APIRoute, iter_route_contexts

from api.callers import PUBLIC_PATHS
from api.records import AccessChange
from infra.api_process import utc_now
from infra.timescale.access import AccessList
from schemas.errors import UnauthenticatedError
from schemas.zones import AREA
from tests.api_server import RunningApi, episode, running_api
from tests.zones_over_http import define, watcher

pytestmark = pytest.mark.connected

_BODIES = {
    "/wearers": {"name": "Eve"},
    "/users": {"name": "Eve"},
    "/wearers/{wearer_id}/devices": {"model": "watch-7"},
    "/wearers/{wearer_id}/carers/{user_id}": {"scopes": ["readings"]},
    "/alerts/{alert_id}/resolve": {"outcome": "false_alarm"},
    "/community/zones": {"name": "x", "cells": ["881f8d4c37fffff"]},
    "/community/zones/{zone_id}": {"name": "x", "cells": ["881f8d4c37fffff"]},
    "/community/zones/{zone_id}/people/{user_id}": {"scopes": ["status"]},
}
_OWN = {"/me", "/wearers", "/alerts", "/sign-out", "/vitals/health", "/community/zones", "/community/summary"}
"""What anybody with a token may ask: the answer holds only what is theirs."""
_OF_MODELS = "/pulsenet/"
"""Questions about a model, or about numbers that the caller brings: they tell of nobody."""


@pytest.fixture
async def api(database_url: str, kafka_bootstrap: str) -> AsyncIterator[RunningApi]:
    """A served API."""
    async with running_api(database_url, kafka_bootstrap) as served:
        yield served


def routes(api: RunningApi) -> list[tuple[str, str]]:
    """Return method and path of every route of the application."""
    found = []
    for context in iter_route_contexts(api.process.app.routes):
        if isinstance(context.original_route, APIRoute):
            found += [(method, str(context.path)) for method in sorted(context.methods or ())]
    return found


async def test_every_route_but_the_public_ones_needs_a_token(api: RunningApi) -> None:
    """Without a token, and with a wrong one, every other route answers 401 in the one shape."""
    walked = 0
    for method, path in routes(api):
        if path in PUBLIC_PATHS:
            continue
        walked += 1
        real = re.sub(r"{\w+}", str(uuid4()), path)
        for token in (None, "wrong"):
            async with api.client(token) as anyone:
                answer = await anyone.request(method, real, json=_BODIES.get(path))
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "unauthenticated"), f"{method} {path}"
    assert walked >= 20


async def test_every_route_about_a_wearer_or_a_zone_needs_a_grant(api: RunningApi) -> None:
    """A user without any grant gets 404 or 403 for everything about an existing wearer or zone, and empty lists."""
    wearer = await api.wearer()
    await api.care(wearer, episode(wearer))
    user, token = await api.carer()
    async with api.client(api.admin) as admin:
        device = (await admin.post(f"/wearers/{wearer}/devices", json={"model": "watch-7"})).json()["device_id"]
        alert = (await admin.get("/alerts")).json()["items"][0]["alert_id"]
        zone = (await admin.post("/community/zones", json=_BODIES["/community/zones"])).json()["properties"]["zone_id"]
    ids = {
        "zone_id": zone,
        "wearer_id": str(wearer),
        "alert_id": alert,
        "device_id": device,
        "user_id": str(user),
        "job_id": str(uuid4()),
    }
    async with api.client(token) as stranger:
        for method, path in routes(api):
            if path in PUBLIC_PATHS or (path in _OWN and method == "GET") or path == "/sign-out":
                continue
            if path.startswith(_OF_MODELS):
                continue
            named = {"wearer": str(wearer)} if path.endswith("/analyze-video") else {}
            answer = await stranger.request(method, path.format(**ids), json=_BODIES.get(path), params=named)
            assert answer.status_code in {403, 404}, f"{method} {path} answered {answer.status_code}"
            assert str(wearer) not in answer.text
        assert (await stranger.get("/wearers")).json()["items"] == []
        assert (await stranger.get("/alerts")).json()["items"] == []
        assert (await stranger.get("/community/zones")).json()["items"] == []
        assert (await stranger.get("/community/summary")).json()["zones"] == []


async def test_an_expired_grant_or_token_is_worth_nothing(api: RunningApi) -> None:
    """Expiry is decided by the clock, without a word from the database."""
    now = utc_now()
    moment = [now]
    wearer = await api.wearer()
    user, token = await api.carer(wearer, "readings")
    later = now + timedelta(minutes=5)
    await api.pool.execute("UPDATE grants SET expires_at = $1 WHERE user_id = $2", later, user)
    await api.pool.execute("UPDATE user_tokens SET expires_at = $1 WHERE user_id = $2", later, user)
    access = AccessList(api.pool, lambda: moment[0])
    caller = await access.identify(token)
    assert access.scopes(user, wearer) == {"readings"}
    assert access.wearers(user, "readings") == {wearer}
    moment[0] = later
    assert access.scopes(user, wearer) == frozenset()
    assert access.wearers(user, "readings") == frozenset()
    assert not access.holds(caller.token_sha256)
    with pytest.raises(UnauthenticatedError):
        await access.identify(token)


async def test_a_token_made_elsewhere_is_found_at_once(api: RunningApi) -> None:
    """A token that is not in memory is looked for in the database."""
    access = AccessList(api.pool, utc_now)
    await access.refresh()
    user, token = await api.carer()
    assert (await access.identify(token)).user_id == user


async def test_what_was_written_holds_until_it_can_be_read_again(api: RunningApi) -> None:
    """A grant that ended, one that was changed and a token that ended hold as learned; the next look reads it all."""
    wearer = await api.wearer()
    user, token = await api.carer(wearer, "readings", "scores")
    await define(api)
    watching, _ = await watcher(api, "status")
    access = AccessList(api.pool, utc_now)
    caller = await access.identify(token)
    access.learn(AccessChange(subject=wearer, user_id=watching))
    assert access.scopes(user, wearer) == {"readings", "scores"}
    access.learn(AccessChange(subject=wearer, user_id=user, scopes=["scores"], expires=utc_now() + timedelta(hours=1)))
    assert access.scopes(user, wearer) == {"scores"}
    access.learn(AccessChange(subject=wearer, user_id=user))
    access.learn(AccessChange(subject=caller.token_sha256))
    assert (access.scopes(user, wearer), access.holds(caller.token_sha256)) == (frozenset(), False)
    assert access.zone_scopes(watching, "old-town") == {"status"}
    access.learn(AccessChange(subject="old-town"))
    assert access.zones(watching, "status") == frozenset()
    await access.refresh()
    assert access.scopes(user, wearer) == {"readings", "scores"}
    assert access.zone_scopes(watching, "old-town") == {"status"}
    assert access.holds(caller.token_sha256)


async def test_zones_are_called_nothing_once_nothing_was_read_for_five_seconds(api: RunningApi) -> None:
    """Who tells of zones from memory cannot go on until grants are read again, changed or not."""
    moment = [0.0]
    access = AccessList(api.pool, utc_now, now_s=lambda: moment[0])
    assert access.zone(AREA) is None
    await access.refresh()
    moment[0] = 5.0
    assert access.zone(AREA) is not None
    moment[0] = 5.1
    assert access.zone(AREA) is None
    await access.refresh()
    assert access.zone(AREA) is not None


async def test_without_the_database_known_callers_stay_and_routes_say_so(api: RunningApi) -> None:
    """While the database is away a known token is still known, and a read answers 503 with Retry-After."""
    wearer = await api.wearer()
    _, token = await api.carer(wearer, "readings")
    async with api.client(token) as carer:
        assert (await carer.get("/me")).status_code == 200
        await api.pool.close()
        answer = await carer.get(f"/wearers/{wearer}/latest")
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_away")
        assert int(answer.headers["retry-after"]) > 0
        assert (await carer.get("/me")).status_code == 200
        assert (await carer.get("/health")).status_code == 200
        ready = await carer.get("/ready")
        assert ready.status_code == 503
        assert ready.json()["components"]["database"]["state"] == "down"
