"""Refuses a body that is too large before it is read, or as soon as it has become so, and one that does not come."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import in_own_shape, refusal

WHOLE_WITHIN_S: Final = 20.0
"""A body is at most 64 KiB: whoever takes longer holds the connection for its own sake."""

_SENTENCE: Final = "The body is too large."


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowance:
    """How large a body may be, and how long it may take."""

    most_bytes: int
    within_s: float


class BodyLimit:
    """ASGI middleware: a declared length is believed, an undeclared one is counted.

    Some paths may take more; `/things/*` stands for every path of one part more than `/things`.
    """

    def __init__(self, app: ASGIApp, *, most_bytes: int, more: Mapping[str, Allowance] | None = None) -> None:
        self._app = app
        self._most_bytes = most_bytes
        self._more = more or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        usual = Allowance(most_bytes=self._most_bytes, within_s=WHOLE_WITHIN_S)
        path: str = scope["path"]
        allowed = self._more.get(path) or self._more.get(f"{path.rpartition('/')[0]}/*", usual)
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > allowed.most_bytes:
            # The rest of the body is not worth reading, so the connection ends here.
            answer = refusal(413, "too_large", _SENTENCE, headers={"Connection": "close"})
            await in_own_shape(scope["path"], answer)(scope, receive, send)
            return
        read, whole = 0, False
        deadline = asyncio.get_running_loop().time() + allowed.within_s

        async def counted() -> Message:
            nonlocal read, whole
            if whole:
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError as error:
                raise HTTPException(408, "The body did not come in time.", headers={"Connection": "close"}) from error
            whole = not message.get("more_body", False)
            read += len(message.get("body", b""))
            if read > allowed.most_bytes:
                raise HTTPException(413, _SENTENCE)
            return message

        await self._app(scope, counted, send)
