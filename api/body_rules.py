"""What is asked of the names and grants in requests' bodies, of wearers and users as of zones."""

import unicodedata
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

_TURNS_TEXT = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Unicode's Bidi_Control: each can make a name read as another beside which it stands."""


def _legible(name: str) -> str:
    if any(letter in _TURNS_TEXT or unicodedata.category(letter) in {"Cc", "Zl", "Zp"} for letter in name):
        raise ValueError("A name must not hold control characters, line breaks, or marks that turn the direction.")
    return name


Name = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_legible),
    Field(examples=["Ada"]),
]


def alerts_beside_act(scopes: list[Any]) -> list[Any]:
    """Return the scopes; refuse `act` alone, with which nobody can do anything.

    Raises:
        ValueError: `alerts` is not beside it.
    """
    if "act" in scopes and "alerts" not in scopes:
        raise ValueError("`act` needs `alerts` beside it.")
    return scopes
