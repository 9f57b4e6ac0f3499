"""Signing in and out of the web application: a token in a cookie that no script can read."""

from datetime import timedelta
from typing import Final
from uuid import UUID

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.attempts import Attempts
from api.callers import COOKIE, CallerHere, PortsHere, note, note_written, own_origin
from api.errors import RefusedError, TooOftenError, answer
from api.moments import stamp
from api.records import AccessChange
from api.shapes import ErrorShape, SessionShape, SignInBody
from schemas.errors import DatabaseAwayError, ForbiddenError

SESSION_S: Final = 30 * 86_400

router = APIRouter(tags=["session"])


_OFTEN: Final[dict[int | str, dict[str, object]]] = {
    429: {"model": ErrorShape, "description": "Too many attempts failed; try again after `Retry-After` seconds."},
}


@router.post("/sign-in", response_model=SessionShape, responses=_OFTEN)
async def sign_in(body: SignInBody, request: Request, ports: PortsHere) -> Response:
    """Exchange a one-time code, or a token, for a cookie."""
    if "origin" in request.headers and not own_origin(request, ports.allowed_origins):
        raise ForbiddenError("Signing in must come from this server's own pages (Origin).")
    if (body.code is None) == (body.token is None):
        raise RefusedError(422, "invalid", "code: Send either a code or a token.", field="code")
    user_id = await _who(body, request, ports)
    token = await ports.sign_in.open_session(user_id, lifetime_s=SESSION_S)
    caller = await ports.access.identify(token)
    note(ports, caller, "POST sign-in", f"user:{caller.user_id}")
    expires = stamp(ports.clock() + timedelta(seconds=SESSION_S))
    response = answer(
        {"user_id": caller.user_id, "name": caller.name, "role": caller.role, "expires": expires},
        headers={"Cache-Control": "no-store"},
    )
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, token, max_age=SESSION_S, httponly=True, samesite="strict", secure=secure)
    return response


async def _who(body: SignInBody, request: Request, ports: PortsHere) -> UUID:
    """Return whose code or token this is; only so many attempts may fail.

    Raises:
        TooOftenError: Too many have failed, from this address or from all together.
        UnauthenticatedError: It is not good.
    """
    attempts: Attempts = request.app.state.attempts
    address = request.client.host if request.client is not None else ""
    wait_s = attempts.take(address)
    if wait_s:
        raise TooOftenError("too_many_attempts", "Too many attempts to sign in; wait a little.", retry_after_s=wait_s)
    try:
        if body.code is not None:
            user_id = await ports.sign_in.redeem(body.code)
        else:
            user_id = (await ports.access.identify(body.token or "")).user_id
    except DatabaseAwayError:
        attempts.give_back(address)
        raise
    attempts.give_back(address)
    return user_id


@router.post("/sign-out", status_code=204)
async def sign_out(caller: CallerHere, ports: PortsHere) -> Response:
    """End the session of the cookie; its open sockets close within seconds. A token of a program stays good."""
    action, subject = "POST sign-out", f"user:{caller.user_id}"
    if caller.by_cookie:
        await ports.sign_in.close_session(caller.token_sha256)
        await note_written(ports, caller, action, subject, change=AccessChange(subject=caller.token_sha256))
    else:
        note(ports, caller, action, subject)
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response
