"""The clock of the operators."""

from stream_processors.operators.clock import LogClock


def test_the_clock_is_the_largest_append_time() -> None:
    """An earlier append time never moves the clock back."""
    clock = LogClock()
    clock.move(5_000)
    clock.move(4_000)
    assert clock.now_ms == 5_000


def test_observed_time_counts_at_most_two_seconds_a_step() -> None:
    """A long gap between two records counts as 2 s, a short one in full."""
    clock = LogClock()
    for append_ms in (1_000, 2_500, 600_000):
        clock.move(append_ms)
    assert clock.observed_ms == 1_500 + 2_000


def test_the_first_record_observes_nothing() -> None:
    """Before the first record no time was observed."""
    clock = LogClock()
    clock.move(1_795_000_000_000)
    assert clock.observed_ms == 0
