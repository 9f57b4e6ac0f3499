"""One open device socket: carries the session's effects out, and keeps acks in front of nothing."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from websockets.asyncio.server import Server, ServerConnection, broadcast
from websockets.exceptions import ConnectionClosed
from websockets.frames import DATA_OPCODES, CloseCode, Frame, Opcode
from websockets.protocol import Event
from websockets.server import ServerProtocol
from websockets.typing import BytesLike

from ingest.ports import Device, Meter
from ingest.pump import Pump
from ingest.session import Admit, Close, DeviceSession, Effect, Pause, Send
from schemas.device_protocol import CLOSE_DRAINING, CLOSE_TOO_BIG, Nack, Throttle

FULL_RETRY_MS: Final = 1_000
"""What a device is told to wait while the log is slow; the socket is read again when there is room."""

_TURN: Final = 64
"""Messages of one device that are handled before the others get their turn."""
_UNREAD_MOST: Final = 1_048_576
"""A device that leaves so many bytes of answers unread is cut off."""
_ENCODER: Final = msgspec.json.Encoder()


class DeviceSocket(ServerConnection):
    """A websocket that closes with 4413 where the library closes with 1009, and that knows whose it is."""

    def __init__(self, protocol: ServerProtocol, server: Server, **settings: Any) -> None:
        super().__init__(protocol, server, **settings)
        self.identity: tuple[bytes, Device] | None = None
        self.link: Link | None = None
        fail = protocol.fail

        def fail_with_our_code(code: int, reason: str = "") -> None:
            if code == CloseCode.MESSAGE_TOO_BIG:
                fail(CLOSE_TOO_BIG, "the message is longer than the limit that welcome tells")
            else:
                fail(code, reason)

        protocol.fail = fail_with_our_code  # type: ignore[method-assign]  # the library offers no other door

    def process_event(self, event: Event) -> None:
        """Offer a message to the link as soon as it is read; what the link does not take waits in the queue."""
        if self.link is not None and isinstance(event, Frame) and event.opcode in DATA_OPCODES:
            whole = event.fin and event.opcode is Opcode.TEXT
            if self.link.offered(event.data if whole else None):
                return
        super().process_event(event)


class Link:
    """Joins one socket with its session and the pump; `closing` keeps the tasks that see sockets off."""

    def __init__(
        self,
        socket: DeviceSocket,
        session: DeviceSession,
        *,
        pump: Pump,
        meter: Meter,
        closing: set[asyncio.Task[None]],
    ) -> None:
        self._socket = socket
        self._session = session
        self._pump = pump
        self._meter = meter
        self._closing = closing
        self._halted = False
        self._shut = False
        self._idle = False
        self._turn = 0
        self._rest_until_s = 0.0
        socket.link = self

    async def run(self, *, hello_s: float) -> None:
        """Handle messages until the socket is closed."""
        hello = asyncio.get_running_loop().call_later(hello_s + 0.05, self._check_hello)
        try:
            while not self._shut:
                self._idle = True  # what is offered from here on is next in turn: `recv` waits where the queue is empty
                data = await self._socket.recv()
                self._idle = False
                await self._rest()
                if not self._halted:
                    self._take(data)
                self._turn += 1
                if self._turn % _TURN == 0:
                    await asyncio.sleep(0)
        except (ConnectionClosed, ConnectionError):
            return
        finally:
            self._idle = False
            hello.cancel()
        await self._socket.wait_closed()

    def offered(self, data: BytesLike | None) -> bool:
        """Handle a text message at once, without a task in between, if it is next in turn; None is any other.

        Where it returns False the message, and all that follow, must be queued for `run`.
        """
        if not self._idle:
            return False
        self._idle = False
        if data is None or self._shut:
            return False
        try:
            text = str(data, "utf-8")
        except UnicodeDecodeError:
            return False
        if not self._halted:
            self._take(text)
        self._turn += 1
        self._idle = self._turn % _TURN != 0 and not self._must_rest
        return True

    def durable(self, seqs: list[int]) -> None:
        """Acknowledge what has become durable, at most once for all of it."""
        self._apply(self._session.settled(seqs))

    def given_up(self, reason: str) -> None:
        """Close, so that the device sends again what was never acknowledged."""
        self.shut(CLOSE_DRAINING, reason)

    def halt(self) -> None:
        """Leave everything that still comes unhandled and unacknowledged."""
        self._halted = True

    def shut(self, code: int, reason: str) -> None:
        """Close the socket with this code, without waiting for it; the first code counts."""
        if self._shut:
            return
        self._shut = True
        self._meter.count("closed_total", code=str(code))
        task = asyncio.create_task(self._socket.close(code, reason))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def _check_hello(self) -> None:
        self._apply(self._session.hello_overdue())

    def _take(self, data: str | bytes) -> None:
        """Handle one message; what it costs in time is rested before the next."""
        pause_s = self._apply(self._session.receive(data))
        if pause_s > 0:
            self._meter.count("throttled_total")
            self._rest_until_s = asyncio.get_running_loop().time() + pause_s
        if self._pump.full and not self._shut:
            self._meter.count("throttled_total")
            self._apply([Send(Throttle(FULL_RETRY_MS))])

    @property
    def _must_rest(self) -> bool:
        return self._rest_until_s > 0 or self._pump.full or self._socket.paused

    async def _rest(self) -> None:
        """Wait as long as the device's rate, the log or the network asks for."""
        if self._rest_until_s > 0:
            await asyncio.sleep(self._rest_until_s - asyncio.get_running_loop().time())
            self._rest_until_s = 0.0
        if self._pump.full:
            await self._pump.wait_for_room()
        if self._socket.paused:
            await self._socket.drain()

    def _apply(self, effects: Sequence[Effect]) -> float:
        """Carry out effects in order; return the seconds to pause."""
        pause_s = 0.0
        for effect in effects:
            if isinstance(effect, Admit):
                self._pump.add(self, effect)
            elif isinstance(effect, Send):
                self._send(effect)
            elif isinstance(effect, Pause):
                pause_s = effect.seconds
            elif isinstance(effect, Close):
                self.shut(effect.code, effect.reason)
        return pause_s

    def _send(self, effect: Send) -> None:
        answer = effect.answer
        if isinstance(answer, Nack):
            for entry in answer.rejected:
                self._meter.count("rejected_total", code=entry.code)
        # `broadcast` writes at once, so that answers leave in the order in which they were decided.
        broadcast((self._socket,), _ENCODER.encode(answer), text=True)
        if self._socket.transport.get_write_buffer_size() > _UNREAD_MOST:
            self._socket.transport.abort()
