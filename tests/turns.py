"""While a test that measures in real time runs, no other worker's does; their services stand idle meanwhile."""

import fcntl
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

_GATE: Final = Path(__file__)
_FLOOR: Final = Path(__file__).with_name("conftest.py")
"""Two files that every worker has, to lock; nothing is written to them."""


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Let a test marked `alone` wait until no other runs, and the others wait for it; its time is not yet counted."""
    with _turn(alone=item.get_closest_marker("alone") is not None):
        return (yield)


@contextmanager
def _turn(*, alone: bool) -> Generator[None]:
    """Hold the floor; who waits for it holds the gate, so that whoever came first goes first."""
    with _GATE.open() as gate, _FLOOR.open() as floor:
        fcntl.flock(gate, fcntl.LOCK_EX)
        fcntl.flock(floor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        fcntl.flock(gate, fcntl.LOCK_UN)
        yield
