"""The live socket in this process, over ports in memory: how much a client may ask, and one that reads nothing."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.websockets import WebSocket

from api.callers import Ports
from api.live import socket as live_socket
from api.live.socket import EACH_REQUEST_S, REQUESTS_AT_ONCE, serve_live
from infra.fuzz.live_world import live_ports
from schemas.live_protocol import SUBPROTOCOL

Event = dict[str, Any]


def scope(ports: Ports) -> Event:
    """Return the scope of a client that may come in."""
    return {
        "type": "websocket",
        "path": "/live",
        "headers": [(b"host", b"here"), (b"authorization", b"Bearer token")],
        "subprotocols": [SUBPROTOCOL],
        "app": SimpleNamespace(state=SimpleNamespace(ports=ports)),
        "extensions": {"websocket.http.response": {}},
    }


async def test_many_requests_at_once_are_taken_more_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many requests are taken as they come; before each further one the socket is not read for a while."""
    slept: list[float] = []
    monkeypatch.setattr(live_socket, "_loop_s", lambda: sum(slept))

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(0)

    asked = [{"type": "websocket.receive", "text": '{"type":"unsubscribe","id":1}'}] * (REQUESTS_AT_ONCE + 3)
    events: Iterator[Event] = iter([{"type": "websocket.connect"}, *asked])
    before_further: list[int] = []

    async def receive() -> Event:
        await asyncio.sleep(0)
        before_further.append(len(slept))
        return next(events, {"type": "websocket.disconnect", "code": 1005})

    async def send(_: Any) -> None:
        await asyncio.sleep(0)

    async with asyncio.timeout(20):
        await serve_live(WebSocket(scope(replace(live_ports(), sleep=sleep)), receive, send))
    assert before_further[REQUESTS_AT_ONCE] == 0
    assert slept == pytest.approx([EACH_REQUEST_S] * 3)


async def test_a_close_that_nobody_reads_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client whose token is revoked and who reads nothing is forgotten all the same."""
    monkeypatch.setattr(live_socket, "_SEND_PATIENCE_S", 0.05)
    ports = live_ports()

    async def receive() -> Event:
        if not ports.hub.clients or not accepted.is_set():
            return {"type": "websocket.connect"}
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    accepted = asyncio.Event()

    async def send(message: Any) -> None:
        if message["type"] == "websocket.accept":
            accepted.set()
            ports.hub.drain()
        else:
            await asyncio.get_running_loop().create_future()

    async with asyncio.timeout(5):
        await serve_live(WebSocket(scope(ports), receive, send))
    assert not ports.hub.clients
