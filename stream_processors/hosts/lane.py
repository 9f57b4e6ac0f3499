"""One partition of a stateful family: what it is told of the records that come to it, and where its steps are run."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Final, TypeGuard, TypeVar

from stream_processors.hosts.runner import Place
from stream_processors.ports import DividedState, ForesightState, PartitionState, Record, Step

ON_LOOP_MOST_MS: Final = 4.0
"""What takes longer is done beside the loop, which would stand still meanwhile; taking a record in is a turn before."""
ON_LOOP_MOST_BYTES: Final = 32_768
"""A record of more bytes is taken in there too, before a state could say how long that takes.

These are some 190 readings, taken in within 2 ms; within 6 where all are of wearers who are new and tables grow. Less
would send nearly every record of a busy system to a thread, and a step then costs a quarter more of a core.
"""

_T = TypeVar("_T")


@dataclass(slots=True)
class Lane:
    """One partition: its state, which holds every record before `next`, and what is known of its saved row.

    `aside` names records that were set aside, and what of each is used instead, None for nothing.
    """

    place: Place
    state: PartitionState | None = None
    cluster_id: str = ""
    next: int = 0
    durable: int = 0
    clock_ms: int = 0
    saved: int | None = None
    saved_at_ms: float = 0.0
    saved_bytes: int = 0
    stale: bool = False
    repeats: bool = False
    aside: dict[int, Record | None] = field(default_factory=dict)

    @property
    def lacks_state(self) -> bool:
        """Is there no state here that may be stepped?"""
        return self.state is None or self.stale


def foresee(lane_of: Callable[[Place], Lane], records: Sequence[Record]) -> None:
    """Tell the states that wish to know it which records they are about to step."""
    coming: dict[Place, list[Record]] = {}
    for record in records:
        place = Place(record.topic, record.partition)
        lane, waiting = lane_of(place), coming.setdefault(place, [])
        if not lane.lacks_state and record.offset == lane.next + len(waiting) and record.offset not in lane.aside:
            waiting.append(record)
    for place, waiting in coming.items():
        state = lane_of(place).state
        if waiting and state is not None and _foresees(state):
            state.expect(waiting)


async def stepped(lane: Lane, record: Record) -> Step:
    """Run one step, a long one beside the loop; nothing else may touch the state meanwhile.

    Raises:
        ContractError: The record is unreadable; raised before any change of state.
    """
    state = lane.state
    if state is None:
        raise RuntimeError("A record was stepped before its partition was restored.")
    await _ready(state, record)
    if len(record.value) > ON_LOOP_MOST_BYTES or not _is_divided(state):
        return await _uncut(lane, asyncio.to_thread(partial(state.step, record)))
    if state.begin(record) > ON_LOOP_MOST_MS:
        return await _uncut(lane, asyncio.to_thread(state.finish))
    await _uncut(lane, asyncio.sleep(0))
    return state.finish()


async def _ready(state: PartitionState, record: Record) -> None:
    """Wait for what the step rests on; apart, so that who asks keeps the state's own type."""
    if _foresees(state):
        await state.ready(record)


async def _uncut(lane: Lane, rest: Awaitable[_T]) -> _T:
    """Wait within a step; one that is cut off there leaves a state that may be neither saved nor stepped again."""
    try:
        return await rest
    except asyncio.CancelledError:
        lane.state = None
        raise


def _foresees(state: PartitionState) -> TypeGuard[ForesightState]:
    return _offers(type(state), ForesightState)


def _is_divided(state: PartitionState) -> TypeGuard[DividedState]:
    return _offers(type(state), DividedState)


@cache
def _offers(kind: type, protocol: type) -> bool:
    """Return whether states of a kind do what a protocol asks; looked up once, for it takes 20 us."""
    return issubclass(kind, protocol)
