"""Where a step is run: what is long, or may be long to take in, beside the loop, and all else on it."""

import asyncio
import threading

import numpy as np
import pytest

from stream_processors.hosts.lane import ON_LOOP_MOST_BYTES, ON_LOOP_MOST_MS, Lane, stepped
from stream_processors.hosts.runner import Place
from stream_processors.ports import Record, Step


class Divided:
    """A state that says how long the rest of a step takes, and notes in which thread each half was run."""

    def __init__(self, said_ms: float) -> None:
        self.begun: list[int] = []
        self.finished: list[int] = []
        self._said_ms = said_ms

    def begin(self, _record: Record) -> float:
        """Take a record in."""
        self.begun.append(threading.get_ident())
        return self._said_ms

    def finish(self) -> Step:
        """Do the rest."""
        self.finished.append(threading.get_ident())
        return Step(emissions=(), received_ms=np.empty(0, dtype=np.int64))

    def step(self, record: Record) -> Step:
        """Do both."""
        self.begin(record)
        return self.finish()

    def snapshot(self) -> bytes:
        """Return nothing."""
        return b""


@pytest.mark.parametrize(
    ("size", "said_ms", "on_loop"),
    [
        (0, ON_LOOP_MOST_MS, (True, True)),
        (ON_LOOP_MOST_BYTES, ON_LOOP_MOST_MS + 0.1, (True, False)),
        (ON_LOOP_MOST_BYTES + 1, 0.0, (False, False)),
        (256 * 1024, 100.0, (False, False)),
    ],
)
def test_what_is_long_is_done_beside_the_loop(size: int, said_ms: float, on_loop: tuple[bool, bool]) -> None:
    """A large record is taken in beside the loop, whatever it would say; of others only a long rest is done there."""
    state = Divided(said_ms)
    record = Record(topic="readings.v1", partition=0, offset=0, append_ms=1, key=None, value=bytes(size))
    asyncio.run(stepped(Lane(Place("readings.v1", 0), state=state), record))
    here = threading.get_ident()
    assert (state.begun == [here], state.finished == [here]) == on_loop
    assert (len(state.begun), len(state.finished)) == (1, 1)
