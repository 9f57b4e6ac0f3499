"""A carer's screen: follows all alerts over the live socket, is cut off now and then, comes back with its cursor."""

import asyncio
import json
import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

import websockets

CUT_OFF_EVERY_S: Final = 15.0
AGAIN_AFTER_S: Final = 0.5


class Carer:
    """What reached the screen: revisions of each alert."""

    topic = "alerts"

    def __init__(self, api: str, token: str, *, seed: int) -> None:
        self.revisions: defaultdict[str, set[int]] = defaultdict(set)
        self.connections = 0
        self.resets = 0
        self.repeats = 0
        self._url = api.replace("http", "ws", 1) + "/live"
        self._token = token
        self._cursor: Any = None
        self._random = random.Random(seed)  # noqa: S311 - repeatable, not secret

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._random.uniform(0.3, 1.7) * CUT_OFF_EVERY_S):
                    await self._connection()
            except (OSError, websockets.WebSocketException, TimeoutError):
                await asyncio.sleep(self._random.uniform(0, 2) * AGAIN_AFTER_S)

    async def _connection(self) -> None:
        socket = await websockets.connect(
            self._url,
            subprotocols=[websockets.Subprotocol("pulsera.live.v1+json")],
            additional_headers={"Authorization": f"Bearer {self._token}"},
            compression=None,
            max_size=None,
            open_timeout=10,
        )
        self.connections += 1
        try:
            since = {} if self._cursor is None else {"since": self._cursor}
            await socket.send(json.dumps({"type": "subscribe", "id": 1, "topic": self.topic, **since}))
            async for text in socket:
                self._take(json.loads(text))
        finally:
            socket.transport.abort()  # without a goodbye: what is under way is lost, as on a bad network

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "snapshot":
            self.resets += bool(message.get("reset"))
            self._snapshot(message["data"])
        elif message["type"] == "update":
            self._see(message["data"])
        if "cursor" in message:
            self._cursor = message["cursor"]

    def _snapshot(self, items: Sequence[dict[str, Any]]) -> None:
        for one in items:
            self._see(one)

    def _see(self, alert: dict[str, Any]) -> None:
        seen = self.revisions[alert["alert_id"]]
        self.repeats += alert["revision"] in seen
        seen.add(alert["revision"])
