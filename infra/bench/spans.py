"""The bench's carer: follows live updates, and people whose heart races, to time what reaches a screen."""

import asyncio
import contextlib
import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import websockets

from infra.bench.wire import DeviceWire

RACING_BPM: Final = 205
BACKLOG_S: Final = 116
"""The clinical floor needs 120 s: the backlog brings most of them, so that a live reading decides."""


@dataclass(slots=True)
class LiveSpans:
    """What the carer saw: updates of readings, received -> on the socket, in ms; and how many of the alerts came."""

    live_ms: list[float] = field(default_factory=list)
    alerts_due: int = 0
    alerts: int = 0


async def follow_live(
    api: str, token: str, followed: Sequence[str], probes: Sequence[str], seconds: float
) -> LiveSpans:
    """Follow the newest readings of `followed` and all alerts for `seconds`."""
    spans = LiveSpans(alerts_due=len(probes))
    url = api.replace("http", "ws", 1) + "/live"
    async with websockets.connect(
        url,
        subprotocols=[websockets.Subprotocol("pulsera.live.v1+json")],
        additional_headers={"Authorization": f"Bearer {token}"},
        compression=None,
        max_size=None,
    ) as socket:
        await socket.send(json.dumps({"type": "subscribe", "id": 0, "topic": "alerts"}))
        for number, wearer in enumerate(followed, start=1):
            await socket.send(json.dumps({"type": "subscribe", "id": number, "topic": "readings", "wearer": wearer}))
        waiting = set(probes)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                async for text in socket:
                    _take(json.loads(text), spans, waiting)
    spans.alerts = len(probes) - len(waiting)
    return spans


def _take(message: dict[str, Any], spans: LiveSpans, waiting: set[str]) -> None:
    if message["type"] != "update":
        return
    now_ms = time.time() * 1000
    changes = message["data"] if isinstance(message["data"], list) else [message["data"]]
    for change in changes:
        if message["id"] > 0:
            spans.live_ms.append(now_ms - _ms(change["received"]))
        elif (wearer := change["subject"].get("wearer")) in waiting and change["type"] == "physiological":
            waiting.discard(wearer)


def _ms(text: str) -> float:
    return datetime.fromisoformat(text).timestamp() * 1000


async def race(host: str, port: int, tokens: Sequence[str], seconds: float) -> None:
    """Send a racing heart at rest for each token, the decisions spread over the run."""
    spread_s = max(1.0, min(seconds, 60.0) - 15.0) / max(1, len(tokens))
    await asyncio.gather(
        *(_one(host, port, token, BACKLOG_S - at * spread_s, seconds + 15) for at, token in enumerate(tokens))
    )


async def _one(host: str, port: int, token: str, backlog_s: float, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    _, wire = await loop.create_connection(lambda: DeviceWire(host, token, lambda _: None), host, port)
    await wire.opened
    hello = {"type": "hello", "boot": str(uuid.uuid4()), "model": "bench", "clock": int(time.time() * 1000)}
    wire.send(json.dumps({**hello, "origin": "simulated"}).encode())
    now_ms = int(time.time() * 1000)
    backlog = [_reading(now_ms - int(ago * 1000), int(ago)) for ago in range(int(backlog_s), 0, -1)]
    wire.send(json.dumps({"type": "readings", "seq": 1, "readings": backlog}).encode())
    for second in range(int(seconds)):
        reading = _reading(int(time.time() * 1000), second)
        wire.send(json.dumps({"type": "readings", "seq": 2 + second, "readings": [reading]}).encode())
        await asyncio.sleep(1)
    wire.close()


def _reading(at_ms: int, number: int) -> dict[str, Any]:
    moving = {"motion": 0.004 + number % 3 / 1000, "acceleration": 1.0, "steps": 0}
    return {
        "time": at_ms,
        "source": "watch",
        "worn": True,
        "quality": 0.9,
        "heart_rate": RACING_BPM + number % 7,
        **moving,
    }
