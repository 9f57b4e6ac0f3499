"""The application factory: ports in, FastAPI out."""

from pathlib import Path
from typing import Any, Final

from fastapi import Depends, FastAPI
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import WebSocketRoute

from api.attempts import Attempts
from api.body_limit import WHOLE_WITHIN_S as _WITHIN_S
from api.body_limit import Allowance, BodyLimit
from api.callers import COOKIE, PUBLIC_PATHS, Ports, authenticate
from api.docs_page import DOCS_HEADERS, docs_page
from api.errors import add_handlers
from api.hardening import SafeHeaders
from api.judging import Judging
from api.live.socket import serve_live
from api.pages import WebPages
from api.routes import alerts, people, pulsenet, series, service, session, video, zones
from api.shapes import ErrorShape
from api.uploads import MOST_BODY_BYTES, WHOLE_WITHIN_S

MAX_BODY_BYTES: Final = 65_536
_OF_VIDEOS: Final = Allowance(most_bytes=MOST_BODY_BYTES, within_s=WHOLE_WITHIN_S)
_OF_ZONES: Final = Allowance(most_bytes=zones.MOST_BODY_BYTES, within_s=_WITHIN_S)
_MORE: Final = {
    video.PATH: _OF_VIDEOS,
    video.ALIAS: _OF_VIDEOS,
    zones.PATH: _OF_ZONES,
    f"{zones.PATH}/*": _OF_ZONES,
}

_WEB: Final = Path(__file__).parent / "web"
_SUMMARY: Final = """Vitals in, scores and alerts out. Pulsera is not a medical device and gives no diagnosis.

Send `Authorization: Bearer TOKEN`. Times are RFC 3339 in UTC with milliseconds; Unix milliseconds are taken too.
Lists answer `{"items":[..],"cursor":..|null}`; pass `cursor` on for the next page. Every error is
`{"error":{"code","message","details"}}`. Live data: the WebSocket at `/live` (docs/protocol.md)."""

_ERRORS: Final[dict[int | str, dict[str, object]]] = {
    400: {"model": ErrorShape, "description": "The body cannot be read."},
    401: {"model": ErrorShape, "description": "No valid token."},
    403: {"model": ErrorShape, "description": "The grant lacks the scope, or this is for admins."},
    404: {"model": ErrorShape, "description": "There is none, or none that the caller may know of."},
    408: {"model": ErrorShape, "description": "The body did not come in time."},
    413: {"model": ErrorShape, "description": "The body is too large."},
    422: {"model": ErrorShape, "description": "A field is not as it must be; `details.field` names it."},
    503: {"model": ErrorShape, "description": "The database or Kafka is away; try again (`Retry-After`)."},
}


Application = FastAPI
"""What `create_app` makes, for whoever joins the rooms."""


def create_app(ports: Ports, *, web: Path = _WEB) -> Application:
    """Return the application; every route but the public ones needs a caller (default deny)."""
    app = FastAPI(
        title="Pulsera",
        version="1",
        description=_SUMMARY,
        dependencies=[Depends(authenticate)],
        responses=_ERRORS,
        docs_url=None,
        redoc_url=None,
    )
    app.state.ports = ports
    app.state.attempts = Attempts(lambda: ports.clock().timestamp())
    app.state.judging = Judging()
    app.add_middleware(BodyLimit, most_bytes=MAX_BODY_BYTES, more=_MORE)
    app.add_middleware(SafeHeaders)
    add_handlers(app)
    for routes in (service, session, people, series, alerts, zones, pulsenet, video):
        app.include_router(routes.router)
    app.router.routes.append(WebSocketRoute("/live", serve_live))
    app.add_route("/docs", _docs, include_in_schema=False)
    app.add_route("/app", _to_pages, include_in_schema=False)
    app.mount("/app", WebPages(web, ports.door, ports.tiles), name="web")
    # Last: FastAPI makes the description anew, and forgets what we added, whenever a route is added.
    app.state.docs = docs_page(_described(app))
    return app


def _described(app: FastAPI) -> dict[str, Any]:
    """Return the application's description, from now on with who may call what."""
    schema = app.openapi()
    schema["components"]["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
    }
    for path, methods in schema["paths"].items():
        for operation in methods.values():
            operation["security"] = [] if path in PUBLIC_PATHS else [{"token": []}, {"session": []}]
    return schema


async def _docs(request: Request) -> Response:
    return HTMLResponse(request.app.state.docs, headers=DOCS_HEADERS)


async def _to_pages(_request: Request) -> Response:
    return RedirectResponse("/app/")
