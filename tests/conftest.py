"""Loads the fixtures that every folder of tests may use, and leaves the process's logs as each test found them."""

import logging
from collections.abc import Iterator

import pytest
import structlog

pytest_plugins = ["tests.embedded_services", "tests.running_system"]


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
