"""Follows `instructions.v1` from its end, for a gateway: what is said while nobody listens is not said again."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Final, Protocol

import structlog

from infra.kafka.follower import KafkaFollower
from schemas.errors import ContractError
from schemas.instructions import InstructionRecord, decode
from schemas.topics import INSTRUCTIONS
from stream_processors.ports import Record

_LOG: Final = structlog.get_logger(__name__)
STALE_MS: Final = 5_000
"""What a person is to do now helps nobody later: after an outage of the log the old ones are passed over."""


class Clock(Protocol):
    """What time it is."""

    def wall_us(self) -> int:
        """Return microseconds since 1970 UTC."""
        ...


@asynccontextmanager
async def follow_instructions(
    bootstrap: str, take: Callable[[InstructionRecord], None], *, clock: Clock
) -> AsyncIterator[None]:
    """Hand every instruction that is appended from now on to `take`, until the context ends."""
    read = partial(read_instruction, take=take, clock=clock)
    follower = KafkaFollower(bootstrap, [INSTRUCTIONS.name], begin=_begin, take=read)
    task = asyncio.create_task(follower.run(from_ms=clock.wall_us() // 1000), name="instructions")
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled():
            task.result()


def read_instruction(record: Record, *, take: Callable[[InstructionRecord], None], clock: Clock) -> None:
    """Hand on what a record says, unless what it answers is old, or it is none of ours."""
    try:
        instruction = decode(record.value)
    except ContractError as error:
        _LOG.warning("instruction_unreadable", partition=record.partition, offset=record.offset, reason=str(error))
        return
    if clock.wall_us() // 1000 - instruction.received_ms <= STALE_MS:
        take(instruction)


def _begin(topic: str, partition: int, offset: int) -> None:
    """A follower from the end need not remember where it began."""
