"""Bodies of requests: what is taken, and what could not be kept."""

from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from api.shapes import AcknowledgeBody, NewDevice, NewUser, NewWearer, ResolveBody


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
