"""The gateway on real sockets: first with a log in memory, then with the real Kafka and PostgreSQL."""

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
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from infra.clocks import SystemClock
from infra.embedded.account import database_account
from infra.embedded.kafka import KafkaNode, prepare_kafka
from infra.embedded.ports import free_ports
from infra.embedded.postgres import PostgresServer, prepare_postgres
from infra.embedded.process import running, spawn
from infra.kafka.appender import KafkaAppender
from infra.kafka.topics import create_topics
from infra.metrics.meter import PrometheusMeter
from infra.settings import Settings
from infra.timescale.devices import DeviceTokens
from infra.timescale.migrate import MIGRATIONS, migrate
from infra.timescale.pool import open_pool
from ingest.admission import Limits
from ingest.gateway import Gateway, GatewaySettings
from ingest.handshake import token_sha256
from ingest.ports import Device, DeviceDirectory, FrameAppender
from schemas.errors import ContractError, DatabaseAwayError, SetupError
from schemas.frame import decode
from schemas.topics import PARTITIONS, READINGS
from tests.embedded_services import cache_dir

DEADLINE_S = 20.0


class Log:
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


async def test_a_reading_is_acknowledged_when_it_is_in_the_log() -> None:
    """No ack is said while the log is shut; when it opens the reading is there, then its ack."""
    log, tokens = Log(), Tokens("a")
    async with gateway(tokens, log) as served, served.device() as socket:
        log.open.clear()
        await socket.send(message(1, 61.5))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(socket.recv(), 0.3)
        log.open.set()
        await hear_ack(socket, 1)
    assert [row["heart_rate"] for row in log.rows] == [61.5]
    assert log.rows[0]["wearer"] == next(iter(tokens.devices.values())).wearer.bytes


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
async def test_a_wrong_token_is_refused_at_the_handshake(headers: dict[str, str]) -> None:
    """Without a device's token the answer is HTTP 401 with an error body."""
    async with gateway(Tokens("a"), Log()) as served:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"ws://127.0.0.1:{served.port}/devices/stream", additional_headers=headers):
                pass
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body)["error"]["code"] == "unauthenticated"


async def test_a_browser_brings_its_token_as_a_subprotocol() -> None:
    """The subprotocol of the protocol is chosen, never the one that carries the token."""
    async with gateway(Tokens("a"), Log()) as served:
        protocols: Any = ["pulsera.token.a", "pulsera.device.v1+json"]
        async with connect(f"ws://127.0.0.1:{served.port}/devices/stream", subprotocols=protocols) as socket:
            assert socket.subprotocol == "pulsera.device.v1+json"
            await greet(socket)


async def test_the_port_answers_health_and_nothing_else() -> None:
    """GET /health is 200, another path 404 with an error body, the stream without an upgrade 426."""
    async with gateway(Tokens("a"), Log()) as served, httpx.AsyncClient() as client:
        base = f"http://127.0.0.1:{served.port}"
        health = await client.get(f"{base}/health")
        other = await client.get(f"{base}/other")
        plain = await client.get(f"{base}/devices/stream", headers={"Authorization": "Bearer a"})
    assert (health.status_code, health.json()["status"]) == (200, "ok")
    assert (other.status_code, other.json()["error"]["code"]) == (404, "not_found")
    assert plain.status_code == 426


async def test_a_newer_connection_replaces_the_older() -> None:
    """The older socket is closed 4409, the newer works, and is told how far the older came."""
    boot = str(uuid.uuid4())
    async with gateway(Tokens("a"), Log()) as served, served.device(boot=boot) as older:
        await older.send(message(1))
        await hear_ack(older, 1)
        async with dial(served.port, "a") as newer:
            assert await close_code(older) == 4409
            assert (await greet(newer, boot=boot))["acked"] in {0, 1}
            await newer.send(message(2))
            await hear_ack(newer, 2)


async def test_a_revoked_token_is_closed_within_five_seconds() -> None:
    """When the directory no longer holds a token its socket is closed 4401, and another device stays."""
    tokens = Tokens("a", "b")
    async with gateway(tokens, Log()) as served, served.device("a") as revoked, served.device("b") as other:
        del tokens.devices[token_sha256("a")]
        started_s = time.monotonic()
        assert await close_code(revoked) == 4401
        assert time.monotonic() - started_s < 5
        await other.send(message(1))
        await hear_ack(other, 1)


async def test_silence_instead_of_hello_is_closed() -> None:
    """A socket that says nothing is closed 4408 when its time is over."""
    async with gateway(Tokens("a"), Log(), limits=Limits(hello_s=0.2)) as served, dial(served.port, "a") as socket:
        assert await close_code(socket) == 4408


@pytest.mark.parametrize("size", [262_145, 263_500, 3_000_000])
async def test_a_message_too_big_is_closed_with_our_code(size: int) -> None:
    """Whether the session or the library notices, the close code is 4413."""
    async with gateway(Tokens("a"), Log()) as served, served.device() as socket:
        await socket.send("x" * size)
        assert await close_code(socket) == 4413


async def test_a_full_gateway_throttles_instead_of_growing() -> None:
    """With the log shut and the bound reached a device is told to wait; when the log opens all is acknowledged."""
    log = Log()
    async with gateway(Tokens("a"), log, held_most=100_000) as served, served.device() as socket:
        log.open.clear()
        for seq in range(1, 2_001):
            await socket.send(message(seq))
        assert (await hear(socket, "throttle"))["retry_after_ms"] > 0
        log.open.set()
        await hear_ack(socket, 2_000)
    assert len(log.rows) == 2_000


async def test_messages_keep_their_order_however_they_are_framed() -> None:
    """Whole, fragmented and binary messages that come at once are handled in the order in which they were sent."""
    log = Log()
    header = json.dumps({"type": "video", "seq": 3}).encode()
    async with gateway(Tokens("a"), log) as served, served.device() as socket:
        async with asyncio.TaskGroup() as group:
            for part in (message(1), [message(2)[:20], message(2)[20:]], len(header).to_bytes(4, "big") + header):
                group.create_task(socket.send(part))
            for seq in range(4, 300):
                group.create_task(socket.send(message(seq)))
        assert (await hear(socket, "nack"))["seq"] == 3
        await hear_ack(socket, 299)
    assert [row["seq"] for row in log.rows] == [1, 2, *range(4, 300)]


async def test_a_device_over_its_rate_loses_nothing() -> None:
    """A device that sends more than its rate is told to wait, is read again later, and all is acknowledged."""
    log = Log()
    limits = Limits(messages_per_s=100, burst_s=0.2)
    async with gateway(Tokens("a"), log, limits=limits) as served, served.device() as socket:
        for seq in range(1, 61):
            await socket.send(message(seq))
        assert (await hear(socket, "throttle"))["retry_after_ms"] > 0
        await hear_ack(socket, 60)
    assert [row["seq"] for row in log.rows] == list(range(1, 61))


async def test_an_append_that_is_given_up_closes_its_sockets() -> None:
    """After the bound the device is closed 4503 without an ack, and the gateway still serves."""
    log = Log()
    async with gateway(Tokens("a", "b"), log, give_up_s=0.2) as served, served.device() as socket:
        log.open.clear()
        await socket.send(message(1))
        assert await close_code(socket) == 4503
        log.open.set()
        async with served.device("b") as other:
            await other.send(message(1))
            await hear_ack(other, 1)


async def test_a_frame_that_the_log_never_takes_closes_its_sockets() -> None:
    """A permanent refusal by the log is not acknowledged; the device is closed 4503."""
    log = Log()
    async with gateway(Tokens("a"), log) as served, served.device() as socket:
        log.refuses = True
        await socket.send(message(1))
        assert await close_code(socket) == 4503


async def test_draining_acknowledges_then_says_4503() -> None:
    """A stopping gateway appends what it admitted, acknowledges it, and closes 4503."""
    log = Log()
    async with gateway(Tokens("a"), log, linger_s=1.0) as served, served.device() as socket:
        for seq in range(1, 51):
            await socket.send(message(seq))
        await socket.send('{"type":"are you there?"}')
        await hear(socket, "error")
        served.stop.set()
        await hear_ack(socket, 50)
        assert await close_code(socket) == 4503
    assert len(log.rows) == 50


async def test_draining_does_not_wait_for_ever() -> None:
    """With the log shut a stopping gateway gives up at its deadline, without an ack."""
    log = Log()
    async with gateway(Tokens("a"), log, drain_s=0.3) as served, served.device() as socket:
        log.open.clear()
        await socket.send(message(1))
        served.stop.set()
        assert await close_code(socket) == 4503
    assert log.rows == []


async def test_a_port_in_use_is_said_in_a_sentence() -> None:
    """A second gateway on the same port is refused with the variable to change."""
    async with gateway(Tokens("a"), Log()) as served:
        settings = GatewaySettings(port=served.port)
        second = Gateway(
            settings, directory=Tokens(), appender=Log(), video=Log(), clock=SystemClock(), meter=PrometheusMeter()
        )
        with pytest.raises(SetupError, match="PULSERA_GATEWAY_PORT"):
            await second.run(asyncio.Event(), ready=lambda _: None)


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
        appender = await KafkaAppender(node.bootstrap).__aenter__()
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
