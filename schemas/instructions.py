"""The record of `instructions.v1`: what is told to one device, JSON, keyed by the wearer as a subject."""

from uuid import UUID

import msgspec

from schemas.device_protocol import PulseInstruction
from schemas.errors import UNREADABLE, ContractError


class InstructionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An instruction and whom it is for: the device with this number, as long as it is worn by this wearer.

    Attributes:
        wearer: Who wore the device when it sent what this answers.
        device_number: The device.
        received_ms: When a gateway received what this answers: an answer that was long in the making is no news.
        instruction: What is told.
    """

    wearer: UUID
    device_number: int
    received_ms: int
    instruction: PulseInstruction


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(InstructionRecord)


def encode(record: InstructionRecord) -> bytes:
    """Return the record as it lies on the topic."""
    return _ENCODER.encode(record)


def decode(data: bytes) -> InstructionRecord:
    """Return the record in `data`.

    Raises:
        ContractError: The bytes are none.
    """
    try:
        return _DECODER.decode(data)
    except UNREADABLE as error:
        raise ContractError(f"Not an instruction: {type(error).__name__}.") from error
