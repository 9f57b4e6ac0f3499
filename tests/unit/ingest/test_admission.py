"""Times on the wire, and the allowance of a device."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from ingest.admission import Limits, Rate, time_ms, utc_offset_min


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (datetime(1970, 1, 1, tzinfo=UTC), 0),
        (datetime(2026, 11, 21, 8, 0, 0, 123_999, tzinfo=UTC), 1_795_248_000_123),
        (datetime(2026, 11, 21, 10, 0, tzinfo=timezone(timedelta(hours=2))), 1_795_248_000_000),
        (datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC), -1),
        (1_795_248_000_123, 1_795_248_000_123),
        (1_795_248_000_123.9, 1_795_248_000_123),
        (-0.5, -1),
    ],
)
def test_a_time_is_cut_to_milliseconds(time: datetime | float, expected: int) -> None:
    """Text and number mean the same instant, cut downwards."""
    assert time_ms(time) == expected


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (datetime(2026, 11, 21, tzinfo=UTC), 0),
        (datetime(2026, 11, 21, tzinfo=timezone(timedelta(hours=5, minutes=45))), 345),
        (datetime(2026, 11, 21, tzinfo=timezone(-timedelta(hours=3, minutes=30))), -210),
        (1_795_248_000_000, None),
    ],
)
def test_the_offset_of_a_text_is_kept(time: datetime | float, expected: int | None) -> None:
    """The wearer's own time of day is known only where the device wrote an offset."""
    assert utc_offset_min(time) == expected


def test_a_burst_is_free_and_debt_is_paid_in_time() -> None:
    """The burst costs nothing, one more message a pause, and a pause served restores the allowance."""
    rate = Rate(Limits(messages_per_s=10, readings_per_s=1_000, burst_s=2), now_s=0)
    assert [rate.spend(1, now_s=0) for _ in range(20)] == [0.0] * 20
    pause_s = rate.spend(1, now_s=0)
    assert pause_s == pytest.approx(0.1)
    assert rate.spend(1, now_s=pause_s + 0.2) == 0.0


def test_readings_are_counted_apart_from_messages() -> None:
    """Few messages with many readings are throttled by their readings."""
    rate = Rate(Limits(messages_per_s=1_000, readings_per_s=100, burst_s=1), now_s=0)
    assert rate.spend(100, now_s=0) == 0.0
    assert rate.spend(200, now_s=0) == pytest.approx(2.0)


def test_the_allowance_never_exceeds_the_burst() -> None:
    """A day of silence buys no more than the burst."""
    rate = Rate(Limits(messages_per_s=10, burst_s=1), now_s=0)
    assert [rate.spend(0, now_s=86_400) > 0 for _ in range(11)] == [False] * 10 + [True]


def test_a_rest_forgives() -> None:
    """A device that rested a second longer than it was told to is not hopeless, however long ago it began."""
    rate = Rate(Limits(messages_per_s=1, burst_s=1, patience_s=5), now_s=0)
    now_s = 0.0
    for _ in range(20):
        now_s += rate.spend(0, now_s=now_s) + 1.1
        assert not rate.hopeless(now_s=now_s)


def test_limits_are_told_in_whole_numbers() -> None:
    """What `welcome` carries is plain integers."""
    assert all(type(value) is int for value in Limits().told().values())
