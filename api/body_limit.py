"""Refuses a body that is too large before it is read, or as soon as it has become so, and one that does not come."""

import asyncio
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import refusal

WHOLE_WITHIN_S: Final = 20.0
"""A body is at most 64 KiB: whoever takes longer holds the connection for its own sake."""

_SENTENCE: Final = "The body is too large."


class BodyLimit:
    """ASGI middleware: a declared length is believed, an undeclared one is counted."""

    def __init__(self, app: ASGIApp, *, most_bytes: int) -> None:
        self._app = app
        self._most_bytes = most_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > self._most_bytes:
            # The rest of the body is not worth reading, so the connection ends here.
            answer = refusal(413, "too_large", _SENTENCE, headers={"Connection": "close"})
            await answer(scope, receive, send)
            return
        read, whole = 0, False
        deadline = asyncio.get_running_loop().time() + WHOLE_WITHIN_S

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
            if read > self._most_bytes:
                raise HTTPException(413, _SENTENCE)
            return message

        await self._app(scope, counted, send)
