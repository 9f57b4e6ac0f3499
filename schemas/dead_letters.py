"""The dead letter on `dead.v1`: a record that a family could not use, whole, with where it lay and why."""

import msgspec

from schemas.errors import UNREADABLE, ContractError


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """One record that was set aside; (family, topic, partition, offset) is its identity, so a repeat is visible.

    Attributes:
        family: Who could not use it.
        version: The family's version, so that it can be retried with a newer one.
        append_ms: The log's append time of the original.
        error: Class of the error.
        detail: Its sentence.
        key: The original key.
        value: The original bytes; empty where they show a body (`Topic.intimate`).
    """

    family: str
    version: str
    topic: str
    partition: int
    offset: int
    append_ms: int
    error: str
    detail: str
    key: bytes | None
    value: bytes

    @property
    def record_key(self) -> bytes:
        """The Kafka key of the letter: who, and which record."""
        return f"{self.family}:{self.topic}:{self.partition}:{self.offset}".encode()


_DECODER = msgspec.msgpack.Decoder(DeadLetter)
_ENCODER = msgspec.msgpack.Encoder()


def encode(letter: DeadLetter) -> bytes:
    """Return the record of a dead letter (msgpack)."""
    return _ENCODER.encode(letter)


def decode(data: bytes) -> DeadLetter:
    """Return the dead letter in a record of `dead.v1`.

    Raises:
        ContractError: Not a dead letter.
    """
    try:
        return _DECODER.decode(data)
    except UNREADABLE as error:
        raise ContractError(f"Not a dead letter: {error}") from error
