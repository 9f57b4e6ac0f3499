"""The device half of `pulsera.device.v1` without I/O: what to send, what to keep, when to give up.

The shell calls `hello` on each new connection, `receive` for each message of the gateway, `due` for what may be
sent now, and `disconnected` when the connection ends. A message leaves the queue only when the gateway has
acknowledged it; on the next connection all that is left is sent again, in order, under its old `seq`. The gateway
keeps no place from one connection to the next: the newest that it has acknowledged goes before everything else.
"""

from collections import deque
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, Protocol
from uuid import UUID

import msgspec

from ingest.client.chunks import Chunk
from ingest.client.messages import MAX_PACK_BYTES, Acknowledged, Event, Pack, Refused, parse
from ingest.client.places import STAYS_MS, Place
from schemas.device_protocol import (
    CLOSE_BAD_MESSAGE,
    CLOSE_REPLACED,
    CLOSE_REVOKED,
    CLOSE_TOO_BIG,
    Ack,
    Hello,
    Nack,
    Origin,
    Rejected,
    Throttle,
    Welcome,
)
from schemas.errors import ContractError

CAPACITY_BYTES: Final = 16 * 1_048_576
"""Default bound of what waits for an acknowledgement: about a day of one reading a second."""
WINDOW: Final = 64
"""Most messages on the way at once, so that a `throttle` takes effect quickly."""

_FIRST_DELAY_S: Final = 0.5
_LONGEST_DELAY_S: Final = 30.0
_CLOSE_MESSAGE_TOO_BIG: Final = 1009  # RFC 6455, section 7.4.1

_STOPPING_CLOSES: Final = {
    CLOSE_REVOKED: "The gateway no longer accepts this device's token; make a new device for the wearer.",
    CLOSE_REPLACED: "A newer connection of the same device has taken over; run one client for each token.",
    CLOSE_TOO_BIG: "The gateway says that a message is too big for it.",
    _CLOSE_MESSAGE_TOO_BIG: "The gateway says that a message is too big for it.",
}
_STOPPING_STATUSES: Final = {
    400: "The gateway does not speak this protocol (HTTP 400).",
    401: "The gateway does not know this device's token (HTTP 401); make a device and use its token.",
    403: "The gateway refuses this device (HTTP 403).",
    404: "There is no device socket at this address (HTTP 404); it ends in /devices/stream.",
}


class Random(Protocol):
    """A source of jitter, such as `random.Random`."""

    def uniform(self, a: float, b: float) -> float:
        """Return a number between both."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who connects: the fields of `hello` that stay the same.

    Attributes:
        boot: New for each `DeviceProtocol`, because its `seq` starts at 1.
        origin: live for a device, replay for a recording, simulated for made data.
    """

    boot: UUID
    model: str
    firmware: str = ""
    origin: Origin = "live"


@dataclass(frozen=True, slots=True)
class Reconnect:
    """Connect again after `delay_s`; everything unacknowledged is still in the queue."""

    delay_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class Stop:
    """Connecting again cannot help; a person has to do what `reason` says."""

    reason: str


Packed = Pack | Chunk | Place
"""What fits into one message: readings, what a camera saw, or where the device is."""


@dataclass(slots=True)
class _Message:
    seq: int
    packed: Packed
    refused: list[Rejected] = field(default_factory=list)


class DeviceProtocol:
    """The state of one device's conversation, across its connections."""

    def __init__(self, identity: Identity, *, random: Random, capacity_bytes: int = CAPACITY_BYTES) -> None:
        if capacity_bytes < MAX_PACK_BYTES:
            raise ContractError(f"A buffer must hold at least one message: {MAX_PACK_BYTES} bytes.")
        self._identity = identity
        self._random = random
        self._capacity_bytes = capacity_bytes
        self._queue: deque[_Message] = deque()
        self._queued_bytes = 0
        self._queued_readings = 0
        self._next_seq = 1
        self._sent = 0
        self._welcomed = False
        self._held_until_s = 0.0
        self._failures = 0
        self._unparsable = False
        self._place: Place | None = None
        self._again: Place | None = None

    @property
    def readings(self) -> int:
        """Number of readings that are not acknowledged yet."""
        return self._queued_readings

    @property
    def messages(self) -> int:
        """Number of messages that are not acknowledged yet."""
        return len(self._queue)

    def has_room(self, packed: Packed) -> bool:
        """Return whether the buffer can take these readings or frames; if not, the producer waits."""
        return self._queued_bytes + packed.size <= self._capacity_bytes

    def enqueue(self, packed: Packed) -> int:
        """Take readings or frames for sending and return their message's `seq`.

        Raises:
            ContractError: The buffer is full; nothing was taken.
        """
        if not self.has_room(packed):
            raise ContractError(f"The buffer is full: {self._queued_readings} readings wait for the gateway.")
        seq = self._next_seq
        self._next_seq += 1
        self._queue.append(_Message(seq, packed))
        self._queued_bytes += packed.size
        self._queued_readings += packed.readings
        return seq

    def hello(self, clock_ms: int) -> bytes:
        """Begin a connection: return its first message, and put everything unacknowledged in line again."""
        self._sent = 0
        self._held_until_s = 0.0
        place = self._place
        self._again = place if place is not None and clock_ms - place.time_ms <= STAYS_MS else None
        for message in self._queue:
            if message.refused:
                self._trim(message)
        who = self._identity
        return msgspec.json.encode(
            Hello(boot=who.boot, clock=clock_ms, model=who.model, firmware=who.firmware, origin=who.origin)
        )

    def due(self, now_s: float) -> list[bytes]:
        """Return the messages that are to be sent now, in order; each is returned once a connection."""
        if not self._welcomed or now_s < self._held_until_s:
            return []
        ready = list(islice(self._queue, self._sent, WINDOW))
        self._sent += len(ready)
        first = [] if self._again is None else [self._again.message(self._oldest_seq - 1)]
        self._again = None
        return [*first, *(message.packed.message(message.seq) for message in ready)]

    def held_s(self, now_s: float) -> float:
        """Return for how long the gateway has asked us to hold back, 0 when it has not."""
        return max(0.0, self._held_until_s - now_s)

    def receive(self, data: str | bytes, now_s: float) -> list[Event]:
        """Take one message of the gateway and return what it means for the producer.

        Raises:
            ContractError: The gateway broke the protocol: end this connection; nothing is lost by it.
        """
        answer = parse(data)
        if isinstance(answer, Ack):
            return self._acknowledged(answer.seq)
        if isinstance(answer, Nack):
            return self._refused(answer)
        if isinstance(answer, Throttle):
            self._held_until_s = now_s + answer.retry_after_ms / 1000
        elif isinstance(answer, Welcome):
            # `acked` is only a hint: what we have not seen acknowledged is sent again, which costs nothing but bytes.
            self._welcomed = True
        return [answer]

    def disconnected(self, code: int | None, reason: str = "") -> Reconnect | Stop:
        """Decide what follows the end of a connection; `code` is None when the network, not the gateway, ended it."""
        self._welcomed = False
        if code is not None and code in _STOPPING_CLOSES:
            return Stop(f"{_STOPPING_CLOSES[code]} {reason}".strip())
        if code == CLOSE_BAD_MESSAGE:
            if self._unparsable:
                return Stop(f"The gateway cannot read what this client sends. {reason}".strip())
            self._unparsable = True
        return Reconnect(self._delay_s(), f"connection ended ({code or 'network'}) {reason}".strip())

    def not_accepted(self, status: int) -> Reconnect | Stop:
        """Decide what follows a handshake that was answered with an HTTP status."""
        if status in _STOPPING_STATUSES:
            return Stop(_STOPPING_STATUSES[status])
        return Reconnect(self._delay_s(), f"the gateway answered HTTP {status}")

    def _delay_s(self) -> float:
        longest_s = min(_LONGEST_DELAY_S, _FIRST_DELAY_S * 2 ** min(self._failures + 1, 10))
        self._failures += 1
        return self._random.uniform(_FIRST_DELAY_S, longest_s)

    def _acknowledged(self, seq: int) -> list[Event]:
        if seq >= self._oldest_seq + self._sent:
            raise ContractError(f"The gateway acknowledged {seq}, which was not sent on this connection.")
        readings = 0
        while self._sent and self._queue[0].seq <= seq:
            message = self._queue.popleft()
            self._sent -= 1
            self._queued_bytes -= message.packed.size
            readings += message.packed.readings
            if isinstance(message.packed, Place) and not message.refused:
                self._place = message.packed if message.packed.known else None
        self._queued_readings -= readings
        self._failures = 0
        self._unparsable = False
        return [Acknowledged(seq, readings)]

    def _refused(self, nack: Nack) -> list[Event]:
        place = nack.seq - self._oldest_seq
        message = self._queue[place] if 0 <= place < self._sent else None
        listed = message.packed.listed() if message else []
        if message:
            message.refused.extend(nack.rejected)
        elif place < 0:  # of what was acknowledged before, only the place is sent again
            self._place = None
        return [
            Refused(nack.seq, part, listed[part.index] if 0 <= part.index < len(listed) else None)
            for part in nack.rejected
        ]

    @property
    def _oldest_seq(self) -> int:
        return self._next_seq - len(self._queue)

    def _trim(self, message: _Message) -> None:
        before = message.packed
        message.packed = before.without(message.refused)
        message.refused.clear()
        self._queued_bytes += message.packed.size - before.size
        self._queued_readings += message.packed.readings - before.readings
