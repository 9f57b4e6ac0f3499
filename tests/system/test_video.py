"""A camera's colours through the whole system: stored as readings of rppg, told to the device, shared like others."""

import asyncio
import json
import os
import signal
from typing import Any

from tests.camera_messages import pulse_colours
from tests.running_system import RunningSystem, TestDevice, eventually, now_ms

FPS = 30
FRAMES = 15
RATE_BPM = 84.0


async def film(device: TestDevice, start_ms: int, chunks: range) -> None:
    """Send half seconds of colours with a steady pulse, and wait until they are durable."""
    for chunk in chunks:
        first_ms = chunk * FRAMES * 1000 / FPS
        device.seq += 1
        trace: dict[str, Any] = {
            "type": "trace",
            "seq": device.seq,
            "time": start_ms + first_ms,
            "times": [round(frame * 1000 / FPS, 3) for frame in range(FRAMES)],
            "rgb": pulse_colours(chunk * FRAMES, FRAMES, rate_bpm=RATE_BPM).tolist(),
        }
        await device.socket.send(json.dumps(trace))
    await device.acked(device.seq, within_s=60)


def instructions(device: TestDevice) -> list[dict[str, Any]]:
    """Return what the device was told so far."""
    return [answer for answer in device.answers if answer["type"] == "instruction"]


async def instructed(device: TestDevice) -> dict[str, Any]:
    """Read answers until one tells a heart rate, and return it."""
    async with asyncio.timeout(60):
        while not any(told["heart_rate"] is not None for told in instructions(device)):
            device.answers.append(json.loads(await device.socket.recv()))
    return next(told for told in instructions(device) if told["heart_rate"] is not None)


async def test_colours_become_the_wearers_heart_rate(system: RunningSystem) -> None:
    """The value is stored with source rppg within 12 s of video, right to 0.5 bpm, and told to the device alone."""
    wearer, device_id, token = system.new_wearer("Camera")
    _, _, other_token = system.new_wearer("Somebody else")
    device = await TestDevice.connect(system.devices_url, token, origin="simulated")
    other = await TestDevice.connect(system.devices_url, other_token)
    start_ms = now_ms() - 20_000
    await film(device, start_ms, range(36))
    told = await instructed(device)
    assert abs(told["heart_rate"] - RATE_BPM) <= 0.5
    assert told["time"] <= start_ms + 12_000
    with system.client() as client:

        def stored() -> Any:
            latest = client.get(f"/wearers/{wearer}/latest").raise_for_status().json()
            return latest if latest["heart_rate"] is not None else None

        latest = await eventually(stored)
    assert abs(latest["heart_rate"] - RATE_BPM) <= 0.5
    assert (latest["source"], latest["device_id"], latest["origin"]) == ("rppg", device_id, "simulated")
    assert 0 < latest["quality"] <= 1
    try:
        async with asyncio.timeout(1):
            heard = json.loads(await other.socket.recv())
    except TimeoutError:
        heard = None
    assert heard is None
    await device.close()
    await other.close()


async def test_a_pulse_is_shared_like_any_other_reading(system: RunningSystem) -> None:
    """A carer sees it with a grant for readings, and nothing without."""
    wearer, _, token = system.new_wearer("Shared")
    user, user_token = system.new_user()
    device = await TestDevice.connect(system.devices_url, token)
    await film(device, now_ms() - 20_000, range(36))
    await instructed(device)
    await device.close()
    with system.client() as admin, system.client(user_token) as carer:
        assert carer.get(f"/wearers/{wearer}/latest").status_code == 404
        admin.put(f"/wearers/{wearer}/carers/{user}", json={"scopes": ["readings"]}).raise_for_status()
        await eventually(lambda: carer.get(f"/wearers/{wearer}/latest").json().get("source") == "rppg")


async def test_a_killed_worker_of_video_goes_on(system: RunningSystem) -> None:
    """Killed in the middle of a stream the worker comes back, each second has one reading, and all are right."""
    wearer, _, token = system.new_wearer("Killed")
    device = await TestDevice.connect(system.devices_url, token)
    start_ms = now_ms() - 40_000
    await film(device, start_ms, range(30))
    await instructed(device)
    os.kill(system.pids()["video"], signal.SIGKILL)
    await film(device, start_ms, range(30, 70))
    query = {"from": start_ms, "to": start_ms + 60_000}
    with system.client() as client:

        def complete() -> Any:
            items = client.get(f"/wearers/{wearer}/readings", params=query).raise_for_status().json()["items"]
            return items if len(items) >= 24 else None

        items = await eventually(complete, within_s=90)
    times = [item["time"] for item in items]
    assert len(set(times)) == len(times)
    assert all(abs(item["heart_rate"] - RATE_BPM) <= 0.5 for item in items)
    await device.close()
