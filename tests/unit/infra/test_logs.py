"""What the processes' logs say, and how loudly."""

import json
import logging
from collections.abc import Iterator

import pytest

from infra.logs import configure_logging


@pytest.fixture(autouse=True)
def _logging_as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)


@pytest.mark.parametrize(
    ("logger", "words", "level"),
    [
        ("aiokafka.consumer.group_coordinator", "Failed: [Error 15] GroupCoordinatorNotAvailableError", "info"),
        ("aiokafka.consumer.group_coordinator", "Marking the coordinator dead (node 1)", "info"),
        ("mode.timers", "Timer commit is overlapping (interval=0.5 runtime=0.7)", "info"),
        ("aiokafka.consumer.group_coordinator", "Heartbeat failed", "error"),
        ("ours", "GroupCoordinatorNotAvailableError", "error"),
    ],
)
def test_what_is_normal_is_no_error(capsys: pytest.CaptureFixture[str], logger: str, words: str, level: str) -> None:
    """Lines of the Kafka libraries that belong to a healthy start are information, all others keep their level."""
    configure_logging("test")
    logging.getLogger(logger).error(words)
    assert json.loads(capsys.readouterr().err)["level"] == level


def test_where_only_warnings_are_wanted_the_normal_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """A terminal that shows warnings stays quiet."""
    configure_logging("test", level="warning")
    logging.getLogger("mode.timers").warning("Timer commit is overlapping")
    assert capsys.readouterr().err == ""
