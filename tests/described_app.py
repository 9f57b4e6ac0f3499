"""The description of the API is made once a test session: it takes every application half a second, and is the same."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any, Final
from unittest.mock import patch

from fastapi.openapi.utils import get_openapi

_MADE: Final[dict[tuple[str, ...], dict[str, Any]]] = {}
"""By the application's title and its routes."""


def _openapi(**described: Any) -> dict[str, Any]:
    key = described["title"], *map(repr, described["routes"])
    if key not in _MADE:
        _MADE[key] = get_openapi(**described)
    return deepcopy(_MADE[key])


@contextmanager
def described_once() -> Iterator[None]:
    """Give applications that are made in here the description that the first one of their kind had."""
    with patch("fastapi.applications.get_openapi", _openapi):
        yield
