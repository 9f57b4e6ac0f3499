"""Bodies of requests: what is taken, and what could not be kept."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from api.shapes import AcknowledgeBody, NewDevice, NewGrant, NewUser, NewWearer, ResolveBody
from api.zone_shapes import NewZoneBody, NewZoneGrant


@pytest.mark.parametrize(
    ("shape", "body"),
    [
        (NewWearer, {"name": "a\0"}),
        (NewWearer, {"name": "Ada", "profile": {"a": [{"b": "\0"}]}}),
        (NewWearer, {"name": "Ada", "profile": {"a\0": 1}}),
        (NewWearer, {"name": "Ada", "profile": {"a": [float("nan")]}}),
        (NewWearer, {"name": "Ada", "profile": {"a": float("inf")}}),
        (NewDevice, {"model": "\0"}),
        (NewUser, {"name": "Ben", "email": "b@example.org\0"}),
        (AcknowledgeBody, {"note": "\0"}),
        (ResolveBody, {"outcome": "false_alarm\0"}),
        (NewWearer, {"name": "   "}),
    ],
)
def test_what_the_database_cannot_hold_is_refused(shape: type[BaseModel], body: dict[str, Any]) -> None:
    """A NUL, a number that is none and a blank name are refused at the door, at any depth."""
    with pytest.raises(ValidationError):
        shape.model_validate(body)


def test_a_profile_may_be_deep_but_not_without_end() -> None:
    """A dozen levels are taken; a hundred, which no reader of it may be able to walk, are not."""
    profile: dict[str, Any] = {}
    for _ in range(12):
        profile = {"a": profile}
    assert NewWearer.model_validate({"name": " Ada ", "profile": profile}).name == "Ada"
    for _ in range(100):
        profile = {"a": profile}
    with pytest.raises(ValidationError, match="deeper"):
        NewWearer.model_validate({"name": "Ada", "profile": profile})


@pytest.mark.parametrize("letter", ["\a", "\n", "\x7f", "\x9b", "\u061c", "\u2028", "\u200f", "\u202e", "\u2066"])
def test_a_name_that_cannot_be_read_as_it_stands_is_refused(letter: str) -> None:
    """Control characters, line breaks and marks that turn the direction are in no name; letters of any script are."""
    for shape, rest in ((NewWearer, {}), (NewUser, {}), (NewZoneBody, {"cells": ["881f8d4c37fffff"]})):
        with pytest.raises(ValidationError, match="must not hold control characters"):
            shape.model_validate({"name": f"Old{letter}town", **rest})
        for name in (
            "Zoë O'Neil",
            "\u05de\u05e8\u05db\u05d6",
            "\u0645\u06cc\u200c\u0631\u0648\u0645",
            "\U0001f469\u200d\U0001f692",
        ):
            assert shape.model_validate({"name": name, **rest}).model_dump()["name"] == name


@pytest.mark.parametrize("shape", [NewGrant, NewZoneGrant])
def test_who_may_act_may_see_alerts(shape: type[BaseModel]) -> None:
    """A grant of `act` without `alerts` is refused by its field; with it, in any order, it is one."""
    with pytest.raises(ValidationError, match="needs `alerts` beside it") as refused:
        shape.model_validate({"scopes": ["act"]})
    assert refused.value.errors()[0]["loc"] == ("scopes",)
    assert shape.model_validate({"scopes": ["act", "alerts"]}).model_dump()["scopes"] == ["act", "alerts"]
