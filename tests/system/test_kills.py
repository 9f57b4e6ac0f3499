"""Each process of a running system is killed once under load: nothing acknowledged is lost, no alert comes twice."""

import asyncio
import contextlib
import json
import os
import signal
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import websockets

from tests.running_system import RunningSystem, eventually, now_ms, reading, started

pytestmark = [pytest.mark.chaos, pytest.mark.connected, pytest.mark.timeout(420)]

VICTIMS = ("gateway", "storage", "vitals", "care", "api", "postgres", "kafka")
DEVICES = 20


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
    boot: str = field(default_factory=lambda: str(uuid.uuid4()))
    waiting: dict[int, dict[str, Any]] = field(default_factory=dict)
    acked: dict[int, float] = field(default_factory=dict)
    seq: int = 0

    def make(self) -> None:
        """Make the next reading; its value follows from its number."""
        self.seq += 1
        self.waiting[self.seq] = reading(now_ms(), heart_rate=50 + self.seq % 100, motion=0.3)

    async def run(self, stop: asyncio.Event) -> None:
        """Send until told to stop and everything is acknowledged."""
        while not (stop.is_set() and not self.waiting):
            with contextlib.suppress(OSError, websockets.WebSocketException, TimeoutError):
                await self._connection(stop)
            await asyncio.sleep(0.2)

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
            self.make()
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


async def kill_and_wait(system: RunningSystem, victim: str) -> None:
    """Kill one process with SIGKILL and wait until the supervisor has brought it back and it answers."""
    before = system.pids()[victim]
    os.kill(before, signal.SIGKILL)
    await eventually(lambda: system.pids().get(victim, before) != before, within_s=60)
    await eventually(lambda: _ready(system), within_s=90)


async def _ready(system: RunningSystem) -> bool:
    try:
        async with httpx.AsyncClient(timeout=5) as client:
            return (await client.get(f"{system.api}/ready")).status_code == 200
    except httpx.HTTPError:
        return False


async def test_killing_each_process_once_loses_nothing(victim_system: RunningSystem) -> None:
    """Every acknowledged reading is stored with its value after each kill under load, and one alert stays one."""
    system = victim_system
    people = [system.new_wearer(f"W{number}") for number in range(DEVICES)]
    racing, _, racing_token = system.new_wearer("Racing")
    devices = [StubbornDevice(system.devices_url, token) for _, _, token in people]
    sick = StubbornDevice(system.devices_url, racing_token)
    begun = now_ms() - 140_000
    for second in range(138):
        sick.seq += 1
        sick.waiting[sick.seq] = reading(begun + second * 1000, heart_rate=195 + second % 3, motion=0.0)
    stop, sick_stop = asyncio.Event(), asyncio.Event()
    sick_stop.set()
    async with asyncio.TaskGroup() as load:
        for device in devices:
            load.create_task(device.run(stop))
        load.create_task(sick.run(sick_stop))
        for victim in VICTIMS:
            await kill_and_wait(system, victim)
        stop.set()
    for (wearer, _, _), device in zip(people, devices, strict=True):
        assert len(device.acked) > 50

        async def complete(wearer: str = wearer, device: StubbornDevice = device) -> bool:
            rows = await all_rows(system, wearer)
            return rows == device.acked

        await eventually(complete, within_s=60)

    def alerts() -> list[dict[str, Any]]:
        with system.client() as client:
            items = client.get("/alerts", params={"wearer": racing}).raise_for_status().json()["items"]
        return [one for one in items if one["kind"] == "heart_rate.high"]

    await eventually(alerts, within_s=60)
    assert len(alerts()) == 1


def test_nothing_is_left_after_the_supervisor_is_killed() -> None:
    """SIGKILL of `up` takes every process of the system with it, and the next `up` starts on the same folder."""
    with tempfile.TemporaryDirectory(prefix="pulsera-orphans-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        with started(data_dir=Path(folder) / "data") as system:
            wearer, _, _ = system.new_wearer("Kept")
            family = [*psutil.Process(system.process.pid).children(recursive=True)]
            assert len(family) >= 7
            system.process.kill()
            system.process.wait()
            _, alive = psutil.wait_procs(family, timeout=15)
            assert alive == []
        with started(data_dir=Path(folder) / "data") as system:
            with system.client() as client:
                assert client.get(f"/wearers/{wearer}").status_code == 200
            family = [*psutil.Process(system.process.pid).children(recursive=True)]
        _, alive = psutil.wait_procs(family, timeout=15)
        assert alive == []
        assert system.process.returncode == 0
