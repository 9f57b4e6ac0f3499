"""Each process of a running system is killed once under load: nothing acknowledged is lost, no alert comes twice."""

import asyncio
import json
import os
import signal
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from tests.running_system import RunningSystem, eventually, now_ms, reading, started

pytestmark = [pytest.mark.chaos, pytest.mark.connected, pytest.mark.timeout(420)]

VICTIMS = ("gateway", "storage", "vitals", "care", "video", "api", "postgres", "kafka")
DEVICES = 20
BACKLOG_S = 110
FLOOR_IS_DUE_S = 130
"""The floor decides with the first bin that ends 2 min after the first began."""


@pytest.fixture(scope="module")
def victim_system() -> Iterator[RunningSystem]:
    """A system of its own, since its processes are killed."""
    with tempfile.TemporaryDirectory(prefix="pulsera-kills-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        with started(data_dir=Path(folder) / "data") as running:
            yield running


@dataclass
class StubbornDevice:
    """Sends one reading every 100 ms, keeps what is not acknowledged, and sends it again after every reconnect."""

    url: str
    token: str
    slowest_bpm: int = 50
    motion: float = 0.3
    boot: str = field(default_factory=lambda: str(uuid.uuid4()))
    waiting: dict[int, dict[str, Any]] = field(default_factory=dict)
    acked: dict[int, float] = field(default_factory=dict)
    seq: int = 0

    def make(self, at_ms: int) -> None:
        """Make the next reading; its value follows from its number."""
        self.seq += 1
        self.waiting[self.seq] = reading(at_ms, heart_rate=self.slowest_bpm + self.seq % 40, motion=self.motion)

    async def run(self, stop: asyncio.Event) -> None:
        """Send until told to stop and everything is acknowledged."""
        while not (stop.is_set() and not self.waiting):
            try:
                await self._connection(stop)
            except* (OSError, websockets.WebSocketException, TimeoutError):
                await asyncio.sleep(0.2)  # a stubborn device tries again, and sends what was not acknowledged

    async def _connection(self, stop: asyncio.Event) -> None:
        async with websockets.connect(
            self.url, additional_headers={"Authorization": f"Bearer {self.token}"}, compression=None, open_timeout=5
        ) as socket:
            hello = {"type": "hello", "boot": self.boot, "clock": now_ms(), "origin": "live"}
            await socket.send(json.dumps(hello))
            async with asyncio.TaskGroup() as both:
                listening = both.create_task(self._listen(socket, stop))
                both.create_task(self._talk(socket, stop, listening))

    async def _talk(self, socket: Any, stop: asyncio.Event, listening: asyncio.Task[None]) -> None:
        for seq in sorted(self.waiting):
            await self._send(socket, seq)
        while not listening.done() and not stop.is_set():
            self.make(now_ms())
            await self._send(socket, self.seq)
            await asyncio.sleep(0.1)

    async def _send(self, socket: Any, seq: int) -> None:
        await socket.send(json.dumps({"type": "readings", "seq": seq, "readings": [self.waiting[seq]]}))

    async def _listen(self, socket: Any, stop: asyncio.Event) -> None:
        while not (stop.is_set() and not self.waiting):
            answer = json.loads(await asyncio.wait_for(socket.recv(), 20))
            assert answer["type"] not in {"nack", "error"}, answer
            if answer["type"] == "ack":
                for seq in [seq for seq in self.waiting if seq <= answer["seq"]]:
                    sent = self.waiting.pop(seq)
                    self.acked[sent["time"]] = sent["heart_rate"]


async def all_rows(system: RunningSystem, wearer: str) -> dict[int, float]:
    """Return what is stored of a wearer, time in ms -> heart rate, through the API's cursor."""
    rows: dict[int, float] = {}
    cursor: str | None = None
    headers = {"Authorization": f"Bearer {system.ready['admin_token']}"}
    async with httpx.AsyncClient(base_url=system.api, headers=headers, timeout=30) as client:
        while True:
            query = {"limit": "1000"} | ({"cursor": cursor} if cursor else {})
            answer = await client.get(f"/wearers/{wearer}/readings", params=query)
            page = answer.raise_for_status().json()
            for row in page["items"]:
                rows[round(datetime.fromisoformat(row["time"]).timestamp() * 1000)] = row["heart_rate"]
            if not (cursor := page["cursor"]):
                return rows


async def kill_and_wait(system: RunningSystem, victim: str, devices: Sequence[StubbornDevice]) -> None:
    """Kill one process with SIGKILL; wait until it is back, every part is up, and every device is served again."""
    before = system.pids()[victim]
    os.kill(before, signal.SIGKILL)
    await eventually(lambda: system.pids().get(victim, before) != before, within_s=60)
    await eventually(lambda: all_up(system), within_s=90)
    back_ms = now_ms()
    await eventually(lambda: all(max(device.acked, default=0) > back_ms for device in devices), within_s=60)


async def all_up(system: RunningSystem) -> bool:
    """Return whether the API answers and calls every part up."""
    try:
        async with httpx.AsyncClient(timeout=5) as client:
            answer = await client.get(f"{system.api}/ready")
    except httpx.HTTPError:
        return False
    return bool(answer.json()["status"] == "ok")


async def test_killing_each_process_once_loses_nothing(victim_system: RunningSystem) -> None:
    """Every acknowledged reading is stored with its value after each kill under load, and one alert stays one."""
    system = victim_system
    people = [system.new_wearer(f"W{number}") for number in range(DEVICES)]
    racing, _, racing_token = system.new_wearer("Racing")
    devices = [StubbornDevice(system.devices_url, token) for _, _, token in people]
    sick = StubbornDevice(system.devices_url, racing_token, slowest_bpm=195, motion=0.0)
    begun = now_ms() - BACKLOG_S * 1000
    for second in range(BACKLOG_S):  # so that the two minutes of the floor are full while processes die
        sick.make(begun + second * 1000)
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as load:
        for device in (*devices, sick):
            load.create_task(device.run(stop))
        for victim in VICTIMS:
            await kill_and_wait(system, victim, (*devices, sick))
        due_ms = begun + FLOOR_IS_DUE_S * 1000  # a quick machine has killed and mended all before the floor may decide
        await eventually(lambda: max(sick.acked) > due_ms, within_s=60)
        stop.set()
    for (wearer, _, _), device in zip((*people, (racing, "", "")), (*devices, sick), strict=True):
        assert len(device.acked) > 50

        async def complete(wearer: str = wearer, device: StubbornDevice = device) -> bool:
            return await all_rows(system, wearer) == device.acked

        await eventually(complete, within_s=60)
    await eventually(lambda: scored_until_ms(system, racing) > max(sick.acked) - 10_000, within_s=60)
    await eventually(lambda: opened(system, racing), within_s=60)
    alert = (await eventually(lambda: high_rates(system, racing), within_s=60))[0]
    with system.client() as client:
        client.post(f"/alerts/{alert['alert_id']}/acknowledge", json={}).raise_for_status()
    await eventually(lambda: high_rates(system, racing)[0]["response"] == "acknowledged")
    assert [one["alert_id"] for one in high_rates(system, racing)] == [alert["alert_id"]]


def scored_until_ms(system: RunningSystem, wearer: str) -> int:
    """Return the start of the newest scored bin among those of the last half hour."""
    with system.client() as client:
        bins = client.get(f"/wearers/{wearer}/scores", params={"limit": 1000}).raise_for_status().json()["items"]
    return max((round(datetime.fromisoformat(one["bin"]).timestamp() * 1000) for one in bins), default=0)


def opened(system: RunningSystem, wearer: str) -> bool:
    """Return whether an episode of a high heart rate is stored, whatever care made of it."""
    with system.client() as client:
        items = client.get(f"/wearers/{wearer}/episodes").raise_for_status().json()["items"]
    return any(one["condition"] == "heart_rate.high" and one["pages"] for one in items)


def high_rates(system: RunningSystem, wearer: str) -> list[dict[str, Any]]:
    """Return the alerts about a wearer's high heart rate."""
    with system.client() as client:
        items = client.get("/alerts", params={"wearer": wearer}).raise_for_status().json()["items"]
    return [one for one in items if one["kind"] == "heart_rate.high"]
