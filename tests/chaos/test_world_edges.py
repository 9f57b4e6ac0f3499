"""Clocks that jump, live clients that do not read, a backlog of hours and a device that speaks once a day."""

import asyncio
import contextlib
import json
import socket
import sys
import time
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import httpx
import msgspec
import pytest
import websockets
from aiokafka import AIOKafkaProducer

from schemas.alerts import Alert, AlertEvent, encode_change
from schemas.episodes import Subject
from schemas.topics import ALERTS, partition_of
from tests.api_server import subscribe, told
from tests.running_system import RunningSystem, TestDevice, eventually, now_ms, reading
from tests.world import PatientDevice, World, figure, stored

pytestmark = [pytest.mark.chaos, pytest.mark.connected, pytest.mark.timeout(240)]

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


def alerts_of(system: RunningSystem, wearer: str) -> list[dict[str, Any]]:
    """Return the alerts about a wearer."""
    with system.client() as client:
        return list(client.get("/alerts", params={"wearer": wearer}).raise_for_status().json()["items"])


async def test_a_clock_that_jumps_loses_no_reading_and_invents_no_time(mended: World) -> None:
    """Readings are kept under the time that was sent or refused by name; a wrong clock is told once, as technical."""
    system = mended.system
    wearer, _, token = system.new_wearer("Jumping")
    kept: dict[int, float] = {}

    async def say(device: TestDevice, at_ms: int, rate: float) -> bool:
        """Send one reading and note whether it was taken."""
        seq = await device.send([reading(at_ms, heart_rate=rate)])
        await device.acked(seq)
        if seq in device.nacks:
            assert [entry["code"] for entry in device.nacks[seq]] == ["future_time"]
            return False
        kept[at_ms] = rate
        return True

    boot = str(uuid4())
    device = await TestDevice.connect(system.devices_url, token, boot=boot)
    present = now_ms()
    assert await say(device, present, 70)
    assert not await say(device, present + HOUR_MS + 1, 71), "an hour ahead, while the clock at hello was right"
    assert await say(device, present - HOUR_MS + 2, 72)
    assert await say(device, present - 10_000 + 3, 73)
    await device.close()
    again = await TestDevice.connect(system.devices_url, token, boot=str(uuid4()), clock=now_ms() + HOUR_MS)
    assert await say(again, now_ms() + HOUR_MS, 74), "the new hello tells that the clock is ahead"
    await again.close()
    behind = await TestDevice.connect(system.devices_url, token, boot=str(uuid4()), clock=now_ms() - HOUR_MS)
    assert await say(behind, now_ms() - HOUR_MS, 75)
    await behind.close()
    headers = {"Authorization": f"Bearer {token}"}
    async with websockets.connect(system.devices_url, additional_headers=headers) as far:
        hello = {"type": "hello", "boot": str(uuid4()), "clock": "2036-02-07T06:28:16Z", "origin": "live"}
        await far.send(json.dumps(hello))
        assert json.loads(await far.recv())["code"] == "bad_hello"
        with pytest.raises(websockets.ConnectionClosed) as closed:
            await far.recv()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4400

    async def complete() -> bool:
        return await stored(system, wearer) == kept

    await eventually(complete, within_s=30)
    wrong = await eventually(lambda: [one for one in alerts_of(system, wearer) if one["kind"] == "clock_offset"])
    assert [(one["type"], one["priority"]) for one in wrong] == [("technical", "low")]


async def test_a_backlog_of_hours_and_a_daily_reading_are_kept(mended: World) -> None:
    """5,000 readings 5 s apart are stored and scored as history without paging; so are readings a day apart."""
    system = mended.system
    wearer, _, token = system.new_wearer("Backlog")
    begun = now_ms() - 5_000 * 5_000
    device = await TestDevice.connect(system.devices_url, token)
    began = time.monotonic()
    sent = {begun + number * 5_000: 60.0 + number % 5 for number in range(5_000)}
    sent |= dict.fromkeys(list(sent)[1_000:1_100], 215.0)  # a racing heart, hours ago
    rows = [reading(at_ms, heart_rate=rate, motion=0.0) for at_ms, rate in sent.items()]
    for first in range(0, len(rows), 500):
        last = await device.send(rows[first : first + 500])
    await device.acked(last, within_s=30)
    acked_s = time.monotonic() - began
    await device.close()

    async def complete() -> bool:
        return await stored(system, wearer) == sent

    await eventually(complete, within_s=60)
    stored_s = time.monotonic() - began

    def scored() -> bool:
        query = {"limit": 1000, "from": begun + 4_900 * 5_000}
        with system.client() as client:
            return bool(client.get(f"/wearers/{wearer}/scores", params=query).raise_for_status().json()["items"])

    await eventually(scored, within_s=60)
    scored_s = time.monotonic() - began
    sys.stdout.write(f"5,000 at once: acked {acked_s:.2f} s, stored {stored_s:.2f} s, scored {scored_s:.2f} s\n")
    assert [one for one in alerts_of(system, wearer) if one["type"] == "physiological"] == []

    daily, _, daily_token = system.new_wearer("Daily")
    days = {now_ms() - ago * DAY_MS: 36.0 + ago / 10 for ago in (2, 1, 0)}
    for at_ms, degrees in days.items():
        once = await TestDevice.connect(system.devices_url, daily_token)
        await once.acked(await once.send([reading(at_ms, body_temperature=degrees)]))
        await once.close()

    def latest() -> bool:
        with system.client() as client:
            found = client.get(f"/wearers/{daily}/latest").raise_for_status().json()
            query = {"from": min(days) - 1}
            everything = client.get(f"/wearers/{daily}/readings", params=query).raise_for_status().json()["items"]
        return found.get("body_temperature") == 36.0 and len(everything) == 3

    await eventually(latest)


async def test_a_client_that_does_not_read_costs_little_and_misses_no_alert(mended: World) -> None:
    """Readings give way to newer ones and are counted; too many alerts close it with 4413, `since` tells the rest."""
    system = mended.system
    people = [system.new_wearer(f"S{number}") for number in range(6)]
    watched = people[0][0]
    devices = [PatientDevice(system.devices_url, token, every_s=0.02, readings=20) for _, _, token in people]
    socket_, stop = await slow_socket(system), asyncio.Event()
    before_mib = mended.rss_mib("api")
    cursor = ""
    async with asyncio.TaskGroup() as load:
        for number, (wearer, _, _) in enumerate(people):
            await subscribe(socket_, number, "readings", wearer=wearer)
        cursor = (await subscribe(socket_, 90, "alerts", wearer=watched))["cursor"]
        for device in devices:
            load.create_task(device.run(stop))
        await eventually(lambda: coalesced(system) > 100, within_s=60)
        stop.set()
    grown_mib = mended.rss_mib("api") - before_mib
    revisions = list(range(1, 3_001))
    await publish_alerts(system, watched, revisions)
    heard, cursor = await told_until_closed(socket_, cursor)
    assert socket_.close_code == 4413
    async with await slow_socket(system, receive_bytes=262_144) as resumed:
        snapshot = await subscribe(resumed, 1, "alerts", wearer=watched, since=cursor)
        assert not snapshot.get("reset")
        while not heard or heard[-1] < revisions[-1]:
            update = await told(resumed, lambda message: message["type"] == "update")
            heard.append(update["data"]["revision"])
    assert heard == revisions
    given = coalesced(system)
    sys.stdout.write(f"slow client: API grew by {grown_mib:.0f} MiB, {given:.0f} readings gave way to newer ones\n")
    assert grown_mib < 150


async def slow_socket(system: RunningSystem, *, receive_bytes: int = 4_096) -> Any:
    """Return a live socket whose client takes little before the server feels that it does not read."""
    parts = urlsplit(system.live_url)
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    plain.connect((parts.hostname, parts.port))
    plain.setblocking(False)  # noqa: FBT003 - its only form
    return await websockets.connect(
        system.live_url,
        sock=plain,
        subprotocols=[websockets.Subprotocol("pulsera.live.v1+json")],
        additional_headers={"Authorization": f"Bearer {system.ready['admin_token']}"},
        max_queue=2,
        ping_interval=None,
    )


async def told_until_closed(slow: Any, cursor: str) -> tuple[list[int], str]:
    """Return the revisions of the alert that were told until the server closed the socket, and the last cursor."""
    heard = []
    with contextlib.suppress(websockets.ConnectionClosed):
        while True:
            message = json.loads(await asyncio.wait_for(slow.recv(), 60))
            if message["type"] == "update" and message["id"] == 90:
                heard.append(message["data"]["revision"])
                cursor = message["cursor"]
    return heard, cursor


async def publish_alerts(system: RunningSystem, wearer: str, revisions: list[int]) -> None:
    """Append many changes of one alert, each with a long reason."""
    at_ms = now_ms()
    alert = Alert(
        alert_id=uuid4(), subject=Subject(wearer=UUID(wearer)), episode_id=uuid4(), revision=0, kind="heart_rate.high",
        priority="medium", type="physiological", condition="active", response="unseen", onset_ms=at_ms,
        raised_ms=at_ms, title="Heart rate high", reason="long " * 2_000, evidence={},
        events=[AlertEvent(kind="raised", at_ms=at_ms)], decided_received_ms=at_ms,
    )  # fmt: skip
    async with AIOKafkaProducer(bootstrap_servers=system.ready["kafka"]) as producer:
        for revision in revisions:
            value = encode_change(msgspec.structs.replace(alert, revision=revision), time="2026-11-21T08:00:00Z")
            await producer.send(ALERTS.name, value, partition=partition_of(UUID(wearer)))
        await producer.flush()


def coalesced(system: RunningSystem) -> float:
    """Return how many live readings gave way to newer ones."""
    return figure(httpx.get(f"{system.api}/metrics", timeout=20).text, "pulsera_coalesced_total")
