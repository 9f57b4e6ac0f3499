"""Keeps Kafka or the database away for as long as is asked, under load, and prints what that cost.

    python -m tests.outage kafka 60
    python -m tests.outage postgres 60

The usual bounds hold; at the end every acknowledged reading is looked for in the database.
"""

import asyncio
import json
import sys
import time
from typing import Any

import httpx

from tests.running_system import eventually
from tests.world import PARTS, PatientDevice, World, figure, ready_parts, stored, world

DEVICES = 10


async def measured(of: World, part: str, seconds: float) -> dict[str, Any]:
    """Load the system, take a part away, bring it back, and return the figures."""
    system = of.system
    people = [system.new_wearer(f"O{number}") for number in range(DEVICES)]
    devices = [PatientDevice(system.devices_url, token, every_s=0.02, readings=50) for _, _, token in people]
    stop = asyncio.Event()
    found: dict[str, Any] = {"away": part, "away_s": seconds}
    async with asyncio.TaskGroup() as load:
        for device in devices:
            load.create_task(device.run(stop))
        await eventually(lambda: all(device.acked for device in devices))
        await asyncio.sleep(5)
        before = {name: of.rss_mib(name) for name in PARTS}
        of.end(part, kill=True)
        found |= await watched(of, devices, seconds)
        _, parts = await ready_parts(system)
        found["ready"] = {name: one["state"] for name, one in parts.items()}
        counts = [len(device.acked) for device in devices]
        found["acked_before_return"] = sum(counts)
        began = time.monotonic()
        await of.back(part)
        found["part_started_s"] = round(time.monotonic() - began, 1)
        await eventually(
            lambda: all(len(device.acked) > count for device, count in zip(devices, counts, strict=True)), within_s=120
        )
        found["all_served_again_s"] = round(time.monotonic() - began, 1)
        await asyncio.sleep(10)
        stop.set()
    kept = {wearer: device.acked for (wearer, _, _), device in zip(people, devices, strict=True)}
    await eventually(lambda: complete(of, kept), within_s=120)
    found["all_stored_s"] = round(time.monotonic() - began, 1)
    after = {name: of.rss_mib(name) for name in PARTS}
    found["rss_mib"] = {name: [round(before[name]), round(found["peak"][name]), round(after[name])] for name in PARTS}
    del found["peak"]
    found |= {
        "acked": sum(len(device.acked) for device in devices),
        "lost_or_wrong": 0,
        "connections": [device.connections for device in devices],
        "throttled": sum(device.throttled for device in devices),
    }
    return found


async def watched(of: World, devices: list[PatientDevice], seconds: float) -> dict[str, Any]:
    """Look at memory once a second for so long; say when the first device was throttled."""
    began = time.monotonic()
    peak = dict.fromkeys(PARTS, 0.0)
    held, throttled_s = 0.0, None
    while (passed := time.monotonic() - began) < seconds:
        for name in PARTS:
            peak[name] = max(peak[name], of.rss_mib(name))
        async with httpx.AsyncClient(timeout=10) as client:
            text = (await client.get(f"http://127.0.0.1:{of.ports['gateway']}/metrics")).text
        held = max(held, figure(text, "pulsera_inflight_bytes"))
        if throttled_s is None and any(device.throttled for device in devices):
            throttled_s = round(passed)
        await asyncio.sleep(1)
    return {"peak": peak, "held_mib": round(held / 2**20, 1), "throttled_after_s": throttled_s}


async def complete(of: World, kept: dict[str, dict[int, float]]) -> bool:
    """Return whether exactly what was acknowledged is stored."""
    for wearer, acked in kept.items():
        if await stored(of.system, wearer) != acked:
            return False
    return True


def main() -> None:
    """Run once and print JSON."""
    part, seconds = sys.argv[1], float(sys.argv[2])
    with world() as made:
        sys.stdout.write(json.dumps(asyncio.run(measured(made, part, seconds)), indent=1) + "\n")


if __name__ == "__main__":
    main()
