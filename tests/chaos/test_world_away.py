"""Kafka or the database is away for a while: devices stay connected, nothing acknowledged is lost, pages say so."""

import asyncio

import httpx
import pytest
import websockets

from tests.running_system import TestDevice, eventually, now_ms, reading
from tests.world import PatientDevice, World, figure, ready_parts, stored

pytestmark = [pytest.mark.chaos, pytest.mark.connected, pytest.mark.timeout(240)]


def metrics(of: World, name: str) -> str:
    """Return what a part tells Prometheus."""
    return httpx.get(f"http://127.0.0.1:{of.ports[name]}/metrics", timeout=10).text


async def test_a_broker_that_is_away_throttles_devices_and_loses_nothing(mended: World) -> None:
    """The gateway takes up to its bound, then throttles; no device is sent off, all acknowledged rows are stored."""
    system = mended.system
    people = [system.new_wearer(f"B{number}") for number in range(8)]
    devices = [PatientDevice(system.devices_url, token, every_s=0.02, readings=50) for _, _, token in people]
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as load:
        for device in devices:
            load.create_task(device.run(stop))
        await eventually(lambda: all(device.acked for device in devices))
        before_mib = mended.rss_mib("gateway")
        mended.end("kafka", kill=True)
        bound = int(mended.extra["PULSERA_HOLD_MIB"]) * 2**20
        await eventually(lambda: figure(metrics(mended, "gateway"), "pulsera_inflight_bytes") >= bound)
        await eventually(lambda: all(device.throttled for device in devices))
        full_mib = mended.rss_mib("gateway")
        held = figure(metrics(mended, "gateway"), "pulsera_inflight_bytes")
        status, parts = await ready_parts(system)
        assert (status, parts["kafka"]["state"]) == (503, "down")
        counts = [len(device.acked) for device in devices]
        await mended.back("kafka")
        await eventually(
            lambda: all(len(device.acked) > count for device, count in zip(devices, counts, strict=True)), within_s=60
        )
        stop.set()
    assert held < bound + 8 * 262_144, "at most one message a device above the bound"
    assert full_mib - before_mib < 40
    assert [device.connections for device in devices] == [1] * len(devices)
    for (wearer, _, _), device in zip(people, devices, strict=True):

        async def complete(wearer: str = wearer, device: PatientDevice = device) -> bool:
            return await stored(system, wearer) == device.acked

        await eventually(complete, within_s=60)


async def test_a_database_that_is_away_is_waited_for(mended: World) -> None:
    """Devices are served; the API says 503 and which part; afterwards everything is stored and one alert raised."""
    system = mended.system
    wearer, _, token = system.new_wearer("Racing")
    idle, _, idle_token = system.new_wearer("Idle")
    device = PatientDevice(system.devices_url, token, every_s=0.2, slowest_bpm=190, motion=0.0)
    backlog = await TestDevice.connect(system.devices_url, token)
    begun = now_ms() - 150_000
    seq = await backlog.send([reading(begun + second * 1000, heart_rate=210, motion=0.0) for second in range(150)])
    await backlog.acked(seq)
    await backlog.close()
    await (await TestDevice.connect(system.devices_url, idle_token)).close()  # from now on the gateway knows its token
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as load:
        mended.end("postgres", kill=True)
        load.create_task(device.run(stop))
        await eventually(lambda: len(device.acked) > 20)
        fresh = await TestDevice.connect(system.devices_url, idle_token)
        await fresh.acked(await fresh.send([reading(now_ms(), heart_rate=70)]))
        await fresh.close()
        async with httpx.AsyncClient(
            base_url=system.api, headers={"Authorization": f"Bearer {system.ready['admin_token']}"}, timeout=20
        ) as client:
            for path in (f"/wearers/{wearer}/latest", "/wearers", "/alerts"):
                answer = await client.get(path)
                assert (answer.status_code, answer.json()["error"]["code"]) == (503, "database_away"), path
        status, parts = await ready_parts(system)
        assert (status, parts["database"]["state"]) == (503, "down")
        assert parts["kafka"]["state"] == "up"
        assert parts["storage"]["state"] == "degraded", parts["storage"]
        await a_gateway_without_its_tokens(mended, idle_token)
        await mended.back("postgres")
        await eventually(lambda: high_rates(mended, wearer), within_s=60)
        stop.set()

    async def complete() -> bool:
        rows = await stored(system, wearer)
        return device.acked.items() <= rows.items() and bool(await stored(system, idle))

    await eventually(complete, within_s=60)
    assert len(high_rates(mended, wearer)) == 1
    await eventually(lambda: all_up(mended), within_s=30)


async def a_gateway_without_its_tokens(of: World, token: str) -> None:
    """One that starts while the database is away serves, and tells a device to come again, not that it is unknown."""
    of.end("gateway")
    await of.back("gateway")
    with pytest.raises(websockets.InvalidStatus) as refused:
        await TestDevice.connect(of.system.devices_url, token)
    assert refused.value.response.status_code == 503


async def all_up(of: World) -> bool:
    """Return whether every part is up again."""
    status, parts = await ready_parts(of.system)
    return status == 200 and {part["state"] for part in parts.values()} == {"up"}


def high_rates(of: World, wearer: str) -> list[dict[str, object]]:
    """Return the alerts about a wearer's high heart rate, none while the API cannot tell."""
    with of.system.client() as client:
        answer = client.get("/alerts", params={"wearer": wearer})
    items = answer.json()["items"] if answer.status_code == 200 else []
    return [one for one in items if one["kind"] == "heart_rate.high"]
