"""Readings brought together in steps of time: how a step is written, how many points it may make, what a point shows.

A point covers [time, time + step), counted from 1970 in UTC; one begins at or before `from`, so that each is whole.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from pydantic import BaseModel, Field

from api.errors import RefusedError
from api.moments import stamp
from api.records import Point, Span
from schemas.vitals import BY_NAME

POINTS_MOST: Final = 5_000
READINGS_MOST: Final = 700_000
"""Where no sums are kept so many readings are read for an answer, over a week of one a second: about 3 s of work."""
MINUTES_MOST: Final = 300_000
"""So many sums of minutes are read for an answer, over half a year; of hours there are never too many."""

_STEP: Final = re.compile(r"([1-9][0-9]{0,5})([smhd])")
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_LONGEST: Final = timedelta(days=366)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOUR: Final = timedelta(hours=1)
_MINUTE: Final = timedelta(minutes=1)


class TooManyReadingsError(RefusedError):
    """The readings of a span are too many to be brought together for one answer."""

    def __init__(self, most: int, *, sums_kept: bool) -> None:
        """`sums_kept`: a step of whole minutes or hours does not go to the readings."""
        remedy = "use a step of whole hours or minutes" if sums_kept else "only with TimescaleDB are sums kept of them"
        super().__init__(
            422,
            "too_many_readings",
            f"step: The span holds more than {most} readings; {remedy}, or ask for a shorter span.",
            field="step",
        )


def parse_step(text: str | None) -> timedelta | None:
    """Return the step that a client wrote, such as 30s, 5m, 1h or 1d; None where none was asked for.

    Raises:
        RefusedError: No step, or one of more than a year.
    """
    if text is None:
        return None
    match = _STEP.fullmatch(text)
    step = timedelta(seconds=int(match[1]) * _UNITS_S[match[2]]) if match else None
    if step is None or step > _LONGEST:
        raise RefusedError(
            422, "invalid", "step: Write a whole number and a unit, such as 30s, 5m, 1h or 1d.", field="step"
        )
    return step


def whole_steps(span: Span, step: timedelta) -> Span:
    """Return the span widened to whole steps.

    Raises:
        RefusedError: It holds too many steps or minutes, and the message says what step would do; or its last step
            ends beyond the calendar.
    """
    first, last = (span.start - _EPOCH) // step, -((_EPOCH - span.end) // step)
    if last - first > POINTS_MOST:
        shortest_s = -int(-(span.end - span.start).total_seconds() // (POINTS_MOST - 1))
        raise RefusedError(
            422,
            "too_many_points",
            f"step: That makes {last - first} points, at most {POINTS_MOST} are given; use {shortest_s}s or longer.",
            field="step",
        )
    if step % _HOUR and (last - first) * step > MINUTES_MOST * _MINUTE:
        raise RefusedError(
            422, "too_many_readings", "step: For so long a span use a step of whole hours, such as 2h.", field="step"
        )
    try:
        return Span(start=_EPOCH + first * step, end=_EPOCH + last * step, limit=READINGS_MOST)
    except OverflowError as error:
        raise RefusedError(422, "invalid", "to: The last step ends after the year 9999.", field="to") from error


def view(found: Point) -> dict[str, Any]:
    """Return a point as it is shown; a vital without a value is absent, never 0."""
    return {
        "wearer_id": found.wearer,
        "time": stamp(found.time),
        "step_s": int(found.step.total_seconds()),
        "readings": found.readings,
        "injected": found.injected,
        "replayed": found.replayed,
        "simulated": found.simulated,
        "vitals": {name: {**values, "unit": BY_NAME[name].unit} for name, values in found.vitals.items()},
    }


class AggregateShape(BaseModel):
    """What the values of one vital within a step come to: mean, min and max; of steps walked the sum alone."""

    mean: float | None = Field(default=None, examples=[72.4])
    min: float | None = Field(default=None, examples=[61.0])
    max: float | None = Field(default=None, examples=[88.0])
    sum: float | None = Field(default=None, examples=[412.0])
    count: int = Field(examples=[60], description="Values behind it.")
    unit: str = Field(examples=["/min"])


class PointShape(BaseModel):
    """One step of time that holds a reading; a step without one is absent."""

    wearer_id: UUID
    time: str = Field(examples=["2026-11-21T08:00:00.000Z"], description="Where the step begins.")
    step_s: int = Field(examples=[300])
    readings: int = Field(examples=[60], description="All readings stored in the step.")
    injected: int = Field(examples=[0], description="How many of them were put in for a demonstration or a test.")
    replayed: int = Field(examples=[0], description="How many of them come from a recording.")
    simulated: int = Field(examples=[0], description="How many of them were made up.")
    vitals: dict[str, AggregateShape]


class PointsShape(BaseModel):
    """The points of a span, oldest first, all at once."""

    items: list[PointShape]
    cursor: None = None
