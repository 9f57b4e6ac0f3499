"""Where devices connect to, as a page of this server has to know it when the browser is the device."""

import re
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit

from schemas.device_protocol import SUBPROTOCOL_JSON

STREAM_PATH: Final = "/devices/stream"
_NAME: Final = re.compile(r"[A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]")
_PORT: Final = re.compile(r"(?::\d{1,5})?")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDoor:
    """The gateway's address.

    Attributes:
        port: Its port on the host by which a browser knows this server.
        url: Its WebSocket where that is elsewhere, behind a proxy for instance; empty: by the port.
    """

    port: int
    url: str = ""

    def described(self) -> dict[str, Any]:
        """Return what the description of the service says of it."""
        return {
            "url": self.url or None,
            "port": None if self.url else self.port,
            "path": STREAM_PATH,
            "subprotocol": SUBPROTOCOL_JSON,
        }

    def sources(self, host: str) -> str:
        """Return what a policy names, for a page that the browser loaded from `host` (a name and perhaps a port)."""
        if self.url:
            parts = urlsplit(self.url)
            return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
        name = _NAME.match(host)
        if name is None or not _PORT.fullmatch(host[name.end() :]):
            return ""
        return f"ws://{name[0]}:{self.port} wss://{name[0]}:{self.port}"
