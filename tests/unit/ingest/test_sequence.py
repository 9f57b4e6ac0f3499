"""The arithmetic of the cumulative ack."""

from ingest.sequence import Sequence


def test_the_first_seq_is_the_base() -> None:
    """A connection may begin anywhere; nothing is due before it."""
    sequence = Sequence()
    assert sequence.due(0) is None
    assert sequence.accept(41)
    assert (sequence.base, sequence.expected) == (41, 42)


def test_a_gap_changes_nothing() -> None:
    """A refused seq leaves the expected one where it was."""
    sequence = Sequence()
    sequence.accept(1)
    assert not sequence.accept(3)
    assert sequence.accept(2)


def test_a_message_held_twice_is_open_until_released_twice() -> None:
    """A resend opens its message again; both copies must settle."""
    sequence = Sequence()
    for _ in range(2):
        sequence.accept(1)
        sequence.hold(1)
    sequence.release(1)
    assert sequence.due(1) is None
    assert sequence.outstanding == 1
    sequence.release(1)
    assert sequence.due(1) == 1


def test_the_same_ack_is_not_said_twice_for_the_same_reason() -> None:
    """Once said, an ack is due again only for a resend."""
    sequence = Sequence()
    sequence.accept(1)
    assert sequence.due(1) == 1
    assert sequence.due(2) is None
    assert sequence.due(1) == 1


def test_nothing_below_the_base_is_acknowledged() -> None:
    """A seq below the base is handled, but the ack speaks of base to N only."""
    sequence = Sequence()
    sequence.accept(5)
    sequence.hold(5)
    sequence.accept(4)
    assert sequence.due(4) is None
    sequence.release(5)
    assert sequence.due(5) == 5
