"""The HTTP half of the device port: who may open a device socket, and what everybody else is answered."""

import hashlib
from http import HTTPStatus
from typing import Final

import msgspec
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

from ingest.ports import Device, DeviceDirectory
from schemas.device_protocol import SUBPROTOCOL_JSON, SUBPROTOCOL_MSGPACK, TOKEN_SUBPROTOCOL_PREFIX
from schemas.errors import DatabaseAwayError

STREAM_PATH: Final = "/devices/stream"
HEALTH_PATH: Final = "/health"

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
    protocols = offered(request)
    if SUBPROTOCOL_MSGPACK in protocols and SUBPROTOCOL_JSON not in protocols:
        return error_response(
            HTTPStatus.BAD_REQUEST, "not_supported", f"{SUBPROTOCOL_MSGPACK} is not taken; offer {SUBPROTOCOL_JSON}."
        )
    return digest, device


def _unauthenticated(message: str) -> Response:
    headers = {"WWW-Authenticate": "Bearer"}
    return error_response(HTTPStatus.UNAUTHORIZED, "unauthenticated", message, headers=headers)
