"""A gateway in the test's own process, with a log and tokens in memory, and the words a device says to it."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from infra.clocks import SystemClock
from infra.metrics.meter import PrometheusMeter
from ingest.gateway import Gateway, GatewaySettings
from ingest.handshake import token_sha256
from ingest.ports import Device, DeviceDirectory, FrameAppender
from schemas.errors import ContractError
from schemas.frame import decode

DEADLINE_S = 20.0


class MemoryLog:
    """A log in memory whose appends wait while it is shut."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.refuses = False

    async def append(self, partition: int, frame: bytes) -> None:
        """Take a frame as soon as the log is open."""
        await self.open.wait()
        if self.refuses:
            raise ContractError("never")
        self.rows += [{**row, "partition": partition} for row in decode(frame).batch.to_pylist()]


class Tokens:
    """Devices by token, in memory."""

    def __init__(self, *names: str) -> None:
        self.devices = {
            token_sha256(name): Device(device_id=uuid.uuid4(), number=number, wearer=uuid.uuid4())
            for number, name in enumerate(names, start=1)
        }

    async def find(self, token_sha256: bytes) -> Device | None:
        """Return the token's device."""
        return self.devices.get(token_sha256)

    def holds(self, token_sha256: bytes, device: Device) -> bool:
        """Return whether the token is still there."""
        return self.devices.get(token_sha256) == device


class Served:
    """A running gateway."""

    def __init__(self, port: int, stop: asyncio.Event) -> None:
        self.port = port
        self.stop = stop

    @asynccontextmanager
    async def device(self, token: str = "a", *, boot: str | None = None) -> AsyncIterator[ClientConnection]:  # noqa: S107
        """Connect a device that has said hello and was welcomed."""
        async with dial(self.port, token) as socket:
            await greet(socket, boot=boot)
            yield socket


@asynccontextmanager
async def dial(port: int, token: str) -> AsyncIterator[ClientConnection]:
    """Open a device socket."""
    headers = {"Authorization": f"Bearer {token}"}
    async with connect(f"ws://127.0.0.1:{port}/devices/stream", additional_headers=headers, max_queue=None) as socket:
        yield socket


async def greet(socket: ClientConnection, *, boot: str | None = None) -> dict[str, Any]:
    """Say hello and return the welcome."""
    hello = {"type": "hello", "boot": boot or str(uuid.uuid4()), "clock": time.time() * 1000}
    await socket.send(json.dumps(hello))
    welcome: dict[str, Any] = json.loads(await socket.recv())
    assert welcome["type"] == "welcome"
    return welcome


def message(seq: int, heart_rate: float = 72) -> str:
    """Return one reading of now."""
    reading = {"time": int(time.time() * 1000), "heart_rate": heart_rate}
    return json.dumps({"type": "readings", "seq": seq, "readings": [reading]})


async def hear(socket: ClientConnection, kind: str) -> dict[str, Any]:
    """Return the next answer of a kind."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            answer: dict[str, Any] = json.loads(await socket.recv())
            if answer["type"] == kind:
                return answer


async def hear_ack(socket: ClientConnection, seq: int) -> None:
    """Wait until a seq is acknowledged."""
    while (await hear(socket, "ack"))["seq"] < seq:
        pass


async def close_code(socket: ClientConnection) -> int | None:
    """Wait until the gateway closes, and return its code."""
    async with asyncio.timeout(DEADLINE_S):
        try:
            while True:
                await socket.recv()
        except ConnectionClosed:
            return socket.close_code


@asynccontextmanager
async def gateway(directory: DeviceDirectory, appender: FrameAppender, **changes: Any) -> AsyncIterator[Served]:
    """Run a gateway on a free port."""
    settings = GatewaySettings(port=0, **{"drain_s": 2.0, **changes})
    stop, port = asyncio.Event(), asyncio.get_running_loop().create_future()
    served = Gateway(
        settings, directory=directory, appender=appender, video=appender, clock=SystemClock(), meter=PrometheusMeter()
    )
    task = asyncio.create_task(served.run(stop, ready=port.set_result))
    try:
        yield Served(await port, stop)
    finally:
        stop.set()
        await task
