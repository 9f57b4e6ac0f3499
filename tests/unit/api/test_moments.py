"""Times on the wire: what is taken, what is refused, what is written."""

from datetime import UTC, datetime

import pytest

from api.moments import parse, stamp, stamp_ms

AT = datetime(2026, 11, 21, 8, 0, 0, 123000, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-21T08:00:00.123Z",
        "2026-11-21 08:00:00.123Z",
        "2026-11-21T09:00:00.123+01:00",
        "2026-11-21T09:00:00.123 01:00",
        1795248000123,
        "1795248000123",
    ],
)
def test_a_moment_is_the_same_however_it_is_written(value: object) -> None:
    """Text with an offset (also where a query turned + into a space) and milliseconds name one moment."""
    assert parse(value) == AT


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-21T08:00:00",
        "2026-11-21 08:00",
        "2026-11-21",
        "soon",
        "",
        None,
        True,
        [],
        10**18,
        10**400,
        "9" * 15,
        "0001-01-01T00:00:00Z",
        "1899-12-31T23:59:59Z",
        "9999-12-31T23:59:59-23:59",
        -62135596800000,
    ],
)
def test_what_is_no_moment_is_refused(value: object) -> None:
    """A time without an offset, or out of range, is refused."""
    with pytest.raises(ValueError, match=r"."):
        parse(value)


def test_a_moment_is_written_in_utc_with_milliseconds() -> None:
    """Whole seconds have milliseconds too."""
    assert stamp(AT) == "2026-11-21T08:00:00.123Z"
    assert stamp_ms(1795248000000) == "2026-11-21T08:00:00.000Z"


def test_the_end_of_time_can_be_said() -> None:
    """The last second of the year 9999 is how programs write "for ever"."""
    assert stamp(parse("9999-12-31T23:59:59Z")) == "9999-12-31T23:59:59.000Z"


def test_what_is_no_moment_is_told_in_a_sentence() -> None:
    """The message is for whoever wrote the request."""
    with pytest.raises(ValueError, match="RFC 3339"):
        parse("soon")
