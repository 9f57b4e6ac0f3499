"""The web application's files under /app, with headers that let a browser load and send nothing elsewhere."""

import re
from pathlib import Path
from typing import Final

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from api.door import DeviceDoor
from api.errors import SAFE_HEADERS
from api.tiles import MapTiles

PAGE_HEADERS: Final = {
    **SAFE_HEADERS,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Cache-Control": "no-cache",
}
"""`no-cache` means: ask again with the ETag each time, so that a new version is seen at once."""

_NOT_FOUND: Final = 404
_HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,253}(?::\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](?::\d{1,5})?")


def page_policy(host: str, door: DeviceDoor | None = None, tiles: MapTiles | None = None) -> str:
    """Return what a page may load and where it may send: this server alone, by the name that the browser knows it by.

    Not every browser takes 'self' for the WebSocket of the same server, so that is named. So is the gateway's, to which
    the camera page sends, and the server of map pictures where the operator named one.
    """
    pictures = f" {tiles.source}" if tiles is not None else ""
    sockets = f" ws://{host} wss://{host}" if _HOST.fullmatch(host) else ""
    if door is not None and (sources := door.sources(host)):
        sockets += f" {sources}"
    return (
        f"default-src 'self'; connect-src 'self'{sockets}; img-src 'self' data: blob:{pictures}; object-src 'none'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


class WebPages(StaticFiles):
    """Serves a folder; a path that is no file and has no suffix is a page of the application itself."""

    def __init__(self, folder: Path, door: DeviceDoor | None = None, tiles: MapTiles | None = None) -> None:
        super().__init__(directory=folder, html=True, check_dir=False)
        self._door = door
        self._tiles = tiles

    async def get_response(self, path: str, scope: Scope) -> Response:
        """Return the file, or index.html where the application decides what the path means."""
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != _NOT_FOUND or Path(path).suffix:
                raise
            response = await super().get_response("index.html", scope)
        response.headers.update(PAGE_HEADERS)
        response.headers["Content-Security-Policy"] = page_policy(
            Headers(scope=scope).get("host", ""), self._door, self._tiles
        )
        return response
