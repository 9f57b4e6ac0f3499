"""A gateway by itself, in a process of its own: real sockets, devices and a log in memory.

Run as `python -m infra.bench.alone DEVICES`: prints its port, serves tokens `bench-0` and so on, ends with its input.
"""

import asyncio
import sys
from typing import Final
from uuid import UUID, uuid5

import uvloop

from infra.clocks import SystemClock
from infra.collector import settle_collector
from infra.files import raise_open_files
from infra.metrics.meter import PrometheusMeter
from ingest.gateway import Gateway, GatewaySettings
from ingest.handshake import token_sha256
from ingest.ports import Device

APPEND_S: Final = 0.01
"""About what an idle Kafka takes to make a frame durable."""
_SPACE: Final = UUID("1b0f6f2b-3f6e-5f0c-9a77-2f3a9b1f7c55")


class MemoryLog:
    """Forgets what it is given, a moment later."""

    async def append(self, partition: int, frame: bytes) -> None:
        """Return after `APPEND_S`."""
        del partition, frame
        await asyncio.sleep(APPEND_S)


class MemoryDirectory:
    """Devices `bench-0` to `bench-(count - 1)`."""

    def __init__(self, count: int) -> None:
        self._devices = {
            token_sha256(token_of(number)): Device(
                device_id=uuid5(_SPACE, f"device {number}"), number=number + 1, wearer=uuid5(_SPACE, f"wearer {number}")
            )
            for number in range(count)
        }

    async def find(self, token_sha256: bytes) -> Device | None:
        """Return the token's device."""
        return self._devices.get(token_sha256)

    def holds(self, token_sha256: bytes, device: Device) -> bool:
        """Return whether this is the token's device."""
        return self._devices.get(token_sha256) is device


def token_of(number: int) -> str:
    """Return the token of a device by its number from 0."""
    return f"bench-{number}"


async def serve(devices: int) -> None:
    """Serve until the input ends."""
    raise_open_files()
    gateway = Gateway(
        GatewaySettings(port=0),
        directory=MemoryDirectory(devices),
        appender=MemoryLog(),
        video=MemoryLog(),
        clock=SystemClock(),
        meter=PrometheusMeter(),
    )
    stop = asyncio.Event()
    settle_collector()

    def ready(port: int) -> None:
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()

    serving = asyncio.create_task(gateway.run(stop, ready=ready))
    await asyncio.to_thread(sys.stdin.read)
    stop.set()
    await serving


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
