"""Python's collector leaves alone what a process has loaded."""

import gc
from collections.abc import Iterator

import pytest

from infra.collector import settle_collector


@pytest.fixture
def collector() -> Iterator[None]:
    """Put the collector back as it was."""
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.usefixtures("collector")
def test_what_is_loaded_is_out_of_sight() -> None:
    """Everything that lives when a process begins to serve is frozen."""
    settle_collector()
    assert gc.get_freeze_count() > 10_000


@pytest.mark.usefixtures("collector")
def test_what_comes_and_goes_wakes_nobody() -> None:
    """Containers that are made and freed, thousands at a time, start no collection."""
    settle_collector()
    before = sum(generation["collections"] for generation in gc.get_stats())
    for _ in range(10):
        list(map(list, [()] * 10_000))
    assert sum(generation["collections"] for generation in gc.get_stats()) == before
