"""What the device half says and hears, as data: readings packed into messages, the gateway's answers as events."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from schemas.device_protocol import Answer, Error, Rejected, Throttle, Welcome
from schemas.errors import ContractError
from schemas.frame import MAX_FRAME_BYTES, MAX_READINGS_PER_MESSAGE

Reading = Mapping[str, Any]
"""One reading as on the wire: `time` (Unix ms or RFC 3339 text) and any subset of vitals."""

_ENVELOPE_BYTES: Final = 64
MAX_PACK_BYTES: Final = MAX_FRAME_BYTES - _ENVELOPE_BYTES
"""Most bytes that the readings of one message may take, so that the whole message stays within 256 KiB."""

_WHOLE_READING: Final = frozenset({"time", "reading"})
_MORE_UNKNOWN_FIELDS: Final = "unknown_field"
"""Said of a whole `reading` it stands for unknown fields that are too many to name; the reading itself was kept."""

_ENCODER: Final = msgspec.json.Encoder()
_ANSWER: Final[msgspec.json.Decoder[Answer]] = msgspec.json.Decoder(Answer)
_FIELDS: Final = msgspec.json.Decoder(dict[str, Any])
_READINGS: Final = msgspec.json.Decoder(list[dict[str, Any]])


@dataclass(frozen=True, slots=True)
class Pack:
    """Readings ready for one message: their JSON array and how many they are."""

    body: bytes
    readings: int

    @property
    def size(self) -> int:
        """Bytes that they take while they wait."""
        return len(self.body)

    def without(self, rejected: Sequence[Rejected]) -> "Pack":
        """Return the pack without what the gateway refused."""
        return without(self, rejected)

    def message(self, seq: int) -> bytes:
        """Return the `readings` message that carries them under `seq`."""
        return b'{"type":"readings","seq":%d,"readings":%b}' % (seq, self.body)

    def listed(self) -> list[dict[str, Any]]:
        """Return the readings as they were given."""
        return _READINGS.decode(self.body)


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """The gateway has handled every message up to `seq`; `readings` of them have left the queue."""

    seq: int
    readings: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The gateway did not take a part of a message; it will not be sent again.

    Attributes:
        seq: The message.
        rejected: Which reading of it, which field, why.
        reading: The reading as it was sent, None where the gateway named none that we sent.
    """

    seq: int
    rejected: Rejected
    reading: Reading | None


@dataclass(frozen=True, slots=True)
class Told:
    """The gateway said something that is for the device's person, such as an `instruction` or an `alert`."""

    type: str
    fields: Mapping[str, Any]


Event = Welcome | Acknowledged | Refused | Throttle | Error | Told


def pack(readings: Sequence[Reading]) -> Iterator[Pack]:
    """Yield the readings in order, split so that no message passes 500 readings or 256 KiB.

    Raises:
        ContractError: One reading alone is too big for a message.
    """
    for start in range(0, len(readings), MAX_READINGS_PER_MESSAGE):
        yield from _fitting(readings[start : start + MAX_READINGS_PER_MESSAGE])


def without(packed: Pack, rejected: Sequence[Rejected]) -> Pack:
    """Return the pack without what the gateway refused; it may be left with no reading at all."""
    readings: list[dict[str, Any] | None] = list(packed.listed())
    for part in rejected:
        reading = readings[part.index] if 0 <= part.index < len(readings) else None
        if reading is None:
            continue
        if part.field in _WHOLE_READING and part.code != _MORE_UNKNOWN_FIELDS:
            readings[part.index] = None
        else:
            reading.pop(part.field.partition("[")[0], None)
    kept = [reading for reading in readings if reading is not None]
    return Pack(_ENCODER.encode(kept), len(kept))


def parse(data: str | bytes) -> Answer | Told:
    """Return what the gateway said; a type that this client does not know becomes `Told`.

    Raises:
        ContractError: Not a message of the protocol.
    """
    try:
        return _ANSWER.decode(data)
    except msgspec.ValidationError as error:
        return _told(data, error)
    except msgspec.DecodeError as error:
        raise ContractError(f"The gateway sent something that is not JSON: {error}") from error


def _told(data: str | bytes, error: msgspec.ValidationError) -> Told:
    try:
        fields = _FIELDS.decode(data)
    except msgspec.ValidationError:
        fields = {}
    kind = fields.pop("type", None)
    if not isinstance(kind, str) or kind in {"welcome", "ack", "nack", "throttle", "error"}:
        raise ContractError(f"The gateway sent a message that breaks the protocol: {error}") from error
    return Told(kind, fields)


def _fitting(readings: Sequence[Reading]) -> Iterator[Pack]:
    body = _ENCODER.encode(readings)
    if len(body) <= MAX_PACK_BYTES:
        yield Pack(body, len(readings))
        return
    if len(readings) == 1:
        raise ContractError(f"One reading of {len(body)} bytes does not fit into a message of 256 KiB.")
    middle = len(readings) // 2
    yield from _fitting(readings[:middle])
    yield from _fitting(readings[middle:])
