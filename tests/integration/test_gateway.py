"""The gateway on real sockets, with a log in memory."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from infra.clocks import SystemClock
from infra.kafka.aside import AppenderAside
from infra.metrics.meter import PrometheusMeter
from ingest.admission import Limits
from ingest.gateway import Gateway, GatewaySettings
from ingest.handshake import token_sha256
from schemas.errors import BrokerAwayError, SetupError
from tests.served_gateway import (
    MemoryLog,
    Tokens,
    close_code,
    dial,
    gateway,
    greet,
    hear,
    hear_ack,
    message,
)


async def test_a_reading_is_acknowledged_when_it_is_in_the_log() -> None:
    """No ack is said while the log is shut; when it opens the reading is there, then its ack."""
    log, tokens = MemoryLog(), Tokens("a")
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
    async with gateway(Tokens("a"), MemoryLog()) as served:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"ws://127.0.0.1:{served.port}/devices/stream", additional_headers=headers):
                pass
    assert refused.value.response.status_code == 401
    assert json.loads(refused.value.response.body)["error"]["code"] == "unauthenticated"


async def test_a_browser_brings_its_token_as_a_subprotocol() -> None:
    """The subprotocol of the protocol is chosen, never the one that carries the token."""
    async with gateway(Tokens("a"), MemoryLog()) as served:
        protocols: Any = ["pulsera.token.a", "pulsera.device.v1+json"]
        async with connect(f"ws://127.0.0.1:{served.port}/devices/stream", subprotocols=protocols) as socket:
            assert socket.subprotocol == "pulsera.device.v1+json"
            await greet(socket)


async def test_the_port_answers_health_and_nothing_else() -> None:
    """GET /health is 200, another path 404 with an error body, the stream without an upgrade 426."""
    async with gateway(Tokens("a"), MemoryLog()) as served, httpx.AsyncClient() as client:
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
    async with gateway(Tokens("a"), MemoryLog()) as served, served.device(boot=boot) as older:
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
    async with gateway(tokens, MemoryLog()) as served, served.device("a") as revoked, served.device("b") as other:
        del tokens.devices[token_sha256("a")]
        started_s = time.monotonic()
        assert await close_code(revoked) == 4401
        assert time.monotonic() - started_s < 5
        await other.send(message(1))
        await hear_ack(other, 1)


async def test_silence_instead_of_hello_is_closed() -> None:
    """A socket that says nothing is closed 4408 when its time is over."""
    async with (
        gateway(Tokens("a"), MemoryLog(), limits=Limits(hello_s=0.2)) as served,
        dial(served.port, "a") as socket,
    ):
        assert await close_code(socket) == 4408


@pytest.mark.parametrize("size", [262_145, 263_500, 3_000_000])
async def test_a_message_too_big_is_closed_with_our_code(size: int) -> None:
    """Whether the session or the library notices, the close code is 4413."""
    async with gateway(Tokens("a"), MemoryLog()) as served, served.device() as socket:
        await socket.send("x" * size)
        assert await close_code(socket) == 4413


async def test_a_full_gateway_throttles_instead_of_growing() -> None:
    """With the log shut and the bound reached a device is told to wait; when the log opens all is acknowledged."""
    log = MemoryLog()
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
    log = MemoryLog()
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
    log = MemoryLog()
    limits = Limits(messages_per_s=100, burst_s=0.2)
    async with gateway(Tokens("a"), log, limits=limits) as served, served.device() as socket:
        for seq in range(1, 61):
            await socket.send(message(seq))
        assert (await hear(socket, "throttle"))["retry_after_ms"] > 0
        await hear_ack(socket, 60)
    assert [row["seq"] for row in log.rows] == list(range(1, 61))


async def test_an_append_that_is_given_up_closes_its_sockets() -> None:
    """After the bound the device is closed 4503 without an ack, and the gateway still serves."""
    log = MemoryLog()
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
    log = MemoryLog()
    async with gateway(Tokens("a"), log) as served, served.device() as socket:
        log.refuses = True
        await socket.send(message(1))
        assert await close_code(socket) == 4503


async def test_a_gateway_whose_log_has_ended_ends_too() -> None:
    """When the loop of the log's client stops, devices are closed 4503 and the gateway fails: it will be restarted."""
    loops: list[asyncio.AbstractEventLoop] = []

    @asynccontextmanager
    async def made() -> AsyncIterator[MemoryLog]:
        loops.append(asyncio.get_running_loop())
        yield MemoryLog()

    async def lives_until_its_log_ends() -> None:
        async with AppenderAside(made) as aside, gateway(Tokens("a"), aside) as served, served.device() as socket:
            await socket.send(message(1))
            await hear_ack(socket, 1)
            loops[0].call_soon_threadsafe(loops[0].stop)
            assert await close_code(socket) == 4503

    with pytest.raises(RuntimeError, match="loop stopped") as raised:
        await lives_until_its_log_ends()
    assert isinstance(raised.value.__context__, ExceptionGroup)
    assert raised.value.__context__.split(BrokerAwayError)[1] is None


async def test_draining_acknowledges_then_says_4503() -> None:
    """A stopping gateway appends what it admitted, acknowledges it, and closes 4503."""
    log = MemoryLog()
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
    log = MemoryLog()
    async with gateway(Tokens("a"), log, drain_s=0.3) as served, served.device() as socket:
        log.open.clear()
        await socket.send(message(1))
        served.stop.set()
        assert await close_code(socket) == 4503
    assert log.rows == []


async def test_a_port_in_use_is_said_in_a_sentence() -> None:
    """A second gateway on the same port is refused with the variable to change."""
    async with gateway(Tokens("a"), MemoryLog()) as served:
        settings = GatewaySettings(port=served.port)
        second = Gateway(
            settings,
            directory=Tokens(),
            appender=MemoryLog(),
            video=MemoryLog(),
            clock=SystemClock(),
            meter=PrometheusMeter(),
        )
        with pytest.raises(SetupError, match="PULSERA_GATEWAY_PORT"):
            await second.run(asyncio.Event(), ready=lambda _: None)
