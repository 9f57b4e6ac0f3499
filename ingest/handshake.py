"""The HTTP half of the device port: who may open a device socket, and what everybody else is answered."""

import hashlib
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

import msgspec
from websockets.datastructures import Headers
from websockets.exceptions import WebSocketException
from websockets.http11 import Request, Response
from websockets.server import ServerProtocol
from websockets.streams import StreamReader
from websockets.typing import Subprotocol

from ingest.encoding import BY_SUBPROTOCOL, JSON, Encoding
from ingest.ports import Device, DeviceDirectory
from schemas.device_protocol import TOKEN_SUBPROTOCOL_PREFIX
from schemas.errors import DatabaseAwayError

STREAM_PATH: Final = "/devices/stream"
HEALTH_PATH: Final = "/health"

_FAMILY: Final = "pulsera.device."
_BEARER: Final = "bearer "
_TOKEN_MOST: Final = 512


def json_response(status: HTTPStatus, body: object, *, headers: dict[str, str] | None = None) -> Response:
    """Return an HTTP response with a JSON body, after which the connection is closed."""
    data = msgspec.json.encode(body)
    fields = {
        "Content-Type": "application/json",
        "Content-Length": str(len(data)),
        "Connection": "close",
        **(headers or {}),
    }
    return Response(status.value, status.phrase, Headers(fields), data)


def error_response(status: HTTPStatus, code: str, message: str, *, headers: dict[str, str] | None = None) -> Response:
    """Return the error body that every HTTP answer of Pulsera has."""
    body = {"error": {"code": code, "message": message, "details": {}}}
    return json_response(status, body, headers=headers)


def read_request(head: bytes) -> Request | Response:
    """Return the HTTP request in `head`, or the answer to what is none."""
    reader = StreamReader()
    reader.feed_data(head)
    reader.feed_eof()
    parsing = Request.parse(reader.read_line)
    try:
        next(parsing)
    except StopIteration as done:
        request: Request = done.value
        return request
    except (EOFError, ValueError, NotImplementedError, WebSocketException):
        pass  # all of them say the same: what came is no request of a client of ours
    return error_response(HTTPStatus.BAD_REQUEST, "bad_request", "This is not an HTTP/1.1 GET without a body.")


def agreed(request: Request) -> Encoding | None:
    """Return the encoding that a handshake agrees on, the first that is offered; None where none of ours is."""
    names = [name for name in offered(request) if not name.startswith(TOKEN_SUBPROTOCOL_PREFIX)]
    known = [BY_SUBPROTOCOL[name] for name in names if name in BY_SUBPROTOCOL]
    if known:
        return known[0]
    # Who offers nothing, or nothing of ours, speaks JSON: so it was from the first release on.
    return None if any(name.startswith(_FAMILY) for name in names) else JSON


def upgrade(request: Request) -> Response:
    """Return the answer that makes a WebSocket of the connection, or the one that says why it cannot be one."""
    protocol = _Handshake()
    response = protocol.accept(request)
    protocol.parser.close()  # open, it holds the protocol that holds it, and both wait for the cyclic collector
    if response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
        return response
    status = HTTPStatus(response.status_code)
    kept = {name: response.headers[name] for name in ("Upgrade", "Allow") if name in response.headers}
    return error_response(status, "bad_handshake", "This path is a WebSocket: ask for an upgrade.", headers=kept)


class _Handshake(ServerProtocol):
    """Our rules of a handshake; a function given to the library's own class would be held in a cycle."""

    def select_subprotocol(self, subprotocols: Sequence[Subprotocol]) -> Subprotocol | None:
        """Return the subprotocol to speak: the first of ours that was offered, else none, which means JSON."""
        return next((name for name in subprotocols if name in BY_SUBPROTOCOL), None)


def offered(request: Request) -> list[str]:
    """Return the subprotocols that a handshake offers, in order."""
    values = request.headers.get_all("Sec-WebSocket-Protocol")
    return [name.strip() for value in values for name in value.split(",") if name.strip()]


def token_of(request: Request) -> str | None:
    """Return the token of a handshake, from its Bearer header or the subprotocol that carries one."""
    for value in request.headers.get_all("Authorization"):
        if value[: len(_BEARER)].lower() == _BEARER:
            return value[len(_BEARER) :].strip() or None
    for name in offered(request):
        if name.startswith(TOKEN_SUBPROTOCOL_PREFIX):
            return name[len(TOKEN_SUBPROTOCOL_PREFIX) :] or None
    return None


def token_sha256(token: str) -> bytes:
    """Return the form in which a token is stored."""
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()


async def identify(request: Request, directory: DeviceDirectory) -> tuple[bytes, Device] | Response:
    """Return the token's SHA-256 and device of a handshake, or the answer that refuses it."""
    token = token_of(request)
    if token is None or len(token) > _TOKEN_MOST:
        return _unauthenticated("This socket needs a device token, as a Bearer header or as the subprotocol "
                                f"{TOKEN_SUBPROTOCOL_PREFIX}TOKEN.")  # fmt: skip
    digest = token_sha256(token)
    try:
        device = await directory.find(digest)
    except DatabaseAwayError:
        return error_response(
            HTTPStatus.SERVICE_UNAVAILABLE,
            "database_away",
            "This token is not in memory and the database cannot be asked now; try again.",
            headers={"Retry-After": "5"},
        )
    if device is None:
        return _unauthenticated("This token is not one of a device, or it was revoked.")
    if agreed(request) is None:
        spoken = " or ".join(BY_SUBPROTOCOL)
        return error_response(HTTPStatus.BAD_REQUEST, "not_supported", f"This port speaks {spoken}.")
    return digest, device


def _unauthenticated(message: str) -> Response:
    headers = {"WWW-Authenticate": "Bearer"}
    return error_response(HTTPStatus.UNAUTHORIZED, "unauthenticated", message, headers=headers)
