"""Routes about the service itself: what it is, whether it lives, whether every part is well, its figures."""

from typing import Any, Final

from fastapi import APIRouter, Request
from fastapi.responses import RedirectResponse, Response

from api.callers import PortsHere
from api.errors import answer
from api.records import Component

router = APIRouter(tags=["service"])

_DESCRIPTION: Final[dict[str, Any]] = {
    "service": "Pulsera",
    "description": "A self-hosted real-time backbone for home and community health telemetry.",
    "notice": "Pulsera is not a medical device and gives no diagnosis.",
    "application": "/app/",
    "documentation": "/docs",
    "live": {"path": "/live", "subprotocol": "pulsera.live.v1+json"},
    "health": "/health",
    "ready": "/ready",
    "metrics": "/metrics",
}


@router.head("/", include_in_schema=False)
@router.get("/")
async def describe(request: Request, ports: PortsHere) -> Response:
    """Describe the service; a browser is sent to the web application."""
    if "text/html" in request.headers.get("accept", ""):
        return RedirectResponse("/app/", status_code=307)
    devices = {"devices": ports.door.described()} if ports.door else {}
    tiles = {"map": ports.tiles.described()} if ports.tiles else {}
    return answer(_DESCRIPTION | devices | tiles)


@router.head("/health", include_in_schema=False)
@router.get("/health")
async def health(ports: PortsHere) -> Response:
    """Say that this process lives, and nothing about the others."""
    return answer({"status": "ok", "service": "api", "time": ports.clock().isoformat(timespec="milliseconds")})


@router.head("/ready", include_in_schema=False)
@router.get("/ready")
async def ready(ports: PortsHere) -> Response:
    """Show each part, its state and how long its answer took; 503 only when a core part is down."""
    found = await ports.probes.components()
    core_down = any(one.core and one.state == "down" for one in found)
    well = all(one.state == "up" for one in found)
    parts = {one.name: _part(one) for one in found}
    status = "down" if core_down else "ok" if well else "degraded"
    return answer({"status": status, "components": parts}, 503 if core_down else 200)


def _part(one: Component) -> dict[str, Any]:
    part = {"state": one.state, "latency_ms": one.latency_ms, "detail": one.detail, "core": one.core}
    if one.told is None:
        return part
    # Anybody may ask: which detector judges, and whether it only stands in; the rest is at /pulsenet/status.
    return {**part, "detector": {name: one.told.get(name) for name in ("alerting", "role")}}


@router.head("/metrics", include_in_schema=False)
@router.get("/metrics", include_in_schema=True)
async def metrics(ports: PortsHere) -> Response:
    """Return this process's figures in the Prometheus text format."""
    body, content_type = ports.metrics.expose()
    return Response(body, media_type=content_type)
