"""One open device socket and its session: carries the session's effects out, and keeps acks in front of nothing."""

import asyncio
from collections.abc import Sequence

from ingest import wire
from ingest.effects import Admit, AdmitVideo, Close, Effect, Pause, Send
from ingest.encoding import Encoding
from ingest.ports import Meter
from ingest.pump import Pump
from ingest.session import DeviceSession
from ingest.socket import HALT, RATE, ROOM, DeviceSocket
from schemas.device_protocol import CLOSE_DRAINING, Answer, Nack, PulseInstruction, Throttle

FULL_RETRY_MS = 1_000
"""What a device is told to wait while the log is slow; the socket is read again when there is room."""
_LEEWAY_S = 0.05


class Link:
    """Joins one socket with its session and the pump."""

    __slots__ = ("_encoding", "_hello", "_meter", "_opcode", "_overdue", "_pump", "_shut", "_socket", "session")

    def __init__(
        self, socket: DeviceSocket, session: DeviceSession, *, encoding: Encoding, pump: Pump, meter: Meter
    ) -> None:
        self.session = session
        self._socket = socket
        self._encoding = encoding
        self._opcode = wire.TEXT if encoding.text else wire.BINARY
        self._pump = pump
        self._meter = meter
        self._shut = False
        self._hello: asyncio.TimerHandle | None = None
        self._overdue: asyncio.TimerHandle | None = None

    def expect_hello(self, hello_s: float) -> None:
        """Close the socket if the device has not said hello by then."""
        self._hello = asyncio.get_running_loop().call_later(hello_s + _LEEWAY_S, self._check_hello)

    def text(self, data: bytes) -> None:
        """Handle a text message."""
        self._apply(self.session.text(data))
        if self._pump.full:
            self._wait_for_room()

    def binary(self, data: bytes) -> None:
        """Handle a binary message."""
        self._apply(self.session.binary(data))
        if self._pump.full:
            self._wait_for_room()

    def beside(self) -> None:
        """Let the device pay for a frame that is no whole message."""
        self._apply(self.session.beside())

    def lost(self) -> None:
        """Forget what was expected."""
        self._shut = True
        if self._hello is not None:
            self._hello.cancel()
            self._hello = None
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None

    def durable(self, seqs: list[int]) -> None:
        """Acknowledge what has become durable, at most once for all of it."""
        effects = self.session.settled(seqs)
        if effects:  # an ack says all that was withheld before
            self._apply(effects)
        else:
            self._see_to_withheld()

    def given_up(self, reason: str) -> None:
        """Close, so that the device sends again what was never acknowledged."""
        self.shut(CLOSE_DRAINING, reason)

    def instruct(self, instruction: PulseInstruction) -> bool:
        """Tell the device what its person can do; return whether it was there and listening."""
        return self.session.greeted and not self._shut and self._socket.send(self._framed(instruction), spare=True)

    def halt(self) -> None:
        """Leave everything that still comes unread and unacknowledged."""
        self._socket.hold(HALT)

    def shut(self, code: int, reason: str) -> None:
        """Close the socket with this code; the first code counts."""
        if not self._shut:
            self._shut = True
            self._meter.count("closed_total", code=str(code))
            self._socket.shut(code, reason)

    def _see_to_withheld(self) -> None:
        """Set the one timer for what the session keeps to itself; it is not set anew for every message."""
        if self._overdue is not None or self._shut:
            return
        wait_s = self.session.overdue_in_s()
        if wait_s is not None:
            self._overdue = asyncio.get_running_loop().call_later(wait_s, self._tell_withheld)

    def _tell_withheld(self) -> None:
        self._overdue = None
        self._apply(self.session.overdue())
        self._see_to_withheld()

    def _check_hello(self) -> None:
        self._hello = None
        self._apply(self.session.hello_overdue())

    def _wait_for_room(self) -> None:
        """Read no further while the gateway is full."""
        if not self._shut:
            self._meter.count("throttled_total")
            self._say(Throttle(FULL_RETRY_MS))
            self._socket.hold(ROOM)
            self._pump.when_room(self._go_on)

    def _go_on(self) -> None:
        self._socket.release(ROOM)

    def _apply(self, effects: Sequence[Effect]) -> None:
        """Carry out effects in order."""
        for effect in effects:
            if isinstance(effect, Admit):
                self._pump.add(self, effect)
            elif isinstance(effect, Send):
                self._say(effect.answer)
            elif isinstance(effect, AdmitVideo):
                self._pump.add_video(self, effect)
            elif isinstance(effect, Pause):
                self._meter.count("throttled_total")
                self._socket.hold(RATE)
                asyncio.get_running_loop().call_later(effect.seconds, self._socket.release, RATE)
            elif isinstance(effect, Close):
                self.shut(effect.code, effect.reason)

    def _say(self, answer: Answer) -> None:
        if isinstance(answer, Nack):
            for entry in answer.rejected:
                self._meter.count("rejected_total", code=entry.code)
        self._socket.send(self._framed(answer))

    def _framed(self, said: Answer | PulseInstruction) -> bytes:
        return wire.frame(self._opcode, self._encoding.encode(said))
