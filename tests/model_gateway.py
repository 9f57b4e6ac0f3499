"""A gateway that keeps the device protocol's rules and nothing else, for tests of the device half."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from schemas.device_protocol import SUBPROTOCOL_JSON

TOKEN = "a-device's-token"  # noqa: S105 - known to tests alone


@dataclass(slots=True)
class ModelConnection:
    """One connection: checks the order of what comes, and answers it; a broken rule is an AssertionError."""

    gateway: "ModelGateway"
    greeted: bool = False
    expected: int | None = None

    def receive(self, data: str | bytes) -> list[str]:
        """Handle one message; what it carried is durable when this returns."""
        message = json.loads(data)
        if message["type"] == "hello":
            assert not self.greeted, "hello is said once a connection"
            self.greeted = True
            self.gateway.hellos.append(message)
            return [welcome()]
        assert self.greeted, "hello comes first"
        assert message["type"] == "readings"
        seq = message["seq"]
        assert self.expected is None or seq <= self.expected, f"gap: expected {self.expected}, got {seq}"
        self.expected = max(seq + 1, self.expected or 0)
        self.gateway.durable.extend(message["readings"])
        return [json.dumps({"type": "ack", "seq": self.expected - 1})]


@dataclass(slots=True)
class ModelGateway:
    """What has become durable, in order, over all connections."""

    durable: list[dict[str, Any]] = field(default_factory=list)
    hellos: list[dict[str, Any]] = field(default_factory=list)

    def connection(self) -> ModelConnection:
        """Return a new connection."""
        return ModelConnection(self)


@dataclass(slots=True)
class SocketGateway:
    """The model behind a real socket on a free port of this computer.

    Attributes:
        closes: Codes; each ends one connection, in order, after its first message of readings.
        handshakes: HTTP statuses that refuse the next handshakes, in order.
        says: Messages to add to the next answer.
        ends: Close codes of the connections that have ended.
    """

    model: ModelGateway = field(default_factory=ModelGateway)
    closes: list[int] = field(default_factory=list)
    handshakes: list[int] = field(default_factory=list)
    says: list[str] = field(default_factory=list)
    url: str = ""
    port: int = 0
    connected: asyncio.Event = field(default_factory=asyncio.Event)
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    ends: list[int | None] = field(default_factory=list)

    async def serve(self, socket: ServerConnection) -> None:
        """Serve one device."""
        assert socket.request is not None
        assert socket.request.headers["Authorization"] == f"Bearer {TOKEN}"
        connection = self.model.connection()
        self.connected.set()
        try:
            await self._converse(socket, connection)
        finally:
            await socket.wait_closed()
            self.ends.append(socket.close_code)
            self.ended.set()

    async def _converse(self, socket: ServerConnection, connection: ModelConnection) -> None:
        async for data in socket:
            answers = connection.receive(data)
            if connection.expected is not None and self.closes:
                await asyncio.gather(socket.close(self.closes.pop(0)), _discard(socket))
                return
            for answer in [*answers, *self.says]:
                await socket.send(answer)
            self.says.clear()


async def _discard(socket: ServerConnection) -> None:
    """Read on while closing: a close waits for the other side's answer, which lies behind unread messages."""
    try:
        async for _ in socket:
            pass
    except ConnectionClosed:
        return


def welcome() -> str:
    """Return a welcome."""
    return json.dumps(
        {
            "type": "welcome",
            "session": "5f2d8c1e-0000-4000-8000-000000000001",
            "wearer": "5f2d8c1e-0000-4000-8000-000000000002",
            "acked": 0,
            "limits": {"readings_per_message": 500},
            "server_time": 1_795_252_241_000,
        }
    )


@asynccontextmanager
async def socket_gateway(port: int = 0) -> AsyncIterator[SocketGateway]:
    """Lend a gateway that listens on a port, by default a free one, until the block ends."""
    gateway = SocketGateway()

    def refuse(socket: ServerConnection, _request: object) -> Any:
        return socket.respond(gateway.handshakes.pop(0), "refused\n") if gateway.handshakes else None

    async with serve(
        gateway.serve, "127.0.0.1", port, subprotocols=[Subprotocol(SUBPROTOCOL_JSON)], process_request=refuse
    ) as server:
        gateway.port = next(iter(server.sockets)).getsockname()[1]
        gateway.url = f"ws://127.0.0.1:{gateway.port}/devices/stream"
        yield gateway
