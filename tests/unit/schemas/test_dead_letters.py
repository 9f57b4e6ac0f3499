"""Tests of the dead letter."""

import pytest

from schemas.dead_letters import DeadLetter, decode, encode
from schemas.errors import ContractError


def test_a_dead_letter_keeps_the_original_bytes() -> None:
    """Key and value come back byte for byte, with their coordinates and the reason."""
    letter = DeadLetter(
        family="storage", version="1", topic="readings.v1", partition=3, offset=7, append_ms=1_000,
        error="FrameError", detail="no frame", key=None, value=b"\x00\xff",
    )  # fmt: skip
    assert decode(encode(letter)) == letter
    assert letter.record_key == b"storage:readings.v1:3:7"


def test_other_bytes_are_no_dead_letter() -> None:
    """Bytes that are not a dead letter are refused by name."""
    with pytest.raises(ContractError):
        decode(b"something else")
