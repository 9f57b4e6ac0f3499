"""Raw WebSocket frames and handshakes, valid and spoiled, as no client library would send them (RFC 6455)."""

import asyncio
import base64
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

TEXT, BINARY, CLOSE, PING, PONG = 0x1, 0x2, 0x8, 0x9, 0xA
SYNC: Final = b"in turn?"

_SHORT: Final = 125
_MEDIUM: Final = 65_535
_QUIET_S: Final = 0.25
_PATIENCE_S: Final = 10.0


@dataclass(slots=True)
class Heard:
    """What a server said: texts, the code it closed with, and how the reading ended."""

    texts: list[bytes] = field(default_factory=list)
    code: int | None = None
    end: str = ""


def frame(opcode: int, payload: bytes, *, first_bits: int = 0x80, mask: bytes | None = b"\0\0\0\0") -> bytes:
    """Return one frame; `first_bits` are FIN and the reserved bits, a mask of None leaves it unmasked."""
    length, masked = len(payload), 0x80 if mask is not None else 0
    head = bytes((first_bits | opcode,))
    if length <= _SHORT:
        head += bytes((masked | length,))
    elif length <= _MEDIUM:
        head += bytes((masked | 126,)) + struct.pack("!H", length)
    else:
        head += bytes((masked | 127,)) + struct.pack("!Q", length)
    if mask is None:
        return head + payload
    whole = (mask * (length // 4 + 1))[:length]
    return head + mask + bytes(a ^ b for a, b in zip(payload, whole, strict=True))


class WireSpoiler:
    """Wraps a message into frames, most of them as they should be."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._ways: tuple[Callable[[bytes], bytes], ...] = (
            self._fragmented, self._fragmented, self._binary, self._empty, self._unmasked, self._reserved,
            self._strange, self._long_control, self._split_control, self._no_start, self._started_twice,
            self._huge, self._too_big, self._long_form, self._closing, self._pings, self._flipped, self._noise,
        )  # fmt: skip

    def frames(self, message: bytes) -> tuple[bytes, bool]:
        """Return the bytes to send for a message, and whether they end with a frame: what follows is then one too.

        Three of four are one masked text frame.
        """
        if self._random.random() < 0.75:
            return frame(TEXT, message, mask=self._random.randbytes(4)), True
        way = self._random.choice(self._ways)
        return way(message), way not in {self._huge, self._flipped, self._noise}

    def _fragmented(self, message: bytes) -> bytes:
        """Return a message in pieces, with a ping between them."""
        cuts = sorted(self._random.randrange(len(message) + 1) for _ in range(self._random.randint(1, 4)))
        pieces = [message[a:b] for a, b in zip([0, *cuts], [*cuts, len(message)], strict=True)]
        sent = frame(TEXT, pieces[0], first_bits=0) + frame(PING, b"between")
        for piece in pieces[1:-1]:
            sent += frame(0, piece, first_bits=0)
        return sent + frame(0, pieces[-1])

    def _binary(self, message: bytes) -> bytes:
        return frame(BINARY, message)

    def _empty(self, _: bytes) -> bytes:
        return frame(self._random.choice((TEXT, BINARY, PING, PONG)), b"")

    def _unmasked(self, message: bytes) -> bytes:
        return frame(TEXT, message, mask=None)

    def _reserved(self, message: bytes) -> bytes:
        return frame(TEXT, message, first_bits=0x80 | self._random.choice((0x10, 0x20, 0x40, 0x70)))

    def _strange(self, message: bytes) -> bytes:
        return frame(self._random.choice((0x3, 0x7, 0xB, 0xF)), message[:100])

    def _long_control(self, message: bytes) -> bytes:
        return frame(self._random.choice((PING, PONG, CLOSE)), message.ljust(_SHORT + 1, b" "))

    def _split_control(self, _: bytes) -> bytes:
        return frame(PING, b"half", first_bits=0)

    def _no_start(self, message: bytes) -> bytes:
        return frame(0, message)

    def _started_twice(self, message: bytes) -> bytes:
        return frame(TEXT, message[:5], first_bits=0) + frame(TEXT, message)

    def _huge(self, _: bytes) -> bytes:
        """Return the head of a frame that claims to be larger than anything."""
        length = self._random.choice((2**63, 2**63 - 1, 2**40, 2**32))
        return bytes((0x81, 0xFF)) + struct.pack("!Q", length) + b"\0\0\0\0" + b"x" * 100

    def _too_big(self, _: bytes) -> bytes:
        return frame(TEXT, b"[" * self._random.choice((65_537, 262_144, 300_000)))

    def _long_form(self, message: bytes) -> bytes:
        """Return a frame whose length takes eight bytes though it would fit one."""
        short = message[:100]
        return bytes((0x81, 0xFF)) + struct.pack("!Q", len(short)) + b"\0\0\0\0" + short

    def _closing(self, _: bytes) -> bytes:
        chosen = (b"", b"\x03", b"\x03\xe7", b"\x03\xe8\xff\xfe", b"\xff\xff", struct.pack("!H", 1005), b"\x03\xe8bye")
        return frame(CLOSE, self._random.choice(chosen))

    def _pings(self, _: bytes) -> bytes:
        return frame(PING, b"x" * 125) * 50

    def _flipped(self, message: bytes) -> bytes:
        spoiled = bytearray(frame(TEXT, message))
        spoiled[self._random.randrange(min(len(spoiled), 12))] ^= 1 << self._random.randrange(8)
        return bytes(spoiled)

    def _noise(self, _: bytes) -> bytes:
        return self._random.randbytes(self._random.randint(1, 200))


def texts_in(data: bytes) -> list[bytes]:
    """Return the texts of whole, unmasked text frames that follow one another.

    Raises:
        ValueError: They are something else.
    """
    texts, at = [], 0
    while at < len(data):
        length, start = data[at + 1], at + 2
        if length > _SHORT:
            size = 2 if length == 126 else 8
            length, start = int.from_bytes(data[start : start + size], "big"), start + size
        if data[at] != 0x80 | TEXT or start + length > len(data):
            raise ValueError("These are no whole text frames.")
        texts.append(data[start : start + length])
        at = start + length
    return texts


def handshake(host: str, path: str, protocol: str, token: str) -> bytes:
    """Return the request of a client that may come in."""
    key = base64.b64encode(b"0123456789abcdef").decode()
    return (
        f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: {protocol}\r\n"
        f"Authorization: Bearer {token}\r\n\r\n"
    ).encode()


async def status_of(reader: asyncio.StreamReader) -> int | None:
    """Return the status of an answer to a handshake, None where there came none before the end or a quiet while."""
    try:
        async with asyncio.timeout(_QUIET_S * 4):
            head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, ConnectionError):
        return None
    parts = head.split(b" ", 2)
    return int(parts[1]) if len(parts) > 1 and parts[1].isdigit() else None


async def listen(reader: asyncio.StreamReader, *, whole: bool) -> Heard:
    """Read until the pong that answers `SYNC`, the close, or the end; for half a frame, until it is quiet."""
    heard = Heard()
    try:
        async with asyncio.timeout(_PATIENCE_S if whole else _QUIET_S):
            while not heard.end:
                await _one(reader, heard)
    except (asyncio.IncompleteReadError, ConnectionError):
        heard.end = "end"
    except TimeoutError:
        heard.end = "silence" if whole else "quiet"
    return heard


async def _one(reader: asyncio.StreamReader, heard: Heard) -> None:
    first, length = await reader.readexactly(2)
    length &= 0x7F
    if length == 126:
        (length,) = struct.unpack("!H", await reader.readexactly(2))
    elif length == 127:
        (length,) = struct.unpack("!Q", await reader.readexactly(8))
    payload = await reader.readexactly(length)
    opcode = first & 0x0F
    if opcode == TEXT:
        heard.texts.append(payload)
    elif opcode == CLOSE:
        heard.code = int.from_bytes(payload[:2], "big") if payload else 1005
        heard.end = "close"
    elif opcode == PONG and payload == SYNC:
        heard.end = "pong"
