"""One TCP connection at the device port: the handshake, then WebSocket frames, then a farewell. It knows no session."""

import asyncio
from typing import Final, Protocol, cast

from ingest import wire
from ingest.wire import FrameReader, WireFaultError

HEAD_MOST: Final = 16_384
"""A handshake's request line and headers together hold no more bytes."""
HANDSHAKE_S: Final = 10.0
"""A connection that has not asked for something by then is dropped."""
FAREWELL_S: Final = 3.0
"""How long a peer may take to answer a close frame."""

RATE: Final = 1
ROOM: Final = 2
WRITE: Final = 4
TURN: Final = 8
HALT: Final = 16
"""Reasons not to read a socket: its device's rate, a full gateway, unread answers, the others' turn, a stop."""

_TURN_MESSAGES: Final = 64
"""Messages of one device that are handled before the others get their turn."""
_WRITE_HIGH: Final = 65_536
_UNREAD_MOST: Final = 1_048_576
"""A device that leaves so many bytes of answers unread is cut off."""
_SILENT_MOST: Final = 4
"""Pings after which a device of which nothing at all was heard is given up."""
_PING: Final = wire.frame(wire.PING, b"")

_HEAD, _DECIDING, _OPEN, _CLOSING, _GONE = range(5)


class Handler(Protocol):
    """Whoever handles what an open socket says."""

    def text(self, data: bytes) -> None:
        """Handle a text message, which is UTF-8."""
        ...

    def binary(self, data: bytes) -> None:
        """Handle a binary message."""
        ...

    def beside(self) -> None:
        """Take note of a frame that is no whole message."""
        ...

    def lost(self) -> None:
        """Take note that the connection is no more."""
        ...


class Host(Protocol):
    """Whoever listens at the port."""

    def arrived(self, socket: "DeviceSocket") -> bytes | None:
        """Take note of a new connection; return what it is turned away with, None to hear it."""
        ...

    def asked(self, socket: "DeviceSocket", head: bytes) -> None:
        """Answer a request with `answer`, now or later."""
        ...

    def gone(self, socket: "DeviceSocket") -> None:
        """Take note that a connection is no more."""
        ...


class DeviceSocket(asyncio.Protocol):
    """Reads only while nobody holds it; hands on messages as they are read, without a task or a queue.

    What was received but may not be handled yet stays bytes, at most one read of the loop and one message.
    """

    __slots__ = (
        "_binary_most",
        "_handler",
        "_head",
        "_holds",
        "_host",
        "_most",
        "_reader",
        "_silent",
        "_state",
        "_timer",
        "_transport",
        "ring",
    )

    def __init__(self, host: Host, *, message_most: int, binary_most: int | None = None) -> None:
        self.ring = 0
        self._host = host
        self._most = message_most
        self._binary_most = binary_most
        self._state = _HEAD
        self._head = b""
        self._holds = 0
        self._silent = 0
        self._handler: Handler | None = None
        self._reader: FrameReader | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for a request, for a while."""
        # uvloop's transports do what asyncio's do without being of its class.
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=_WRITE_HIGH)
        turned_away = self._host.arrived(self)
        if turned_away is None:
            self._timer = asyncio.get_running_loop().call_later(HANDSHAKE_S, self._abort)
        else:
            self.answer(turned_away)

    def data_received(self, data: bytes) -> None:
        """Take bytes in."""
        self._silent = 0
        reader, handler = self._reader, self._handler
        if self._state == _OPEN and reader is not None and handler is not None:
            if not self._holds:
                try:
                    text = reader.whole_text(data)
                except WireFaultError as fault:
                    self._fail(fault.code, fault.reason)
                    return
                if text is not None:
                    handler.text(text)
                    return
            reader.feed(data)
            if not self._holds:
                self._pull()
        elif self._state in (_HEAD, _DECIDING):
            self._ask(data)
        elif self._state == _CLOSING and self._reader is not None:
            self._reader.feed(data)
            self._pull_farewell()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the same, whatever ended it
        """Tell everybody who should know, and let go of them: in a cycle they would wait for the collector."""
        self._state = _GONE
        self._set_timer(None)
        self._host.gone(self)
        handler, self._handler, self._reader, self._transport = self._handler, None, None, None
        if handler is not None:
            handler.lost()

    def pause_writing(self) -> None:
        """Hear nothing more from a device that does not read its answers."""
        self.hold(WRITE)

    def resume_writing(self) -> None:
        """Hear it again."""
        self.release(WRITE)

    def answer(self, response: bytes, handler: Handler | None = None) -> bool:
        """Answer what was asked: with a handler the socket is open then, without one it is closed.

        Returns False if the peer has gone meanwhile.
        """
        if self._state not in (_HEAD, _DECIDING) or self._transport is None or self._transport.is_closing():
            return False
        if handler is None:
            self._end(response)
            return True
        self._set_timer(None)
        self._state = _OPEN
        self._handler = handler
        self._reader = FrameReader(self._most, self._binary_most)
        self._transport.write(response)
        early, self._head = self._head, b""
        self._reader.feed(early)
        self._pull()
        self._read_on()
        return True

    def send(self, frames: bytes, *, spare: bool = False) -> bool:
        """Write frames and return whether they were; whoever leaves too many of them unread is cut off.

        What can be spared is not written to somebody who leaves answers unread.
        """
        if self._state != _OPEN or self._transport is None or (spare and self._holds & WRITE):
            return False
        self._transport.write(frames)
        if self._holds & WRITE and self._transport.get_write_buffer_size() > _UNREAD_MOST:
            self._abort()
        return True

    def ping(self) -> None:
        """Ping an open socket; give it up if nothing was heard for long while it was read."""
        if self._state != _OPEN:
            return
        if self._holds & ~WRITE == 0:
            self._silent += 1
        if self._silent > _SILENT_MOST:
            self._abort()
        else:
            self.send(_PING)

    def hold(self, reason: int) -> None:
        """Stop reading until `reason` is released."""
        if self._state == _OPEN and self._transport is not None:
            if not self._holds:
                self._transport.pause_reading()
            self._holds |= reason

    def release(self, reason: int) -> None:
        """Go on reading if no other reason is left, first with what was received before."""
        if self._state != _OPEN or not self._holds & reason:
            return
        self._holds &= ~reason
        if self._holds == 0:
            self._pull()
            self._read_on()

    def shut(self, code: int, reason: str) -> None:
        """Say goodbye, and close when the peer has answered; one that is not open yet is dropped."""
        if self._state == _OPEN:
            self._say_close(code, reason)
            asyncio.get_running_loop().call_soon(self._pull_farewell)
        elif self._state != _CLOSING:
            self._abort()

    def _fail(self, code: int, reason: str) -> None:
        """Say goodbye to a peer that cannot be understood: whatever it still sends is thrown away."""
        if self._state == _OPEN and self._transport is not None:
            self._say_close(code, reason)
            self._reader = None
            if self._transport.can_write_eof():
                self._transport.write_eof()

    def _abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None and self._state != _GONE:
            self._transport.abort()

    def _ask(self, data: bytes) -> None:
        self._head += data
        head, end, rest = self._head.partition(b"\r\n\r\n")
        if self._state == _DECIDING or (not end and len(head) <= HEAD_MOST):
            return
        self._state = _DECIDING
        self._head = rest
        if self._transport is not None:
            self._transport.pause_reading()
        self._host.asked(self, head + end)

    def _pull(self) -> None:
        """Hand on what was received, until the socket is held or the others have their turn."""
        reader, handler = self._reader, self._handler
        if reader is None or handler is None:
            return
        for _ in range(_TURN_MESSAGES):
            try:
                event = reader.pull()
                if event is None:
                    return
                opcode, payload = event
                if opcode == wire.TEXT:
                    handler.text(payload)
                elif opcode == wire.BINARY:
                    handler.binary(payload)
                else:
                    self._control(opcode, payload, handler)
            except WireFaultError as fault:
                self._fail(fault.code, fault.reason)
            if self._holds or self._state != _OPEN:
                return
        self.hold(TURN)
        asyncio.get_running_loop().call_soon(self.release, TURN)

    def _control(self, opcode: int, payload: bytes, handler: Handler) -> None:
        if opcode == wire.CLOSE:
            code = wire.close_code(payload)
            self._end(wire.close_frame(code, ""))
            return
        if opcode == wire.PING:
            self.send(wire.frame(wire.PONG, payload))
        handler.beside()

    def _pull_farewell(self) -> None:
        """Look for the peer's close frame in what it still sends."""
        while self._state == _CLOSING and self._reader is not None:
            try:
                event = self._reader.pull()
            except WireFaultError:
                self._reader = None
                return
            if event is None:
                return
            if event[0] == wire.CLOSE and self._transport is not None:
                self._transport.close()
                return

    def _say_close(self, code: int, reason: str) -> None:
        """Send a close frame, and see the peer off for a while."""
        self._state = _CLOSING
        if self._transport is not None:
            self._transport.write(wire.close_frame(code, reason))
        self._holds = 0
        self._read_on()
        self._set_timer(FAREWELL_S)

    def _end(self, last: bytes) -> None:
        """Write the last there is to say, and close when it has left, or soon."""
        self._state = _CLOSING
        self._reader = None
        self._head = b""
        self._set_timer(FAREWELL_S)
        if self._transport is not None:
            self._transport.write(last)
            self._transport.close()

    def _read_on(self) -> None:
        """Read the socket unless somebody holds it."""
        if self._transport is not None and not self._holds and not self._transport.is_closing():
            self._transport.resume_reading()

    def _set_timer(self, seconds: float | None) -> None:
        """Drop the connection after so long, in the place of what was set before."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None if seconds is None else asyncio.get_running_loop().call_later(seconds, self._abort)
