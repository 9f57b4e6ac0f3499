"""What the operator is told of the parts' logs."""

from infra.embedded.child_logs import summarise


def test_warnings_and_errors_are_told_once_with_their_count() -> None:
    """Repeats of an event become one line; information and what is not JSON are passed over."""
    lines = ['{"level": "warning", "event": "slow"}'] * 3
    lines += ['{"level": "info", "event": "fine"}', "plain", '{"level": "error", "event": "lost"}', "{broken"]
    assert summarise(lines) == ["warning: slow (3 times)", "error: lost"]


def test_a_flood_is_told_in_a_few_lines() -> None:
    """Beyond five different events only their number is told."""
    lines = [f'{{"level": "error", "event": "e{n}"}}' for n in "abcdefghi"]
    told = summarise(lines)
    assert len(told) == 6
    assert told[-1] == "and 4 other events"


def test_an_event_of_several_lines_is_told_in_one() -> None:
    """A line break in an event does not break the operator's line."""
    assert summarise(['{"level": "error", "event": "Exception\\n in  it\\n"}'] * 2) == [
        "error: Exception in it (2 times)"
    ]


def test_the_same_of_many_partitions_is_told_once() -> None:
    """Events that differ in their numbers alone are one event; the first is told."""
    lines = [f'{{"level": "warning", "event": "no leader, partition={n}"}}' for n in range(12)]
    assert summarise(lines) == ["warning: no leader, partition=0 (12 times)"]


def test_the_reason_is_told_with_the_event() -> None:
    """An operator reads why a part waits, not only that it does."""
    line = '{"level": "warning", "event": "waiting", "reason": "The database does not answer."}'
    assert summarise([line]) == ["warning: waiting: The database does not answer."]
