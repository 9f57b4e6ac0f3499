"""Which instructions a gateway takes from the log."""

from uuid import UUID

import pytest
import structlog

from infra.kafka.instructions import STALE_MS, read_instruction
from schemas.device_protocol import PulseInstruction
from schemas.instructions import InstructionRecord, encode
from stream_processors.ports import Record

NOW_MS = 1_700_000_000_000


class Still:
    """A clock that stands."""

    def wall_us(self) -> int:
        """Return the same moment always."""
        return NOW_MS * 1000


def record(value: bytes) -> Record:
    """Return what the log holds: appended just now, whatever it says."""
    return Record(topic="instructions.v1", partition=0, offset=7, append_ms=NOW_MS, key=None, value=value)


@pytest.mark.parametrize(("age_ms", "taken"), [(0, 1), (STALE_MS, 1), (STALE_MS + 1, 0)])
def test_an_answer_that_was_long_in_the_making_is_passed_over(age_ms: int, taken: int) -> None:
    """What counts is when the message that is answered was received, not when the answer was appended."""
    pulse = PulseInstruction(time=NOW_MS, heart_rate=70.0, confidence=0.9, reason="ok", advice="none", wave=[0.5])
    told = InstructionRecord(wearer=UUID(int=1), device_number=1, received_ms=NOW_MS - age_ms, instruction=pulse)
    heard: list[InstructionRecord] = []
    read_instruction(record(encode(told)), take=heard.append, clock=Still())
    assert heard == [told] * taken


def test_what_is_no_instruction_is_passed_over_and_said() -> None:
    """Where it lies is logged; nobody is told it."""
    heard: list[InstructionRecord] = []
    with structlog.testing.capture_logs() as lines:
        read_instruction(record(b"{}"), take=heard.append, clock=Still())
    assert heard == []
    assert [(line["event"], line["offset"]) for line in lines] == [("instruction_unreadable", 7)]
