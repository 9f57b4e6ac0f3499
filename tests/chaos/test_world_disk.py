"""A disk is full: whatever writes to it waits or comes back, nothing acknowledged is lost, the operator is told."""

import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.running_system import RunningSystem, eventually, started
from tests.world import PatientDevice, ready_parts, stored

pytestmark = [pytest.mark.chaos, pytest.mark.connected, pytest.mark.timeout(300)]

DISKS_MIB = {"all": 64, "kafka": 256, "postgres": 512}
LEFT_MIB = {"all": 0, "kafka": 3, "postgres": 20}


@dataclass(frozen=True, slots=True)
class Disk:
    """A small file system that can be filled and emptied again."""

    folder: Path
    left_mib: int

    def fill(self) -> None:
        """Leave only so much as was said."""
        space = os.statvfs(self.folder)
        size = space.f_bavail * space.f_frsize - self.left_mib * 2**20
        with (self.folder / "filler").open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, size)

    def make_room(self) -> None:
        """Give everything back."""
        (self.folder / "filler").unlink()


@dataclass(frozen=True, slots=True)
class Disks:
    """A running system and the disks that it lies on."""

    system: RunningSystem
    all: Disk
    kafka: Disk
    postgres: Disk
    said: Path


@pytest.fixture(scope="module")
def disks() -> Iterator[Disks]:
    """A system with a disk for Kafka, one for PostgreSQL and one for everything else."""
    with tempfile.TemporaryDirectory(prefix="pulsera-disks-", ignore_cleanup_errors=True) as name, ExitStack() as stack:
        top = Path(name)
        top.chmod(0o755)
        data = top / "data"
        for mounted in (data, data / "kafka", top / "database"):
            mounted.mkdir()
            kind = {"data": "all", "kafka": "kafka", "database": "postgres"}[mounted.name]
            options = f"size={DISKS_MIB[kind]}m,mode=755"
            done = subprocess.run(
                ["/bin/mount", "-t", "tmpfs", "-o", options, "pulsera-test", str(mounted)],
                capture_output=True,
                text=True,
                check=False,
            )
            if done.returncode:
                pytest.skip(f"A small file system can be mounted by root alone: {done.stderr.strip()}")
            stack.callback(subprocess.run, ["/bin/umount", "--lazy", str(mounted)], check=True)
        (data / "lock").touch()
        (data / "postgres").symlink_to(top / "database" / "postgres")
        with started(data_dir=data) as running:
            yield Disks(
                running,
                Disk(data, LEFT_MIB["all"]),
                Disk(data / "kafka", LEFT_MIB["kafka"]),
                Disk(top / "database", LEFT_MIB["postgres"]),
                top / "up.log",
            )


async def parts_of(system: RunningSystem) -> dict[str, Any]:
    """Return the parts as /ready tells them, none while the API does not answer."""
    try:
        return (await ready_parts(system))[1]
    except httpx.HTTPError:
        return {}


async def well(system: RunningSystem) -> bool:
    """Return whether every part is up; the small disks themselves are always short of room."""
    parts = await parts_of(system)
    return bool(parts) and all(part["state"] == "up" for name, part in parts.items() if name != "disk")


async def test_full_disks_lose_nothing_and_are_told_of(disks: Disks) -> None:
    """PostgreSQL's, Kafka's and the logs' disk fill up one after another; each time all goes on once there is room."""
    system = disks.system
    people = [system.new_wearer(f"D{number}") for number in range(6)]
    devices = [PatientDevice(system.devices_url, token, every_s=0.05, readings=50) for _, _, token in people]
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as load:
        for device in devices:
            load.create_task(device.run(stop))
        await eventually(lambda: all(device.acked for device in devices))
        for fault in (database_full, kafka_full, everything_else_full):
            began = time.monotonic()
            await fault(disks, devices)
            sys.stdout.write(f"{fault.__name__}: well again after {time.monotonic() - began:.1f} s\n")
        stop.set()
    for (wearer, _, _), device in zip(people, devices, strict=True):

        async def complete(wearer: str = wearer, device: PatientDevice = device) -> bool:
            return await stored(system, wearer) == device.acked

        await eventually(complete, within_s=60)
    assert "nearly full" in disks.said.read_text()


async def database_full(disks: Disks, devices: list[PatientDevice]) -> None:
    """While the database cannot write, devices are served; /ready names what waits."""
    disks.postgres.fill()

    async def noticed() -> bool:
        parts = await parts_of(disks.system)
        return any(parts.get(name, {}).get("state") in {"degraded", "down"} for name in ("storage", "database"))

    await eventually(noticed, within_s=60)
    parts = await parts_of(disks.system)
    sys.stdout.write(f"{[(name, one['state'], one['detail']) for name, one in parts.items()]}\n")
    assert parts["disk"]["state"] == "degraded"
    assert " MiB left" in parts["disk"]["detail"]
    await go_on(devices)
    disks.postgres.make_room()
    await eventually(lambda: well(disks.system), within_s=90)


async def kafka_full(disks: Disks, devices: list[PatientDevice]) -> None:
    """While Kafka cannot write, nothing is acknowledged; with room it comes back by itself and all is taken."""
    began = time.monotonic()
    disks.kafka.fill()

    async def down() -> bool:
        return bool((await parts_of(disks.system)).get("kafka", {}).get("state") == "down")

    await eventually(down, within_s=60)
    sys.stdout.write(f"Kafka is down {time.monotonic() - began:.1f} s after its disk was filled\n")
    counts = [len(device.acked) for device in devices]
    disks.kafka.make_room()
    await eventually(
        lambda: all(len(device.acked) > count for device, count in zip(devices, counts, strict=True)), within_s=90
    )
    await eventually(lambda: well(disks.system), within_s=90)


async def everything_else_full(disks: Disks, devices: list[PatientDevice]) -> None:
    """With no room for logs nor for `run.json` a killed process is started again all the same."""
    before = disks.system.pids()["gateway"]
    disks.all.fill()
    os.kill(before, signal.SIGKILL)
    await go_on(devices)
    assert disks.system.process.poll() is None
    disks.all.make_room()
    os.kill(disks.system.pids()["storage"], signal.SIGKILL)
    await eventually(lambda: disks.system.pids()["gateway"] != before, within_s=60)
    await eventually(lambda: well(disks.system), within_s=60)


async def go_on(devices: list[PatientDevice]) -> None:
    """Wait until every device was acknowledged something more."""
    counts = [len(device.acked) for device in devices]
    await eventually(
        lambda: all(len(device.acked) > count for device, count in zip(devices, counts, strict=True)), within_s=60
    )
