"""WebSocket frames without a socket (RFC 6455): bytes in, messages out, on the server's side of a device socket.

What a device may cost is bounded here: a frame that is too long is refused by its header, before its payload is kept.
"""

from typing import Final

from websockets.speedups import apply_mask

from schemas.device_protocol import CLOSE_TOO_BIG

TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA
PART: Final = 0x0
"""An event that is no message yet: a part of a fragmented one was taken."""

CLOSE_NORMAL: Final = 1000
CLOSE_PROTOCOL: Final = 1002
CLOSE_NO_CODE: Final = 1005
CLOSE_NOT_UTF8: Final = 1007

_SHORT_HEAD: Final = 6
_MEDIUM_HEAD: Final = 8
_FINAL: Final = 0x80
_RESERVED: Final = 0x70
_MASKED: Final = 0x80
_SHORT: Final = 125
_MEDIUM: Final = 126
_LONG: Final = 127
_WHOLE_TEXT: Final = _FINAL | TEXT
_MASKED_MEDIUM: Final = _MASKED | _MEDIUM
_OPCODES: Final = frozenset((PART, TEXT, BINARY, CLOSE, PING, PONG))
_CODES_KNOWN: Final = frozenset((1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014))
_CODES_FREE: Final = range(3000, 5000)
_REASON_MOST: Final = 123

Event = tuple[int, bytes]


class WireFaultError(Exception):
    """What came breaks the rules of WebSocket: close with this code and reason, and read no more."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


class FrameReader:
    """Cuts what was received into messages and control frames; pulled, so that what is not pulled stays bytes.

    Keeps at most what was fed and not pulled yet, one unfinished frame, and the parts of one message.
    """

    __slots__ = ("_at", "_binary_most", "_data", "_most", "_parts", "_parts_opcode")

    def __init__(self, most: int, binary_most: int | None = None) -> None:
        """Read messages of at most `most` bytes; binary ones may have `binary_most`, where it is given."""
        self._most = most
        self._binary_most = most if binary_most is None else binary_most
        self._data: bytes | bytearray = b""
        self._at = 0
        self._parts: bytearray | None = None
        self._parts_opcode = PART

    def whole_text(self, data: bytes) -> bytes | None:
        """Return the message that was received where it is one whole short text, as nearly always; None: feed and pull.

        Raises:
            WireFaultError: The text is not UTF-8.
        """
        if data[0] != _WHOLE_TEXT or self._parts is not None or self._at != len(self._data):
            return None
        size = len(data)
        coded = data[1] if size > 1 else 0
        if coded == _MASKED_MEDIUM and size > _MEDIUM_HEAD:
            start, length = _MEDIUM_HEAD, (data[2] << 8) | data[3]
        else:
            start, length = _SHORT_HEAD, coded - _MASKED
            if not 0 <= length <= _SHORT:
                return None
        if size != start + length or length > self._most:
            return None
        text = apply_mask(data[start:], data[start - 4 : start])
        return text if text.isascii() else _checked_text(text)

    def feed(self, data: bytes) -> None:
        """Take bytes as they were received."""
        if self._at == len(self._data):
            self._data = data
        elif isinstance(self._data, bytearray):
            del self._data[: self._at]
            self._data += data
        else:
            self._data = bytearray(memoryview(self._data)[self._at :])
            self._data += data
        self._at = 0

    def pull(self) -> Event | None:
        """Return the next whole message or control frame as opcode and payload, None until more is fed.

        Raises:
            WireFaultError: A rule is broken; nothing can be pulled any more.
        """
        data, at = self._data, self._at
        held = len(data) - at
        if held < 2:  # noqa: PLR2004 - the shortest head of a frame
            if held == 0:
                self._data, self._at = b"", 0
            return None
        first, second = data[at], data[at + 1]
        if first != _WHOLE_TEXT or second < _MASKED or self._parts is not None:
            self._check(first, second)
        length, start = second & 0x7F, at + 6
        if length > _SHORT:
            start = at + (8 if length == _MEDIUM else 14)
            if at + held < start - 4:
                return None
            length = int.from_bytes(data[at + 2 : start - 4], "big")
        parts = 0 if self._parts is None or first & 0x08 else len(self._parts)
        if length + parts > self._most:
            self._check_size(first, length + parts)
        end = start + length
        if at + held < end:
            return None
        payload = apply_mask(data[start:end], data[start - 4 : start])
        self._at = end
        if first == _WHOLE_TEXT:
            return TEXT, _checked_text(payload)
        return self._other(first, payload)

    def _check(self, first: int, second: int) -> None:
        """Raise for a head that no frame of a client may have here."""
        opcode = first & 0x0F
        if first & _RESERVED:
            reason = "reserved bits are set: no extension was agreed on"
        elif opcode not in _OPCODES:
            reason = f"there is no opcode {opcode}"
        elif second < _MASKED:
            reason = "a client masks its frames"
        elif opcode >= CLOSE and (second & 0x7F > _SHORT or not first & _FINAL):
            reason = "a control frame is whole and short"
        elif opcode == PART and self._parts is None:
            reason = "nothing is to be continued"
        elif opcode in (TEXT, BINARY) and self._parts is not None:
            reason = "a message is not finished yet"
        else:
            return
        raise WireFaultError(CLOSE_PROTOCOL, reason)

    def _check_size(self, first: int, size: int) -> None:
        """Raise for a message that would become too big for its kind."""
        opcode = self._parts_opcode if first & 0x0F == PART else first & 0x0F
        most = self._binary_most if opcode == BINARY else self._most
        if size > most:
            raise WireFaultError(CLOSE_TOO_BIG, f"a message holds at most {most} bytes")

    def _other(self, first: int, payload: bytes) -> Event:
        """Return what any frame but a whole text message stands for."""
        opcode = first & 0x0F
        if opcode >= CLOSE or first == _FINAL | BINARY:
            return opcode, payload
        if self._parts is None:
            self._parts, self._parts_opcode = bytearray(), opcode
        self._parts += payload
        if not first & _FINAL:
            return PART, b""
        whole = bytes(self._parts)
        self._parts = None
        return self._parts_opcode, _checked_text(whole) if self._parts_opcode == TEXT else whole


def _checked_text(payload: bytes) -> bytes:
    if not payload.isascii():
        try:
            str(payload, "utf-8")
        except UnicodeDecodeError as error:
            raise WireFaultError(CLOSE_NOT_UTF8, "text is UTF-8") from error
    return payload


def close_code(payload: bytes) -> int:
    """Return the code of a close frame, `CLOSE_NO_CODE` where it names none.

    Raises:
        WireFaultError: The payload is not one of a close frame.
    """
    if not payload:
        return CLOSE_NO_CODE
    _checked_text(payload[2:])
    code = int.from_bytes(payload[:2], "big")
    if len(payload) == 1 or (code not in _CODES_KNOWN and code not in _CODES_FREE):
        raise WireFaultError(CLOSE_PROTOCOL, "no such close code")
    return code


def frame(opcode: int, payload: bytes) -> bytes:
    """Return one whole frame of a server, unmasked."""
    length = len(payload)
    if length <= _SHORT:
        return bytes((_FINAL | opcode, length)) + payload
    if length < 1 << 16:
        return bytes((_FINAL | opcode, _MEDIUM)) + length.to_bytes(2, "big") + payload
    return bytes((_FINAL | opcode, _LONG)) + length.to_bytes(8, "big") + payload


def close_frame(code: int, reason: str) -> bytes:
    """Return a close frame; the reason is cut to what fits, `CLOSE_NO_CODE` makes an empty one."""
    if code == CLOSE_NO_CODE:
        return frame(CLOSE, b"")
    said = reason.encode("utf-8", "replace")[:_REASON_MOST].decode("utf-8", "ignore").encode()
    return frame(CLOSE, code.to_bytes(2, "big") + said)
