"""Nobody sees what is not shared with them, whatever door they try."""

import asyncio
import json
import time
from typing import Any

import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from tests.running_system import RunningSystem, TestDevice, now_ms, reading

pytestmark = [pytest.mark.connected, pytest.mark.timeout(180)]

PROTOCOL = websockets.Subprotocol("pulsera.live.v1+json")


async def live_as(system: RunningSystem, token: str) -> ClientConnection:
    """Return a live socket of a user."""
    headers = {"Authorization": f"Bearer {token}"}
    return await websockets.connect(system.live_url, subprotocols=[PROTOCOL], additional_headers=headers)


def test_a_carer_without_a_grant_is_refused_everywhere(system: RunningSystem) -> None:
    """Every route about a wearer answers 403 or 404 to a carer who has no grant."""
    wearer, device, _ = system.new_wearer()
    user, token = system.new_user()
    with system.client(token) as client:
        for path in ("", "/latest", "/readings", "/scores", "/episodes", "/devices"):
            assert client.get(f"/wearers/{wearer}{path}").status_code in {403, 404}, path
        assert client.post(f"/wearers/{wearer}/devices", json={"model": "x"}).status_code in {403, 404}
        assert client.delete(f"/devices/{device}").status_code in {403, 404}
        assert client.put(f"/wearers/{wearer}/carers/{user}", json={"scopes": ["readings"]}).status_code in {403, 404}
        assert client.post("/users", json={"name": "x"}).status_code == 403
        assert client.get("/wearers").json()["items"] == []
        assert client.get("/alerts", params={"wearer": wearer}).status_code in {403, 404}


def test_without_a_token_nothing_is_told(system: RunningSystem) -> None:
    """No token, and a wrong one, are answered 401 in the shape of every error."""
    wearer, _, _ = system.new_wearer()
    with system.client("wrong") as client:
        for path in ("/wearers", f"/wearers/{wearer}/latest", "/alerts", "/me"):
            for headers in ({}, {"Authorization": ""}):
                answer = client.get(path, headers=headers)
                assert answer.status_code == 401, path
                assert answer.json()["error"]["code"]


async def test_a_wrong_token_opens_no_socket(system: RunningSystem) -> None:
    """Both sockets answer a wrong token with HTTP 401 at the handshake."""
    for url, protocol in ((system.live_url, PROTOCOL), (system.devices_url, "pulsera.device.v1+json")):
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(
                url, subprotocols=[websockets.Subprotocol(protocol)], additional_headers={"Authorization": "Bearer no"}
            )
        assert refused.value.response.status_code == 401


async def test_a_withdrawn_grant_ends_an_open_subscription(system: RunningSystem) -> None:
    """Within 5 s of the withdrawal the subscription ends and readings no longer arrive."""
    wearer, _, device_token = system.new_wearer()
    user, token = system.new_user()
    with system.client() as admin:
        grant = f"/wearers/{wearer}/carers/{user}"
        admin.put(grant, json={"scopes": ["readings"]}).raise_for_status()
        socket = await live_as(system, token)
        await socket.send(json.dumps({"type": "subscribe", "id": 7, "topic": "readings", "wearer": wearer}))
        assert json.loads(await socket.recv())["type"] == "snapshot"
        device = await TestDevice.connect(system.devices_url, device_token)
        await device.acked(await device.send([reading(now_ms(), heart_rate=70)]))
        assert json.loads(await socket.recv())["type"] == "update"
        admin.delete(grant).raise_for_status()
        withdrawn = time.monotonic()
        async with asyncio.timeout(6):
            message: dict[str, Any] = {"type": "update"}
            while message["type"] == "update":
                message = json.loads(await socket.recv())
        assert time.monotonic() - withdrawn <= 5
        assert message["type"] in {"error", "unsubscribed"}
        await device.acked(await device.send([reading(now_ms(), heart_rate=71)]))
        await socket.send(json.dumps({"type": "subscribe", "id": 8, "topic": "readings", "wearer": wearer}))
        while (message := json.loads(await socket.recv()))["type"] == "unsubscribed":
            pass
        assert (message["type"], message["id"]) == ("error", 8)
    await socket.close()
    await device.close()


async def test_a_carer_without_a_grant_hears_nothing(system: RunningSystem) -> None:
    """A subscription to a wearer without a grant is refused; one to everything brings nothing of that wearer."""
    wearer, _, device_token = system.new_wearer()
    _, token = system.new_user()
    socket = await live_as(system, token)
    for number, topic in enumerate(("readings", "scores", "alerts", "episodes"), start=1):
        await socket.send(json.dumps({"type": "subscribe", "id": number, "topic": topic, "wearer": wearer}))
        answer = json.loads(await socket.recv())
        assert (answer["type"], answer["id"]) == ("error", number)
    await socket.send(json.dumps({"type": "subscribe", "id": 9, "topic": "readings"}))
    assert json.loads(await socket.recv())["data"] == []
    device = await TestDevice.connect(system.devices_url, device_token)
    await device.acked(await device.send([reading(now_ms(), heart_rate=70)]))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(2):
            await socket.recv()
    await socket.close()
    await device.close()
