"""Spoiled requests against the live socket in this process: handshake, decoder, hub and attach, without a network."""

import asyncio
from random import Random
from types import SimpleNamespace
from typing import Any, Final

import msgspec
from starlette.websockets import WebSocket

from api.live.frames import FRAMES
from api.live.socket import serve_live
from infra.fuzz.documented import LIVE_CLOSES, live_fault
from infra.fuzz.figures import Figures, Memory
from infra.fuzz.live_world import WEARERS, live_ports
from infra.fuzz.spoil import Spoiler
from infra.fuzz.valid import live_message
from infra.fuzz.wire import texts_in
from schemas.live_protocol import SUBPROTOCOL

_MESSAGES_A_SOCKET: Final = 40
_TURNS: Final = 4
_PATIENCE_S: Final = 20.0
_KNOWN_CURSORS: Final = 16

_Event = dict[str, Any]


class LiveFuzz:
    """One run: sockets that come, ask, and go."""

    def __init__(self, seed: int) -> None:
        self.figures = Figures(target="live", seed=seed)
        self._random = Random(seed)
        self._spoiler = Spoiler(seed)
        self._ports = live_ports()
        self._cursors: list[str] = []

    async def run(self, frames: int) -> Figures:
        """Feed so many requests, and return what came of them."""
        memory = Memory(self.figures)
        tasks, halved = len(asyncio.all_tasks()), False
        while self.figures.frames < frames:
            if not halved and self.figures.frames >= frames // 2:
                halved = True
                memory.half()
            await self._socket(min(_MESSAGES_A_SOCKET, frames - self.figures.frames))
        self._cursors.clear()
        memory.end()
        hub = self._ports.hub
        if len(asyncio.all_tasks()) != tasks or hub.clients:
            self.figures.fault("tasks or clients were left behind")
        return self.figures

    async def _socket(self, messages: int) -> None:
        """Open one socket, ask, and go away without a word or with a close."""
        data = [self._message() for _ in range(self._random.randint(1, messages))]
        ahead = iter([{"type": "websocket.connect"}, *map(_event, data)])

        async def asked() -> _Event:
            for _ in range(_TURNS):  # what was asked before is answered, or is under way
                await asyncio.sleep(0)
            event = next(ahead, {"type": "websocket.disconnect", "code": 1005})
            self.figures.frames += event["type"] == "websocket.receive"
            return event

        async def heard(message: Any) -> None:
            self._look(message, data)

        socket = WebSocket(self._scope(), asked, heard)
        try:
            async with asyncio.timeout(_PATIENCE_S):
                await serve_live(socket)
        except Exception as error:  # noqa: BLE001 - that none escapes is what is tested
            self.figures.fault(f"{type(error).__name__} escaped: {error}", b"\n".join(data))

    def _scope(self) -> dict[str, Any]:
        offered = [SUBPROTOCOL] if self._random.random() < 0.98 else [self._random.choice(("x", "pulsera.token.a"))]
        return {
            "type": "websocket",
            "path": "/live",
            "headers": [(b"host", b"here"), (b"authorization", b"Bearer token")],
            "subprotocols": offered,
            "app": SimpleNamespace(state=SimpleNamespace(ports=self._ports)),
            "extensions": {"websocket.http.response": {}},
        }

    def _message(self) -> bytes:
        made = live_message(self._random, WEARERS, self._cursors)
        return msgspec.json.encode(made) if self._random.random() < 0.4 else self._spoiler.json(made)

    def _look(self, message: Any, data: list[bytes]) -> None:
        kind = message["type"]
        if kind == "websocket.close":
            self.figures.answers[f"close {message['code']}"] += 1
            if message["code"] not in LIVE_CLOSES:
                self.figures.fault(f"an undocumented close {message}", b"\n".join(data))
        elif kind == "websocket.http.response.start":
            self.figures.answers[f"HTTP {message['status']}"] += 1
        elif kind == "websocket.send":
            for text in texts_in(message[FRAMES]) if FRAMES in message else [message["text"]]:
                self._answer(msgspec.json.decode(text), data)

    def _answer(self, told: Any, data: list[bytes]) -> None:
        self.figures.answers[f"{told['type']} {told.get('code', '')}".strip()] += 1
        fault = live_fault(told)
        if fault is not None:
            self.figures.fault(fault, b"\n".join(data))
        if "cursor" in told:
            self._cursors = [told["cursor"], *self._cursors[: _KNOWN_CURSORS - 1]]


def _event(data: bytes) -> _Event:
    """Return a message as the server hands it on: text where it is UTF-8, else binary."""
    try:
        return {"type": "websocket.receive", "text": data.decode()}
    except UnicodeDecodeError:
        return {"type": "websocket.receive", "bytes": data}
