"""Refuses a body that is too large before it is read, or as soon as it has become so."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import refusal

_SENTENCE = "The body is too large."


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
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._most_bytes:
                raise HTTPException(413, _SENTENCE)
            return message

        await self._app(scope, counted, send)
