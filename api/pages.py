"""The web application's files under /app, with headers that let a browser load and send nothing elsewhere."""

from pathlib import Path
from typing import Final

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

PAGE_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data: blob:; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-cache",
}
"""`no-cache` means: ask again with the ETag each time, so that a new version is seen at once."""

_NOT_FOUND: Final = 404


class WebPages(StaticFiles):
    """Serves a folder; a path that is no file and has no suffix is a page of the application itself."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, html=True, check_dir=False)

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return the file, or index.html where the application decides what the path means."""
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != _NOT_FOUND or Path(path).suffix:
                raise
            response = await super().get_response("index.html", scope)
        response.headers.update(PAGE_HEADERS)
        return response
