"""A limit to the head of a request, and headers that keep a browser from running, framing or lending an answer."""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.errors import SAFE_HEADERS, refusal

HEAD_MOST_BYTES: Final = 16_384
"""Path, query and headers together."""

_YEAR_S: Final = 31_536_000
_CLOSE: Final = {"Connection": "close"}


def head_bytes(scope: Scope) -> int:
    """Return how long the head of a request is."""
    headers = sum(len(name) + len(value) for name, value in scope["headers"])
    return len(scope["raw_path"]) + len(scope["query_string"]) + headers


class SafeHeaders:
    """ASGI middleware: adds what an answer does not say itself; over TLS also that TLS is asked for from now on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if head_bytes(scope) > HEAD_MOST_BYTES:
            answer = refusal(431, "head_too_large", "Path, query and headers are too long.", headers=_CLOSE)
            await answer(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SAFE_HEADERS.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", f"max-age={_YEAR_S}")
            await send(message)

        await self._app(scope, receive, guarded)
