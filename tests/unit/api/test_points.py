"""How steps are written, bounded and shown."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from api.errors import RefusedError
from api.points import POINTS_MOST, parse_step, view, whole_steps
from api.records import Point, Span

_NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(("text", "seconds"), [("1s", 1), ("30s", 30), ("5m", 300), ("1h", 3_600), ("7d", 604_800)])
def test_a_step_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    """Seconds, minutes, hours and days are understood."""
    assert parse_step(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "60", "0s", "-1m", "1.5h", "1w", "367d", "5 m", "999999d", "1\u0663s"])
def test_anything_else_is_no_step(text: str) -> None:
    """A bare number, nothing, fractions, foreign units and digits, and more than a year are refused by the field."""
    with pytest.raises(RefusedError, match=r"step: Write"):
        parse_step(text)


def test_a_span_is_widened_to_whole_steps() -> None:
    """The first step holds `from`, the last one holds the moment before `to`; a whole span stays."""
    step = timedelta(minutes=5)
    odd = Span(start=_NOON + timedelta(minutes=1), end=_NOON + timedelta(minutes=11), limit=1)
    widened = whole_steps(odd, step)
    assert (widened.start, widened.end) == (_NOON, _NOON + 3 * step)
    whole = whole_steps(widened, step)
    assert (whole.start, whole.end) == (widened.start, widened.end)


def test_a_span_before_1970_is_widened_outwards() -> None:
    """Steps are counted from 1970 backwards too."""
    early = datetime(1969, 12, 31, 23, 59, 30, tzinfo=UTC)
    widened = whole_steps(Span(start=early, end=early + timedelta(seconds=1), limit=1), timedelta(minutes=1))
    assert (widened.start, widened.end) == (early - timedelta(seconds=30), early + timedelta(seconds=30))


def test_too_many_points_are_refused_with_a_step_that_would_do() -> None:
    """The step that the message names is taken."""
    span = Span(start=_NOON - timedelta(days=30, seconds=7), end=_NOON, limit=1)
    with pytest.raises(RefusedError, match=r"at most 5000 are given; use \d+s or longer") as refused:
        whole_steps(span, timedelta(minutes=1))
    named = parse_step(str(refused.value).rsplit("use ", 1)[1].split(" ", 1)[0])
    assert named is not None
    widened = whole_steps(span, named)
    assert (widened.end - widened.start) // named <= POINTS_MOST


def test_so_many_minutes_are_only_given_in_steps_of_hours() -> None:
    """A year in steps that are no whole hours is refused; in steps of whole hours, as the message says, it is given."""
    year = Span(start=_NOON - timedelta(days=365), end=_NOON, limit=1)
    with pytest.raises(RefusedError, match="whole hours") as refused:
        whole_steps(year, timedelta(minutes=150))
    assert (refused.value.status, refused.value.code) == (422, "too_many_readings")
    assert whole_steps(year, timedelta(hours=2)).end == _NOON


def test_a_step_beyond_the_calendar_is_refused() -> None:
    """A span whose last step would end after the year 9999 is refused by the field."""
    end = datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    with pytest.raises(RefusedError, match=r"to: .*9999"):
        whole_steps(Span(start=end - timedelta(days=1), end=end, limit=1), timedelta(days=366))


def test_a_point_shows_what_stands_behind_it() -> None:
    """A point tells its readings by origin and each vital's values with their unit."""
    shown = view(
        Point(
            wearer=UUID(int=1),
            time=_NOON,
            step=timedelta(minutes=5),
            readings=5,
            injected=1,
            replayed=0,
            simulated=5,
            vitals={
                "heart_rate": {"mean": 61.5, "min": 60.0, "max": 63.0, "count": 4},
                "steps": {"sum": 9.0, "count": 2},
            },
        )
    )
    assert shown == {
        "wearer_id": UUID(int=1),
        "time": "2026-11-21T12:00:00.000Z",
        "step_s": 300,
        "readings": 5,
        "injected": 1,
        "replayed": 0,
        "simulated": 5,
        "vitals": {
            "heart_rate": {"mean": 61.5, "min": 60.0, "max": 63.0, "count": 4, "unit": "/min"},
            "steps": {"sum": 9.0, "count": 2, "unit": "{steps}"},
        },
    }
