"""Who may open a device socket."""

import json
from collections.abc import Coroutine
from typing import Any

import pytest
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from ingest.handshake import identify, offered, token_of, token_sha256
from ingest.ports import Device
from schemas.errors import DatabaseAwayError
from tests.device_sessions import DEVICE


def request(*fields: tuple[str, str]) -> Request:
    """Return a handshake with these header fields."""
    return Request("/devices/stream", Headers(fields))


def run(work: Coroutine[Any, Any, tuple[bytes, Device] | Response]) -> tuple[bytes, Device] | Response:
    """Run a coroutine that waits for nothing."""
    try:
        work.send(None)
    except StopIteration as stop:
        result: tuple[bytes, Device] | Response = stop.value
        return result
    raise AssertionError("it waited")


class Directory:
    """Knows one token, or nothing because the database is away."""

    def __init__(self, *, away: bool = False) -> None:
        self._away = away

    async def find(self, token_sha256_: bytes) -> Device | None:
        """Answer for the token `good`."""
        if token_sha256_ == token_sha256("good"):
            return DEVICE
        if self._away:
            raise DatabaseAwayError("away")
        return None

    def holds(self, token_sha256: bytes, device: Device) -> bool:
        """Not asked here."""
        raise NotImplementedError


@pytest.mark.parametrize(
    ("fields", "token"),
    [
        ([("Authorization", "Bearer abc")], "abc"),
        ([("Authorization", "bearer  abc ")], "abc"),
        ([("Authorization", "Basic abc")], None),
        ([("Authorization", "Bearer ")], None),
        ([("Sec-WebSocket-Protocol", "pulsera.device.v1+json, pulsera.token.abc")], "abc"),
        ([("Sec-WebSocket-Protocol", "x"), ("Sec-WebSocket-Protocol", "pulsera.token.abc")], "abc"),
        ([("Sec-WebSocket-Protocol", "pulsera.token.")], None),
        ([], None),
    ],
)
def test_the_token_is_in_the_header_or_in_a_subprotocol(fields: list[tuple[str, str]], token: str | None) -> None:
    """Devices use the Bearer header, browsers a subprotocol."""
    assert token_of(request(*fields)) == token


def test_offered_subprotocols_keep_their_order() -> None:
    """Several header fields and commas are one list."""
    fields = [("Sec-WebSocket-Protocol", "a, b"), ("Sec-WebSocket-Protocol", "c")]
    assert offered(request(*fields)) == ["a", "b", "c"]


def test_a_known_token_is_its_device() -> None:
    """The handshake of a known token is let through, also while the database is away."""
    found = run(identify(request(("Authorization", "Bearer good")), Directory(away=True)))
    assert found == (token_sha256("good"), DEVICE)


@pytest.mark.parametrize(
    ("fields", "away", "status", "code"),
    [
        ([], False, 401, "unauthenticated"),
        ([("Authorization", "Bearer bad")], False, 401, "unauthenticated"),
        ([("Authorization", "Bearer " + "x" * 600)], False, 401, "unauthenticated"),
        ([("Authorization", "Bearer bad")], True, 503, "database_away"),
        ([("Authorization", "Bearer good"), ("Sec-WebSocket-Protocol", "pulsera.device.v2+json")], False, 400,
         "not_supported"),
    ],
)  # fmt: skip
def test_everybody_else_gets_a_json_error(fields: list[tuple[str, str]], status: int, code: str, *, away: bool) -> None:
    """A refused handshake is answered with its HTTP status and the error body of all of Pulsera."""
    answer = run(identify(request(*fields), Directory(away=away)))
    assert isinstance(answer, Response)
    assert answer.status_code == status
    assert json.loads(answer.body)["error"]["code"] == code
