"""Errors on the API's wire: one shape everywhere, `{"error":{"code","message","details"}}`."""

import math
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from schemas.errors import (
    BrokerAwayError,
    DatabaseAwayError,
    ForbiddenError,
    PulseraError,
    UnauthenticatedError,
    UnknownSubjectError,
)

RETRY_AFTER_S: Final = 2

_CODES: Final = {
    400: "bad_request",
    401: "unauthenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    413: "too_large",
    415: "unsupported_media_type",
}
_KNOWN: Final[Mapping[type[PulseraError], tuple[int, str, Mapping[str, str]]]] = {
    UnauthenticatedError: (401, "unauthenticated", {"WWW-Authenticate": "Bearer"}),
    ForbiddenError: (403, "forbidden", {}),
    UnknownSubjectError: (404, "not_found", {}),
    DatabaseAwayError: (503, "database_away", {"Retry-After": str(RETRY_AFTER_S)}),
    BrokerAwayError: (503, "broker_away", {"Retry-After": str(RETRY_AFTER_S)}),
}


DETAIL_PATHS: Final = frozenset({"/analyze-video"})
"""Paths of an earlier service, whose clients read errors as `{"detail": ..}`."""

SAFE_HEADERS: Final[Mapping[str, str]] = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}
"""On every answer that does not say otherwise: it is data, no browser runs, frames or lends it."""


class RefusedError(PulseraError):
    """A request is refused with a status, a code and a sentence."""

    def __init__(self, status: int, code: str, message: str, **details: Any) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.details = details


class LaterError(RefusedError):
    """A request may be tried again after a while."""

    def __init__(self, status: int, code: str, message: str, *, retry_after_s: float) -> None:
        super().__init__(status, code, message)
        self.retry_after_s = max(1, math.ceil(retry_after_s))


class TooOftenError(LaterError):
    """A request came too soon after others of the same caller."""

    def __init__(self, code: str, message: str, *, retry_after_s: float) -> None:
        super().__init__(429, code, message, retry_after_s=retry_after_s)


class BusyError(LaterError):
    """There is no room for a request now, whoever asks."""

    def __init__(self, code: str, message: str, *, retry_after_s: float) -> None:
        super().__init__(503, code, message, retry_after_s=retry_after_s)


def answer(data: Any, status: int = 200, *, headers: Mapping[str, str] | None = None) -> Response:
    """Return a JSON response that nobody may keep; a number that JSON cannot say becomes null."""
    fields = {"Cache-Control": "no-store", **SAFE_HEADERS, **(headers or {})}
    return Response(msgspec.json.encode(data), status, headers=fields, media_type="application/json")


def refusal(
    status: int,
    code: str,
    message: str,
    *,
    details: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return an error in the one shape."""
    body = {"error": {"code": code, "message": message, "details": details or {}}}
    return answer(body, status, headers=headers)


def describe(error: PulseraError) -> Response:
    """Return the response that one of our own errors becomes."""
    if isinstance(error, LaterError):
        again = {"Retry-After": str(error.retry_after_s)}
        return refusal(error.status, error.code, str(error), details=error.details, headers=again)
    if isinstance(error, RefusedError):
        return refusal(error.status, error.code, str(error), details=error.details)
    for kind, (status, code, headers) in _KNOWN.items():
        if isinstance(error, kind):
            return refusal(status, code, str(error) or code, headers=headers)
    return refusal(500, "internal", "Something went wrong here; it is in the log.")


def in_own_shape(path: str, response: Response) -> Response:
    """Return an error as the clients of a path know errors: an earlier service's also has `detail`, a string."""
    if path not in DETAIL_PATHS:
        return response
    body = msgspec.json.decode(response.body)
    body = {"detail": body["error"]["message"], **body}
    kept = {name: value for name, value in response.headers.items() if name not in {"content-length", "content-type"}}
    return answer(body, response.status_code, headers=kept)


def add_handlers(app: FastAPI) -> None:
    """Give every error that can reach a client the one shape."""
    app.add_exception_handler(PulseraError, _ours)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)


async def _ours(request: Request, error: Exception) -> Response:
    if not isinstance(error, PulseraError):
        raise error
    return in_own_shape(request.url.path, describe(error))


async def _http(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        raise error
    code = _CODES.get(error.status_code, "error")
    found = refusal(error.status_code, code, str(error.detail), headers=error.headers)
    return in_own_shape(request.url.path, found)


async def _invalid(request: Request, error: Exception) -> Response:
    if not isinstance(error, RequestValidationError):
        raise error
    faults = [{"field": _field(fault), "problem": _problem(fault)} for fault in error.errors()]
    first = faults[0]
    details = {"field": first["field"], "fields": faults}
    found = refusal(422, "invalid", f"{first['field']}: {first['problem']}", details=details)
    return in_own_shape(request.url.path, found)


async def _unexpected(request: Request, _error: Exception) -> Response:
    found = refusal(500, "internal", "Something went wrong here; it is in the log.")
    return in_own_shape(request.url.path, found)


def _field(fault: Mapping[str, Any]) -> str:
    if fault["type"] == "json_invalid":
        return "body"
    names = [str(part) for part in fault["loc"] if part not in {"body", "query", "path", "header"}]
    return ".".join(names) or "body"


def _problem(fault: Mapping[str, Any]) -> str:
    if fault["type"] == "json_invalid":
        return "The body is not JSON."
    return str(fault["msg"]).removeprefix("Value error, ")
