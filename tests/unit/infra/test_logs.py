"""What the processes' logs say, and how loudly."""

import json
import logging

import pytest

from infra.logs import _Calm, configure_logging


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


def _said(calm: _Calm, words: str, *, name: str = "aiokafka.consumer.group_coordinator") -> str | None:
    record = logging.LogRecord(name, logging.INFO, __file__, 1, "%s", (words,), None)
    return record.getMessage() if calm.filter(record) else None


def test_what_the_kafka_library_repeats_is_said_once_in_half_a_minute_with_its_count() -> None:
    """Five lines a second become one in thirty seconds, which tells how many there were."""
    now_s = [0.0]
    calm = _Calm(clock=lambda: now_s[0])
    told = []
    for step in range(5 * 61):
        now_s[0] = step / 5
        told.append(_said(calm, "Marking the coordinator dead"))
    assert [words for words in told if words] == [
        "Marking the coordinator dead",
        "Marking the coordinator dead (150 times)",
        "Marking the coordinator dead (150 times)",
    ]


def test_other_texts_and_our_own_are_not_held_back() -> None:
    """Only the same text of a Kafka library is folded: another one, and every line of ours, is told at once."""
    calm = _Calm(clock=lambda: 0.0)
    assert [_said(calm, "one"), _said(calm, "two"), _said(calm, "one")] == ["one", "two", None]
    assert [_said(calm, "ours", name="infra.x"), _said(calm, "ours", name="infra.x")] == ["ours", "ours"]


def test_texts_with_ever_new_numbers_do_not_fill_the_memory() -> None:
    """What is remembered of texts stays bounded."""
    calm = _Calm(clock=lambda: 0.0)
    for number in range(5_000):
        assert _said(calm, f"offset {number}") == f"offset {number}"
    assert len(calm._said) <= _Calm._MOST
