"""One partition of a stateful family, and what it is told of the records that come to it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from stream_processors.hosts.runner import Place
from stream_processors.ports import ForesightState, PartitionState, Record


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
        if waiting and isinstance(state, ForesightState):
            state.expect(waiting)
