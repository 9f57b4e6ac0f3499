"""The gateway with the real Kafka and PostgreSQL, which go away and come back."""

import asyncio
import hashlib
import json
import os
import signal
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, InvalidStatus

from infra.clocks import SystemClock
from infra.embedded.account import database_account
from infra.embedded.kafka import KafkaNode, prepare_kafka
from infra.embedded.ports import free_ports
from infra.embedded.postgres import PostgresServer, prepare_postgres
from infra.embedded.process import running, spawn
from infra.kafka.appender import KafkaAppender
from infra.kafka.aside import AppenderAside
from infra.kafka.topics import create_topics
from infra.settings import Settings
from infra.timescale.devices import DeviceTokens
from infra.timescale.migrate import MIGRATIONS, migrate
from infra.timescale.pool import open_pool
from ingest.handshake import token_sha256
from schemas.errors import DatabaseAwayError
from schemas.frame import decode
from schemas.topics import PARTITIONS, READINGS
from tests.embedded_services import cache_dir
from tests.served_gateway import (
    DEADLINE_S,
    Tokens,
    close_code,
    dial,
    gateway,
    greet,
    hear,
    hear_ack,
    message,
)


class Client:
    """A device that keeps what is not acknowledged and sends it again after every lost connection."""

    def __init__(self, port: int, token: str) -> None:
        self._port = port
        self._token = token
        self._boot = str(uuid.uuid4())
        self.sent = 0
        self.acked = 0
        self.heard = asyncio.Condition()

    async def run(self, enough: asyncio.Event) -> None:
        """Send one reading every 5 ms until told that it is enough, then until everything is acknowledged."""
        while not enough.is_set() or self.acked < self.sent:
            try:
                async with dial(self._port, self._token) as socket:
                    await greet(socket, boot=self._boot)
                    for seq in range(self.acked + 1, self.sent + 1):
                        await socket.send(message(seq, 20 + seq % 200))
                    await asyncio.gather(self._send(socket, enough), self._listen(socket, enough))
            except (ConnectionClosed, OSError, InvalidStatus):
                await asyncio.sleep(0.05)

    async def reaches(self, goal: int) -> None:
        """Wait until so much is acknowledged."""
        async with self.heard:
            await self.heard.wait_for(lambda: self.acked >= goal)

    async def _send(self, socket: ClientConnection, enough: asyncio.Event) -> None:
        while not enough.is_set():
            self.sent += 1
            await socket.send(message(self.sent, 20 + self.sent % 200))
            await asyncio.sleep(0.005)

    async def _listen(self, socket: ClientConnection, enough: asyncio.Event) -> None:
        while not enough.is_set() or self.acked < self.sent:
            answer = json.loads(await socket.recv())
            if answer["type"] == "ack":
                async with self.heard:
                    self.acked = max(self.acked, answer["seq"])
                    self.heard.notify_all()


async def wearer_rows(bootstrap: str, wearer: uuid.UUID) -> list[dict[str, Any]]:
    """Return everything that the topic holds of a wearer now."""
    rows: list[dict[str, Any]] = []
    async with AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest") as consumer:
        places = [TopicPartition(READINGS.name, partition) for partition in range(PARTITIONS)]
        consumer.assign(places)
        ends = await consumer.end_offsets(places)
        for place in places:
            await consumer.seek_to_beginning(place)
            while await consumer.position(place) < ends[place]:
                for records in (await consumer.getmany(place, timeout_ms=500)).values():
                    for record in records:
                        rows += [row for row in decode(record.value).batch.to_pylist() if row["wearer"] == wearer.bytes]
    return rows


async def add_device(connection: asyncpg.Connection, token: str) -> uuid.UUID:
    """Make a wearer with one device and return the wearer."""
    wearer = uuid.uuid4()
    await connection.execute("INSERT INTO wearers (wearer_id, name) VALUES ($1, 'somebody')", wearer)
    await connection.execute(
        "INSERT INTO devices (device_id, wearer_id, model, token_sha256) VALUES ($1, $2, 'watch', $3)",
        uuid.uuid4(), wearer, hashlib.sha256(token.encode()).digest(),
    )  # fmt: skip
    return wearer


@asynccontextmanager
async def gateway_process(bootstrap: str, database_url: str) -> AsyncIterator[tuple[int, asyncio.subprocess.Process]]:
    """Run `pulsera gateway` until it listens, and kill it at the end if it still runs."""
    (port,) = free_ports(1)
    env = {**os.environ, "PULSERA_KAFKA_BOOTSTRAP": bootstrap, "PULSERA_DATABASE_URL": database_url,
           "PULSERA_GATEWAY_PORT": str(port)}  # fmt: skip
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "infra.cli", "gateway", env=env)
    try:
        async with asyncio.timeout(DEADLINE_S), httpx.AsyncClient() as client:
            while True:
                try:
                    await client.get(f"http://127.0.0.1:{port}/health")
                    break
                except httpx.TransportError:
                    await asyncio.sleep(0.05)
        yield port, process
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.connected
async def test_the_process_serves_new_devices_and_drains(kafka_bootstrap: str, database_url: str) -> None:
    """A new device connects at once, its readings are in Kafka as sent, a revoked one is closed, SIGTERM drains."""
    await migrate(Settings(kafka_bootstrap=kafka_bootstrap, database_url=database_url))
    connection = await asyncpg.connect(database_url)
    try:
        async with gateway_process(kafka_bootstrap, database_url) as (port, process):
            wearer = await add_device(connection, "first")
            await add_device(connection, "second")
            async with dial(port, "first") as socket, dial(port, "second") as revoked:
                await greet(socket)
                await greet(revoked)
                await connection.execute("UPDATE devices SET revoked_at = now() WHERE token_sha256 = $1",
                                         hashlib.sha256(b"second").digest())  # fmt: skip
                started_s = time.monotonic()
                assert await close_code(revoked) == 4401
                assert time.monotonic() - started_s < 5
                for seq in range(1, 201):
                    await socket.send(message(seq, 20 + seq))
                await socket.send('{"type":"are you there?"}')
                await hear(socket, "error")
                process.send_signal(signal.SIGTERM)
                await hear_ack(socket, 200)
                assert await close_code(socket) == 4503
            assert await asyncio.wait_for(process.wait(), DEADLINE_S) == 0
            rows = await wearer_rows(kafka_bootstrap, wearer)
    finally:
        await connection.close()
    assert [(row["seq"], row["heart_rate"]) for row in rows] == [(seq, 20 + seq) for seq in range(1, 201)]


@pytest.mark.connected
async def test_known_devices_connect_while_the_database_is_away(services_dir: Path) -> None:
    """With PostgreSQL stopped a token in memory is still known, an unknown one cannot be judged."""
    server = PostgresServer(data_dir=services_dir / "away", port=free_ports(1)[0], account=database_account())
    server.data_dir.mkdir(mode=0o755)
    with running(prepare_postgres(server), log=services_dir / "away.log", ready=server.is_ready):
        connection = await asyncpg.connect(server.url())
        for name in ("0001_people.sql",):
            await connection.execute((MIGRATIONS / name).read_text(encoding="utf-8"))
        await add_device(connection, "known")
        await connection.close()
        tokens = DeviceTokens(lambda: open_pool(server.url(), size=2), clock=SystemClock())
        await tokens.__aenter__()
    try:
        device = await tokens.find(token_sha256("known"))
        assert device is not None
        assert tokens.holds(token_sha256("known"), device)
        with pytest.raises(DatabaseAwayError):
            await tokens.find(token_sha256("unknown"))
    finally:
        await tokens.__aexit__(None, None, None)


@pytest.mark.connected
@pytest.mark.timeout(180)
async def test_a_killed_broker_loses_nothing_that_was_acknowledged(services_dir: Path) -> None:
    """Kafka is killed twice under load: every reading sent is acknowledged in the end, and every one is in the log."""
    port, controller_port = free_ports(2)
    node = KafkaNode(
        data_dir=services_dir / "killed", cache_dir=cache_dir(), port=port, controller_port=controller_port
    )
    log, tokens, enough = services_dir / "killed.log", Tokens("a", "b", "c"), asyncio.Event()
    with running(prepare_kafka(node), log=log, ready=node.is_ready) as first:
        broker = first
        await create_topics(node.bootstrap)
        appender = await AppenderAside(partial(KafkaAppender, node.bootstrap)).__aenter__()
        try:
            async with gateway(tokens, appender) as served:
                clients = [Client(served.port, token) for token in ("a", "b", "c")]
                running_clients = [asyncio.create_task(client.run(enough)) for client in clients]
                for _ in range(2):
                    reached = [client.acked + 100 for client in clients]
                    await progress(clients, reached)
                    broker.kill()
                    await asyncio.to_thread(broker.wait)
                    broker = spawn(prepare_kafka(node), log=log)
                reached = [client.acked + 100 for client in clients]
                await progress(clients, reached)
                enough.set()
                await asyncio.wait_for(asyncio.gather(*running_clients), 60)
            rows = {device.number: await wearer_rows(node.bootstrap, device.wearer)
                    for device in tokens.devices.values()}  # fmt: skip
        finally:
            await appender.__aexit__(None, None, None)
            broker.kill()
            await asyncio.to_thread(broker.wait)
    for number, client in enumerate(clients, start=1):
        assert {row["seq"] for row in rows[number]} == set(range(1, client.sent + 1))
        assert all(row["heart_rate"] == 20 + row["seq"] % 200 for row in rows[number])


async def progress(clients: list[Client], reached: list[int]) -> None:
    """Wait until every client is acknowledged as far as it should be."""
    async with asyncio.timeout(60):
        for client, goal in zip(clients, reached, strict=True):
            await client.reaches(goal)
