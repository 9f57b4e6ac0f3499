"""The zones page with made answers: what many zones, far places and long names do to it, without a running system."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import h3
import pytest
from playwright.sync_api import Browser, Page, Route, WebSocketRoute

from api.pages import page_policy
from schemas.zones import AREA, BIN_MS
from tests.browser.chromium import PATIENCE_MS, SIZES, fail_on_error
from tests.browser.city import newest_bin_ms

HOST: Final = "pulsera.test"
WEB: Final = Path(__file__).parents[2] / "api" / "web"
KINDS: Final = {".js": "text/javascript", ".css": "text/css", ".html": "text/html", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeZone:
    """A zone: where, how large, how it stands, and how it stood at the bins before (newest first), None: not told."""

    zone_id: str
    name: str
    level: str | None
    latitude: float = 46.95
    longitude: float = 7.45
    rings: int = 1
    before: Sequence[str] = ()

    def status(self, *, back: int = 0) -> dict[str, Any] | None:
        """Return how it stood so many bins ago."""
        level = self.level if back == 0 else self.before[back - 1] if back <= len(self.before) else None
        return None if level is None else self.told(level, newest_bin_ms() - back * BIN_MS)

    def told(self, level: str, bin_ms: int) -> dict[str, Any]:
        """Return a status as the API tells it."""
        return {
            "zone_id": self.zone_id,
            "name": self.name,
            "version": 1,
            "revision": bin_ms,
            "last_updated": datetime.fromtimestamp(bin_ms / 1000, UTC).isoformat(),
            "state": "ok",
            "level": level,
            "coverage": "good",
            "recurrence": "about once a day",
            "recurrence_days": 1.0,
            "test": None,
            "window_min": None,
            "smallest_visible": 0.1,
            "labels": [],
            "possible": [],
            "active_episodes": 0,
        }

    def shape(self) -> dict[str, Any]:
        """Return its outline as the API answers it."""
        middle = h3.latlng_to_cell(self.latitude, self.longitude, 8)
        geometry = h3.cells_to_h3shape(h3.grid_disk(middle, self.rings)).__geo_interface__
        if self.zone_id == AREA:
            return {"type": "FeatureCollection", "features": []}
        properties = {"zone_id": self.zone_id, "name": self.name, "version": 1}
        return {"type": "Feature", "geometry": geometry, "properties": properties}

    def definition(self) -> dict[str, Any]:
        """Return it as the list of zones has it."""
        return {"zone_id": self.zone_id, "name": self.name, "version": 1, "scopes": ["status"]}


@dataclass
class MadeServer:
    """Answers a page whatever it asks, from the files of the application and from made zones."""

    zones: Sequence[MadeZone]
    sockets: list[tuple[WebSocketRoute, int]] = field(default_factory=list)

    def answer(self, route: Route) -> None:
        """Answer one request."""
        parts = urlsplit(route.request.url)
        if parts.netloc != HOST:
            pytest.fail(f"The page asks another server: {parts.netloc}")
        if parts.path.startswith("/app"):
            file = WEB / parts.path.removeprefix("/app").lstrip("/")
            file = file if file.suffix else WEB / "index.html"
            headers = {"Content-Security-Policy": page_policy(HOST)}
            route.fulfill(body=file.read_bytes(), content_type=KINDS[file.suffix], headers=headers)
            return
        route.fulfill(json=self.told(parts.path, parts.query))

    def told(self, path: str, query: str) -> dict[str, Any]:
        """Return what the API says of a path."""
        if path == "/me":
            return {"user_id": "u", "name": "Made", "role": "viewer"}
        if path == "/community/zones":
            return {"items": [one.definition() for one in self.zones], "cursor": None}
        if path.startswith("/community/zones/"):
            zone_id, _, rest = path.removeprefix("/community/zones/").partition("/")
            zone = next(one for one in self.zones if one.zone_id == zone_id)
            return self.history(zone, query) if rest else zone.shape()
        return {"items": [], "cursor": None, "components": {}}

    def history(self, zone: MadeZone, query: str) -> dict[str, Any]:
        """Return what was told of a zone between two moments, newest first."""
        asked = dict(part.split("=") for part in query.split("&"))
        first, last = (_moment_ms(asked[name]) for name in ("from", "to"))
        told = [zone.status(back=back) for back in range(len(zone.before) + 1)]
        found = [one for one in told if one and first <= _moment_ms(one["last_updated"]) < last]
        return {"items": found[: int(asked["limit"])], "cursor": None}

    def listen(self, socket: WebSocketRoute) -> None:
        """Answer subscriptions of a live socket."""

        def heard(message: str | bytes) -> None:
            asked = json.loads(message)
            if asked["type"] != "subscribe":
                return
            data: list[Any] = []
            if asked["topic"] == "zones":
                data = [one for zone in self.zones if (one := zone.status())]
                self.sockets.append((socket, asked["id"]))
            snapshot = {"type": "snapshot", "id": asked["id"], "cursor": "1", "reset": True, "data": data}
            socket.send(json.dumps(snapshot))

        socket.on_message(heard)

    def tell(self, *statuses: dict[str, Any]) -> None:
        """Tell statuses one message each, as a feed does after each five minutes."""
        socket, number = self.sockets[-1]
        for one in statuses:
            socket.send(json.dumps({"type": "update", "id": number, "cursor": "2", "data": one}))


def _moment_ms(text: str) -> float:
    return datetime.fromisoformat(text.replace("%3A", ":")).timestamp() * 1000


def shown(browser: Browser, server: MadeServer, size: str = "wide", *, path: str = "/app/zones") -> Page:
    """Return the zones page as it shows made zones; an error on it fails the test."""
    width, height = SIZES[size]
    page = browser.new_context(viewport={"width": width, "height": height}).new_page()
    page.set_default_timeout(PATIENCE_MS)
    page.on("console", fail_on_error)
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.route("**/*", server.answer)
    page.route_web_socket("**/live", server.listen)
    page.goto(f"http://{HOST}{path}")
    return page
