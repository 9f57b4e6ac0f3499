"""`pulsera bench idle`: what an idle device connection costs a gateway in memory, and how fast devices come in."""

import asyncio
import json
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any, Final

import psutil

from infra.bench.alone import token_of
from infra.bench.wire import DeviceWire
from infra.files import raise_open_files
from schemas.errors import SetupError

BOUND_KIB: Final = 30.0
AT_ONCE: Final = 100
_FILES_ASIDE: Final = 256
_HEARD_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Idle:
    """What was measured: memory of the gateway's process alone, proportional set size."""

    connections: int
    opened_per_s: float
    before_mib: float
    after_mib: float
    later_mib: float
    idle_s: int
    cpu_cores: float
    closed: int

    @property
    def kib_each(self) -> float:
        """The higher of both figures by connection."""
        return (max(self.after_mib, self.later_mib) - self.before_mib) * 1024 / self.connections

    def as_json(self) -> dict[str, Any]:
        """Return the JSON that `--json` writes."""
        return {**asdict(self), "kib_each": round(self.kib_each, 2), "bound_kib": BOUND_KIB}


@asynccontextmanager
async def gateway_alone(devices: int) -> AsyncIterator[tuple[int, int]]:
    """Start a gateway in a process of its own, its log and devices in memory; give its port and process id."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "infra.bench.alone", str(devices),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert process.stdin is not None  # noqa: S101 - a pipe
    assert process.stdout is not None  # noqa: S101 - a pipe
    try:
        line = await process.stdout.readline()
        if not line:
            raise SetupError("The gateway ended before it was ready.", next_step="Its reason stands above.")
        yield int(line), process.pid
    finally:
        process.stdin.close()
        await process.wait()


async def bench_idle(connections: int, *, idle_s: int) -> Idle:
    """Open idle connections that have said hello, and look at the gateway's memory before and after.

    Raises:
        SetupError: This system does not let a process hold so many connections.
    """
    files = raise_open_files()
    if files - _FILES_ASIDE < connections:
        raise SetupError(
            f"{connections} connections need more than the {files} open files that this system allows a process.",
            next_step=f"Raise the hard limit (ulimit -Hn), or use --connections {files - _FILES_ASIDE}.",
        )
    async with gateway_alone(connections) as (port, pid):
        gateway = psutil.Process(pid)
        before = _pss_mib(gateway)
        begun = time.monotonic()
        gate = asyncio.Semaphore(AT_ONCE)
        async with asyncio.TaskGroup() as group:
            opening = [group.create_task(_open(port, number, gate)) for number in range(connections)]
        opened_s = time.monotonic() - begun
        wires = [task.result() for task in opening]
        after, spent = _pss_mib(gateway), _cpu_s(gateway)
        await asyncio.sleep(idle_s)  # at least one ping of each is in here
        later, spent = _pss_mib(gateway), _cpu_s(gateway) - spent
        closed = sum(wire.closed.done() for wire in wires)
        for wire in wires:
            wire.close()
    return Idle(
        connections=connections, opened_per_s=round(connections / opened_s, 1), before_mib=before, after_mib=after,
        later_mib=later, idle_s=idle_s, cpu_cores=round(spent / idle_s, 3), closed=closed,
    )  # fmt: skip


async def _open(port: int, number: int, gate: asyncio.Semaphore) -> DeviceWire:
    """Connect one device, say hello, and wait for its welcome."""
    loop = asyncio.get_running_loop()
    welcomed: asyncio.Future[None] = loop.create_future()

    def heard(payload: bytes) -> None:
        if not welcomed.done() and payload.startswith(b'{"type":"welcome"'):
            welcomed.set_result(None)

    async with gate, asyncio.timeout(_HEARD_S):
        _, wire = await loop.create_connection(
            lambda: DeviceWire("127.0.0.1", token_of(number), heard), "127.0.0.1", port
        )
        await wire.opened
        hello = {"type": "hello", "boot": str(uuid.uuid4()), "clock": time.time() * 1000, "model": "idle"}
        wire.send(json.dumps(hello).encode())
        await welcomed
    return wire


def _pss_mib(process: psutil.Process) -> float:
    return float(process.memory_full_info().pss) / 1_048_576


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def show(idle: Idle) -> None:
    """Print the figures."""
    print(f"{idle.connections} idle connections, opened at {idle.opened_per_s:.0f}/s; {idle.closed} were closed")
    print(f"gateway: {idle.before_mib:.1f} MiB before, {idle.after_mib:.1f} with them, {idle.later_mib:.1f} "
          f"after {idle.idle_s} s; {idle.cpu_cores:.3f} core while idle")  # fmt: skip
    print(f"{idle.kib_each:.1f} KiB each (bound {BOUND_KIB:.0f})")
