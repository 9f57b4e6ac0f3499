"""A small WebSocket client of the bench's own: it shares no code with the gateway or with `ingest.client`.

Messages are masked with a zero key (RFC 6455, 5.3 asks for an unpredictable key to protect proxies; on loopback there
are none), so that the payload need not be copied byte by byte and the load costs little beside what it measures.
"""

import asyncio
import base64
import os
import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Final, cast

_TEXT: Final = 0x1
_CLOSE: Final = 0x8
_PING: Final = 0x9
_PONG: Final = 0xA
_SHORT: Final = 125
_WHOLE_TEXT: Final = 0x80 | _TEXT
_MEDIUM: Final = 65_535


def masked(opcode: int, payload: bytes) -> bytes:
    """Return one final client frame, masked with four zero bytes (RFC 6455, 5.2)."""
    return _head(opcode, len(payload)) + payload


@lru_cache(maxsize=4_096)
def _head(opcode: int, length: int) -> bytes:
    first = 0x80 | opcode
    if length <= _SHORT:
        return struct.pack("!BBI", first, 0x80 | length, 0)
    if length <= _MEDIUM:
        return struct.pack("!BBHI", first, 0xFE, length, 0)
    return struct.pack("!BBQI", first, 0xFF, length, 0)


class DeviceWire(asyncio.Protocol):
    """One connection to the device socket: text out, text in, pings answered."""

    def __init__(self, host: str, token: str, on_text: Callable[[bytes], None]) -> None:
        self._host = host
        self._token = token
        self._on_text = on_text
        self._buffer = bytearray()
        self._upgraded = False
        self._transport: asyncio.Transport | None = None
        loop = asyncio.get_running_loop()
        self.opened: asyncio.Future[None] = loop.create_future()
        self.closed: asyncio.Future[str] = loop.create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade (RFC 6455, 4.1)."""
        # uvloop's transports do what asyncio's do without being of its class.
        self._transport = transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /devices/stream HTTP/1.1\r\nHost: {self._host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: pulsera.device.v1+json\r\nAuthorization: Bearer {self._token}\r\n\r\n".encode()
        )

    def send(self, payload: bytes) -> None:
        """Send one text message."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(masked(_TEXT, payload))

    def close(self) -> None:
        """Say goodbye and close."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(masked(_CLOSE, struct.pack("!H", 1000)))
            self._transport.close()

    def abort(self) -> None:
        """Cut the connection without a goodbye."""
        if self._transport is not None:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Take bytes in, hand whole messages out."""
        if (
            self._upgraded
            and not self._buffer
            and len(data) > 1
            and data[0] == _WHOLE_TEXT
            and data[1] == len(data) - 2
        ):
            self._on_text(data[2:])  # nearly always: one short ack
            return
        self._buffer += data
        if not self._upgraded and not self._take_upgrade():
            return
        while self._take_frame():
            pass

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember why the connection ended."""
        reason = type(exc).__name__ if exc else "closed"
        if not self.opened.done():
            self.opened.set_exception(ConnectionError(f"The gateway refused the connection: {reason}."))
        if not self.closed.done():
            self.closed.set_result(reason)

    def _take_upgrade(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        status = bytes(self._buffer[: self._buffer.find(b"\r\n")])
        del self._buffer[: end + 4]
        if b" 101 " not in status:
            self.opened.set_exception(ConnectionError(status.decode(errors="replace")))
            return False
        self._upgraded = True
        self.opened.set_result(None)
        return True

    def _take_frame(self) -> bool:
        buffer = self._buffer
        if len(buffer) < 2:  # noqa: PLR2004 - the shortest head of a frame
            return False
        length, start = buffer[1] & 0x7F, 2
        if length > _SHORT:
            size = 2 if length == _SHORT + 1 else 8
            if len(buffer) < 2 + size:
                return False
            length, start = int.from_bytes(buffer[2 : 2 + size], "big"), 2 + size
        if len(buffer) < start + length:
            return False
        opcode, payload = buffer[0] & 0x0F, bytes(buffer[start : start + length])
        del buffer[: start + length]
        if opcode == _TEXT:
            self._on_text(payload)
        elif opcode == _PING and self._transport is not None:
            self._transport.write(masked(_PONG, payload))
        elif opcode == _CLOSE and not self.closed.done():
            self.closed.set_result(f"{int.from_bytes(payload[:2], 'big')} {payload[2:].decode(errors='replace')}")
        return True
