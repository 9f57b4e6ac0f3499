"""The API's protocol classes against clients that read nothing, over loopback and without services."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import pytest
import uvicorn
from uvicorn.server import ServerState

from api.live.frames import FRAMES, text_frames
from infra import http_protocol
from infra.fuzz.wire import handshake, status_of
from infra.http_protocol import PatientProtocol
from infra.live_sockets import LiveSocketProtocol
from tests.raw_sockets import closed

MORE_THAN_FITS = text_frames([b"x" * 1_000_000] * 16)
"""More than both ends' kernels hold, so that the rest waits in the transport."""


@asynccontextmanager
async def served(app: Any, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ServerState]:
    """Serve an ASGI application to one client that shakes hands and then reads nothing; give the server's state."""
    config = uvicorn.Config(
        app, ws_per_message_deflate=False, lifespan="off", log_config=None, ws_ping_interval=0.1, ws_ping_timeout=0.1
    )
    config.load()
    state = ServerState()

    def made() -> LiveSocketProtocol:
        protocol = LiveSocketProtocol(config, state, {})
        monkeypatch.setattr(protocol, "close_timeout", 0.2)
        return protocol

    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(handshake(f"{host}:{port}", "/live", "any", "token"))
    assert await status_of(reader) == 101
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    try:
        yield state
    finally:
        writer.transport.abort()
        await closed(writer)
        server.close()


async def _nobody_left(state: ServerState) -> None:
    async with asyncio.timeout(5):
        while state.connections or state.tasks:  # noqa: ASYNC110 - uvicorn's sets tell nobody
            await asyncio.sleep(0.02)


async def test_who_does_not_read_the_last_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """An application that has ended leaves no connection behind, though the client reads nothing."""

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", FRAMES: MORE_THAN_FITS})

    async with served(app, monkeypatch) as state:
        await _nobody_left(state)


async def test_who_answers_no_ping_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """An application hears that its client is gone when pings are not answered, though the client reads nothing."""
    heard = []

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "websocket.accept"})
        await send({"type": "websocket.send", FRAMES: MORE_THAN_FITS})
        heard.append((await receive())["type"])

    async with served(app, monkeypatch) as state:
        await _nobody_left(state)
    assert heard == ["websocket.disconnect"]


async def test_who_reads_no_answer_is_cut_off_and_who_reads_slowly_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer of which nothing is read ends its connection; one that is read in small pieces comes whole."""
    monkeypatch.setattr(http_protocol, "READ_WITHIN_S", 0.2)

    async def app(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": MORE_THAN_FITS})

    config = uvicorn.Config(app, lifespan="off", log_config=None)
    config.load()
    state = ServerState()
    made = partial(PatientProtocol, config, state, {})
    server = await asyncio.get_running_loop().create_server(made, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    request = b"GET / HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(request)
    read = 0
    while piece := await reader.read(1 << 19):
        read += len(piece)
        await asyncio.sleep(0.02)
    assert read > len(MORE_THAN_FITS)
    await closed(writer)
    _, deaf = await asyncio.open_connection(host, port)
    deaf.transport.pause_reading()  # type: ignore[attr-defined]
    deaf.write(request)
    async with asyncio.timeout(5):
        while not state.connections:  # noqa: ASYNC110 - uvicorn's sets tell nobody
            await asyncio.sleep(0.01)
    await _nobody_left(state)
    deaf.transport.abort()
    await closed(deaf)
    server.close()
