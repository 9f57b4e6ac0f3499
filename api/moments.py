"""Times on the API's wires: RFC 3339 in UTC with milliseconds out, that with an offset or Unix milliseconds in."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema

_MILLISECONDS = re.compile(r"-?\d{1,16}")
_LOST_PLUS = re.compile(r"(T.*) (\d\d:?\d\d)$")
"""A query string turns the + of an offset into a space."""


_FIRST = datetime(1900, 1, 1, tzinfo=UTC)
_LAST = datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)
_NO_TIME = "A time is an RFC 3339 text with an offset, or Unix milliseconds."
_FAR_TIME = "The time is out of range."


def stamp(moment: datetime) -> str:
    """Return the moment as text, such as `2026-11-21T08:00:00.123Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def stamp_ms(milliseconds: int) -> str:
    """Return a moment given in milliseconds since 1970 as text."""
    return stamp(from_ms(milliseconds))


def from_ms(milliseconds: int) -> datetime:
    """Return the moment that lies so many milliseconds after 1970 in UTC."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC)


def parse(value: Any) -> datetime:
    """Return the moment that a client wrote.

    Raises:
        ValueError: Not a time, out of range, or without an offset.
    """
    if isinstance(value, str) and _MILLISECONDS.fullmatch(value):
        value = int(value)
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            moment = datetime.fromtimestamp(value / 1000, UTC)
        except (ArithmeticError, OSError, ValueError) as error:
            raise ValueError(_FAR_TIME) from error
    elif isinstance(value, str):
        moment = _text(value)
    else:
        raise ValueError(_NO_TIME)  # noqa: TRY004 - pydantic
    if not _FIRST <= moment <= _LAST:
        raise ValueError(_FAR_TIME)
    return moment.astimezone(UTC)


def _text(value: str) -> datetime:
    try:
        moment = datetime.fromisoformat(_LOST_PLUS.sub(r"\1+\2", value))
    except ValueError as error:
        raise ValueError(_NO_TIME) from error
    if moment.tzinfo is None:
        raise ValueError("A time needs an offset, such as Z or +01:00.")
    return moment


Moment = Annotated[
    datetime,
    BeforeValidator(parse),
    WithJsonSchema(
        {
            "type": "string",
            "description": "RFC 3339 with an offset, or Unix milliseconds",
            "examples": ["2026-11-21T08:00:00.123Z"],
        }
    ),
]
