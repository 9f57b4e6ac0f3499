"""The carers of `pulsera bench live`, in a process of their own: many live sockets, every update counted.

Run as `python -m infra.bench.viewers PLAN RESULT`: PLAN is JSON {host, port, viewers: [{token, wearers}]}; a viewer
without wearers subscribes once, to everybody that its user may see. Says `connected` when every snapshot has come,
begins to count at a line on its input, and ends at the next.
"""

import asyncio
import base64
import json
import os
import sys
import time
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import uvloop

from infra.bench.wire import masked

_SAMPLE: Final = 16
"""The delay of one update in so many is read from its text."""
_UPDATE: Final = b'{"type":"update"'
_SNAPSHOT: Final = b'{"type":"snapshot"'
_RECEIVED: Final = b'"received":"'
_STAMP_LENGTH: Final = len("2026-11-21T08:00:00.123Z")
_TEXT: Final = 0x1
_CLOSE: Final = 0x8
_PING: Final = 0x9
_PONG: Final = 0xA
_TWO_BYTES: Final = 126
_EIGHT_BYTES: Final = 127


class Viewer(asyncio.Protocol):
    """One live socket; texts are counted, not understood, so that a hundred of them cost little."""

    def __init__(self, plan: dict[str, Any], viewer: dict[str, Any]) -> None:
        self._plan = plan
        self._viewer = viewer
        self._buffer = bytearray()
        self._upgraded = False
        self._transport: Any = None
        self._awaited = max(1, len(viewer["wearers"]))
        self.told = asyncio.Event()
        self.problem = ""
        self.updates = 0
        self.bytes = 0
        self.delays_ms: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade (RFC 6455, 4.1)."""
        self._transport = transport
        key = base64.b64encode(os.urandom(16)).decode()
        self._transport.write(
            f"GET /live HTTP/1.1\r\nHost: {self._plan['host']}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Protocol: pulsera.live.v1+json\r\n"
            f"Authorization: Bearer {self._viewer['token']}\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember that the socket ended before its time."""
        self._fail(f"the socket ended: {exc}")

    def data_received(self, data: bytes) -> None:
        """Count whole messages."""
        self._buffer += data
        if not self._upgraded and not self._upgrade():
            return
        at = 0
        while (end := self._frame(at)) > 0:
            at = end
        del self._buffer[:at]

    def begin(self) -> None:
        """Count from here."""
        self.updates = self.bytes = 0
        self.delays_ms.clear()

    def _upgrade(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        if b" 101 " not in self._buffer[: self._buffer.find(b"\r\n")]:
            self._fail(bytes(self._buffer[:end]).decode(errors="replace"))
            return False
        del self._buffer[: end + 4]
        self._upgraded = True
        for number, wearer in enumerate(self._viewer["wearers"] or [None]):
            wanted = {"type": "subscribe", "id": number, "topic": "readings"}
            filters = {} if wearer is None else {"wearer": wearer}
            self._transport.write(masked(_TEXT, json.dumps({**wanted, **filters}).encode()))
        return True

    def _frame(self, at: int) -> int:
        """Take the frame at a place; return where the next begins, 0 where it is not whole yet."""
        buffer = self._buffer
        if len(buffer) < at + 2:
            return 0
        length, start = buffer[at + 1] & 0x7F, at + 2
        size = {_TWO_BYTES: 2, _EIGHT_BYTES: 8}.get(length, 0)
        if size:
            length, start = int.from_bytes(buffer[start : start + size], "big"), start + size
        end = start + length
        if len(buffer) < end:
            return 0
        opcode = buffer[at] & 0x0F
        if opcode == _TEXT:
            self._text(start, end)
        elif opcode == _PING:
            self._transport.write(masked(_PONG, bytes(buffer[start:end])))
        elif opcode == _CLOSE:
            self._fail(f"closed: {bytes(buffer[start:end])!r}")
        return end

    def _text(self, start: int, end: int) -> None:
        if self._buffer.startswith(_UPDATE, start):
            self.updates += 1
            self.bytes += end - start
            if self.updates % _SAMPLE == 0:
                at = self._buffer.find(_RECEIVED, start) + len(_RECEIVED)
                received = datetime.fromisoformat(self._buffer[at : at + _STAMP_LENGTH].decode())
                self.delays_ms.append((time.time() - received.timestamp()) * 1000)
        elif self._buffer.startswith(_SNAPSHOT, start):
            self._awaited -= 1
            if self._awaited == 0:
                self.told.set()
        else:
            self._fail(bytes(self._buffer[start:end]).decode(errors="replace"))

    def _fail(self, why: str) -> None:
        self.problem = self.problem or why
        self.told.set()


async def run(plan: dict[str, Any]) -> dict[str, Any]:
    """Connect everybody, count between two lines on the input, and return the figures."""
    loop = asyncio.get_running_loop()
    began = time.monotonic()
    viewers = []
    for viewer in plan["viewers"]:
        _, made = await loop.create_connection(partial(Viewer, plan, viewer), plan["host"], plan["port"])
        viewers.append(made)
    await asyncio.gather(*(one.told.wait() for one in viewers))
    told_s = time.monotonic() - began
    sys.stdout.write("connected\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    for one in viewers:
        one.begin()
    began = time.monotonic()
    await asyncio.to_thread(sys.stdin.readline)
    lasted_s = time.monotonic() - began
    delays = np.array([delay for one in viewers for delay in one.delays_ms])
    p50, p99 = np.percentile(delays, [50, 99]) if len(delays) else (None, None)
    return {
        "told_s": told_s,
        "seconds": lasted_s,
        "updates": sum(one.updates for one in viewers),
        "bytes": sum(one.bytes for one in viewers),
        "live_ms": {"p50": p50, "p99": p99, "max": delays.max() if len(delays) else None, "count": len(delays)},
        "problems": [one.problem for one in viewers if one.problem][:5],
    }


def main() -> None:
    """Run the plan named on the command line."""
    plan = json.loads(Path(sys.argv[1]).read_text())
    Path(sys.argv[2]).write_text(json.dumps(uvloop.run(run(plan))))


if __name__ == "__main__":
    main()
