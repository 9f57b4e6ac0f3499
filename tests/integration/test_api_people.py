"""People over real HTTP: adding them, granting and withdrawing, signing in."""

from collections.abc import AsyncIterator

import pytest

from tests.api_server import RunningApi, running_api

pytestmark = pytest.mark.connected


@pytest.fixture
async def api(database_url: str, kafka_bootstrap: str) -> AsyncIterator[RunningApi]:
    """A served API."""
    async with running_api(database_url, kafka_bootstrap) as served:
        yield served


async def test_a_grant_opens_a_wearer_and_its_withdrawal_closes_it(api: RunningApi) -> None:
    """A carer sees a wearer only while granted, with the granted scopes only."""
    wearer = await api.wearer()
    user, token = await api.carer()
    async with api.client(token) as carer, api.client(api.admin) as admin:
        assert (await carer.get(f"/wearers/{wearer}")).status_code == 404
        assert (await carer.get("/wearers")).json() == {"items": [], "cursor": None}
        await admin.put(f"/wearers/{wearer}/carers/{user}", json={"scopes": ["readings"]})
        assert (await carer.get(f"/wearers/{wearer}")).json()["scopes"] == ["readings"]
        assert (await carer.get(f"/wearers/{wearer}/latest")).json()["reason"] == "no_data"
        assert (await carer.get(f"/wearers/{wearer}/scores")).status_code == 403
        assert (await admin.delete(f"/wearers/{wearer}/carers/{user}")).status_code == 204
        assert (await carer.get(f"/wearers/{wearer}/latest")).status_code == 404


async def test_an_admin_without_a_grant_sees_no_vitals(api: RunningApi) -> None:
    """An admin manages people, and reads vitals only where a grant says so."""
    wearer = await api.wearer()
    async with api.client(api.admin) as admin:
        me = (await admin.get("/me")).json()
        assert (await admin.get(f"/wearers/{wearer}/latest")).status_code == 200
        await admin.delete(f"/wearers/{wearer}/carers/{me['user_id']}")
        assert (await admin.get(f"/wearers/{wearer}")).status_code == 200
        assert (await admin.get(f"/wearers/{wearer}/latest")).status_code == 404


async def test_a_device_token_is_shown_once_and_kept_as_a_hash(api: RunningApi) -> None:
    """The database holds no token that could be used, and a revoked device is listed as such."""
    wearer = await api.wearer()
    async with api.client(api.admin) as admin:
        made = (await admin.post(f"/wearers/{wearer}/devices", json={"model": "watch-7"})).json()
        rows = await api.pool.fetch("SELECT devices::text AS row FROM devices")
        assert made["token"] not in str(rows)
        assert (await admin.delete(f"/devices/{made['device_id']}")).status_code == 204
        (listed,) = (await admin.get(f"/wearers/{wearer}/devices")).json()["items"]
        assert listed["device_id"] == made["device_id"]
        assert listed["revoked_at"] is not None
        assert "token" not in listed


async def test_signing_in_gives_a_cookie_that_writes_only_from_our_own_pages(api: RunningApi) -> None:
    """A cookie reads freely, writes only with our Origin, and is worth nothing after signing out."""
    own = {"Origin": f"http://{api.host}"}
    async with api.client(None) as browser:
        answer = await browser.post("/sign-in", json={"token": api.admin}, headers=own)
        assert answer.status_code == 200
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert "token" not in answer.json()
        assert (await browser.get("/me")).json()["role"] == "admin"
        assert (await browser.post("/wearers", json={"name": "Ada"})).status_code == 403
        foreign = {"Origin": "http://elsewhere.example"}
        assert (await browser.post("/wearers", json={"name": "Ada"}, headers=foreign)).status_code == 403
        assert (await browser.post("/wearers", json={"name": "Ada"}, headers=own)).status_code == 201
        kept = browser.cookies.get("pulsera_session")
        assert (await browser.post("/sign-out", headers=own)).status_code == 204
        stale = {"Cookie": f"pulsera_session={kept}"}
        assert (await browser.get("/me", headers=stale)).status_code == 401


async def test_a_code_signs_in_once(api: RunningApi) -> None:
    """A one-time code is used up by its first use."""
    from infra.api_process import utc_now
    from infra.timescale.people import SessionTable

    admin = await api.pool.fetchval("SELECT user_id FROM users")
    code = await SessionTable(api.pool, utc_now).issue(admin, lifetime_s=60)
    async with api.client(None) as browser:
        assert (await browser.post("/sign-in", json={"code": code})).status_code == 200
        browser.cookies.clear()
        assert (await browser.post("/sign-in", json={"code": code})).status_code == 401
