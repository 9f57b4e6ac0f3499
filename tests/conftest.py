"""Loads the fixtures that every folder of tests may use, and leaves the process's logs as each test found them."""

import logging
import os
from collections.abc import Iterator

import pytest
import structlog

pytest_plugins = ["tests.embedded_services", "tests.running_system", "tests.turns"]

_LONG = ("chaos", "browser", "connected")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where several workers share the tests, put those first that take long: one begun last would run alone."""
    if "PYTEST_XDIST_WORKER" in os.environ:
        items.sort(key=_rank)


def _rank(item: pytest.Item) -> int:
    return next((rank for rank, name in enumerate(_LONG) if item.get_closest_marker(name)), len(_LONG))


def _levels() -> dict[str, int]:
    """Return the level of every logger that there is."""
    known = list(logging.root.manager.loggerDict.items())
    return {name: logger.level for name, logger in known if isinstance(logger, logging.Logger)}


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Undo what a test configures: a command that runs in this process sets up logging for the whole of it."""
    handlers, level, levels = [*logging.root.handlers], logging.root.level, _levels()
    yield
    logging.root.handlers = handlers
    logging.root.setLevel(level)
    for name, changed in _levels().items():
        if changed != levels.get(name, logging.NOTSET):
            logging.getLogger(name).setLevel(levels.get(name, logging.NOTSET))
    structlog.reset_defaults()
