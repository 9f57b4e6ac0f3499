"""A whole system under test: `pulsera up` in a temporary folder, driven from outside through its public doors."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets
from websockets.asyncio.client import ClientConnection

from infra.embedded.ports import free_ports

READY_WITHIN_S = 120.0


@dataclass(frozen=True, slots=True)
class RunningSystem:
    """The ready line of `pulsera up`, and the process that printed it."""

    ready: dict[str, Any]
    process: subprocess.Popen[bytes]
    data_dir: Path

    @property
    def api(self) -> str:
        """Where the API is."""
        return str(self.ready["api"])

    @property
    def devices_url(self) -> str:
        """Where devices connect to."""
        return f"{self.ready['gateway']}/devices/stream"

    @property
    def live_url(self) -> str:
        """Where carers connect to."""
        return self.api.replace("http", "ws", 1) + "/live"

    def client(self, token: str | None = None) -> httpx.Client:
        """Return an HTTP client with a token, by default the admin's."""
        headers = {"Authorization": f"Bearer {token or self.ready['admin_token']}"}
        return httpx.Client(base_url=self.api, headers=headers, timeout=30)

    def new_wearer(self, name: str = "Ada") -> tuple[str, str, str]:
        """Make a wearer with a device; return wearer id, device id and the device's token."""
        with self.client() as client:
            wearer = client.post("/wearers", json={"name": name}).raise_for_status().json()["wearer_id"]
            device = client.post(f"/wearers/{wearer}/devices", json={"model": "test"}).raise_for_status().json()
        return wearer, device["device_id"], device["token"]

    def new_user(self, name: str = "Carer") -> tuple[str, str]:
        """Make a carer without any grant; return user id and token."""
        with self.client() as client:
            user = client.post("/users", json={"name": name}).raise_for_status().json()
        return user["user_id"], user["token"]

    def pids(self) -> dict[str, int]:
        """Return the processes as they are now, restarts included."""
        found: dict[str, int] = json.loads((self.data_dir / "run.json").read_text())["pids"]
        return found


class TestDevice:
    """A device written from the protocol's text alone."""

    __test__ = False

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.seq = 0
        self.nacks: dict[int, list[dict[str, Any]]] = {}
        self.answers: list[dict[str, Any]] = []

    @classmethod
    async def connect(cls, url: str, token: str, **hello: Any) -> "TestDevice":
        """Connect, say hello and wait for the welcome."""
        socket = await websockets.connect(
            url, additional_headers={"Authorization": f"Bearer {token}"}, compression=None
        )
        said = {
            "type": "hello",
            "boot": str(uuid.uuid4()),
            "clock": now_ms(),
            "origin": "live",
            "model": "t",
            "firmware": "1",
        }
        await socket.send(json.dumps(said | hello))
        device = cls(socket)
        welcome = json.loads(await socket.recv())
        assert welcome["type"] == "welcome", welcome
        return device

    async def send(self, readings: list[dict[str, Any]]) -> int:
        """Send one message and return its seq."""
        self.seq += 1
        await self.socket.send(json.dumps({"type": "readings", "seq": self.seq, "readings": readings}))
        return self.seq

    async def acked(self, seq: int, within_s: float = 20) -> None:
        """Read answers until `seq` is acknowledged."""
        async with asyncio.timeout(within_s):
            while True:
                answer = json.loads(await self.socket.recv())
                self.answers.append(answer)
                if answer["type"] == "nack":
                    self.nacks[answer["seq"]] = answer["rejected"]
                if answer["type"] == "ack" and answer["seq"] >= seq:
                    return

    async def close(self) -> None:
        """Close the connection."""
        await self.socket.close()


def now_ms() -> int:
    """Return the time as devices tell it."""
    return int(time.time() * 1000)


def reading(at_ms: int, **vitals: Any) -> dict[str, Any]:
    """Return one reading of a worn watch."""
    return {"time": at_ms, "source": "watch", "worn": True, "quality": 0.9} | vitals


async def eventually(check: Callable[[], Any], within_s: float = 30.0) -> Any:
    """Return the first true answer of `check` (asked ten times a second); fail after `within_s`."""
    deadline = time.monotonic() + within_s
    while True:
        found = check()
        if isinstance(found, Awaitable):
            found = await found
        if found:
            return found
        if time.monotonic() > deadline:
            pytest.fail(f"It did not come true within {within_s} s; the last answer was {found!r}.")
        await asyncio.sleep(0.1)


@contextmanager
def started(*options: str, data_dir: Path) -> Iterator[RunningSystem]:
    """Run `pulsera up` on free ports until the context ends."""
    api_port, gateway_port = free_ports(2)
    command = [sys.executable, "-m", "infra.cli", "up", "--json", "--data-dir", str(data_dir)]
    ports = ["--api-port", str(api_port), "--gateway-port", str(gateway_port)]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONASYNCIODEBUG"}
    with (data_dir.parent / "up.log").open("ab") as log:
        process = subprocess.Popen([*command, *ports, *options], stdout=subprocess.PIPE, stderr=log, env=environment)
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        assert line, (data_dir.parent / "up.log").read_text()[-3000:]
        yield RunningSystem(json.loads(line), process, data_dir)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        process.stdout.close()


@pytest.fixture(scope="session")
def system() -> Iterator[RunningSystem]:
    """One system for the whole session; tests make wearers and carers of their own in it."""
    with tempfile.TemporaryDirectory(prefix="pulsera-system-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        with started(data_dir=Path(folder) / "data") as running:
            yield running
