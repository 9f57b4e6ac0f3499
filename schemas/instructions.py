"""The record of `instructions.v1`: what is told to one device, JSON, keyed by the wearer as a subject."""

from uuid import UUID

import msgspec

from schemas.device_protocol import PulseInstruction
from schemas.errors import UNREADABLE, ContractError


class InstructionRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An instruction and whom it is for: the device with this number, as long as it is worn by this wearer."""

    wearer: UUID
    device_number: int
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
