"""Two gateways on one system: a device moves from one to the other while the first still holds it."""

import asyncio
import os
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition

from infra.embedded.ports import free_ports
from schemas.frame import decode
from schemas.topics import PARTITIONS, READINGS
from tests.running_system import RunningSystem, TestDevice, eventually, now_ms, reading

pytestmark = [pytest.mark.connected, pytest.mark.timeout(180)]


@asynccontextmanager
async def second_gateway(system: RunningSystem) -> AsyncIterator[str]:
    """Run another `pulsera gateway` on the same Kafka and database; give its device socket."""
    (port,) = free_ports(1)
    env = {
        **os.environ, "PULSERA_KAFKA_BOOTSTRAP": system.ready["kafka"], "PULSERA_GATEWAY_PORT": str(port),
        "PULSERA_DATABASE_URL": system.ready["database_url"],
    }  # fmt: skip
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "infra.cli", "gateway", env=env)

    async def healthy() -> bool:
        async with httpx.AsyncClient() as client:
            try:
                return (await client.get(f"http://127.0.0.1:{port}/health")).status_code == 200
            except httpx.TransportError:
                return False

    try:
        await eventually(healthy)
        yield f"ws://127.0.0.1:{port}/devices/stream"
    finally:
        process.terminate()
        assert await asyncio.wait_for(process.wait(), 30) == 0


def stored(system: RunningSystem, wearer: str) -> list[dict[str, Any]]:
    """Return the wearer's rows, as the API tells them."""
    with system.client() as client:
        answer = client.get(f"/wearers/{wearer}/readings", params={"limit": 1000}).raise_for_status()
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def heartbeats(bootstrap: str, seconds: float) -> list[int]:
    """Return how many empty frames each partition gets in so long."""
    counts = [0] * PARTITIONS
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="latest") as consumer:
        consumer.assign([TopicPartition(READINGS.name, partition) for partition in range(PARTITIONS)])
        await consumer.seek_to_end()
        try:
            async with asyncio.timeout(seconds):
                async for record in consumer:
                    counts[record.partition] += decode(record.value).rows == 0
        except TimeoutError:
            return counts
    return counts


async def test_a_device_that_moves_loses_and_doubles_nothing(system: RunningSystem) -> None:
    """Both gateways serve the same device at once, a message sent over both is one row, and both send heartbeats."""
    wearer, _, token = system.new_wearer()
    boot, base = str(uuid.uuid4()), now_ms() - 20_000
    async with second_gateway(system) as other_url:
        first = await TestDevice.connect(system.devices_url, token, boot=boot)
        for at in range(20):
            await first.send([reading(base + at * 100, heart_rate=60 + at)])
        await first.acked(20)
        second = await TestDevice.connect(other_url, token, boot=boot)
        second.seq = 10  # as after a lost connection whose last acks never arrived
        for at in range(10, 40):
            await second.send([reading(base + at * 100, heart_rate=60 + at)])
        await first.send([reading(base + 20 * 100, spo2=97)])
        await asyncio.gather(first.acked(21), second.acked(40))
        rows = await eventually(lambda: (found := stored(system, wearer))[39:] and found)
        beats = await heartbeats(system.ready["kafka"], 4.5)
        await first.close()
        await second.close()
    assert sorted(row["heart_rate"] for row in rows) == list(range(60, 100))
    assert [row["heart_rate"] for row in rows if row.get("spo2") == 97] == [80]
    assert min(beats) >= 5  # one gateway alone sends four
