"""What zones look like on the API's wires; one shape for HTTP and the live socket."""

from collections.abc import Sequence
from typing import Any, Final

from api.moments import stamp_ms
from api.outlines import cell_name, cell_number, outline, polygon
from api.records import Zone, ZoneNow
from schemas.zones import AREA, CellStatus, Level, ZoneStatus

_RISKS: Final[dict[Level, str]] = {
    "usual": "safe",
    "elevated": "elevated",
    "warning": "warning",
    "critical": "critical",
    "too_few_wearers": "unknown",
}
"""The earlier word for a level; what is not known to be usual is never called safe."""
_WORST_LAST: Final = ("safe", "unknown", "elevated", "warning", "critical")
LATE_MS: Final = 20 * 60_000
"""A bin closes at most 7 min after its start; where the newest is so old that others are overdue, that is said."""


def status(found: ZoneStatus) -> dict[str, Any]:
    """Return how a zone stood; of a named zone nothing but what a named zone may tell, whatever the record holds."""
    body: dict[str, Any] = {
        "zone_id": found.zone_id,
        "name": found.name,
        "active_episodes": found.active_episodes,
        "risk_level": _risk(found.level, delayed=found.state == "delayed"),
        "last_updated": stamp_ms(found.bin_ms),
        "level": found.level,
        "state": found.state,
        "version": found.version,
        "revision": found.revision,
        "window_min": found.window_min,
        "recurrence": found.recurrence,
        "recurrence_days": found.recurrence_days,
        "test": found.test,
        "labels": list(found.labels),
        "possible": list(found.possible),
        "coverage": found.coverage,
        "smallest_visible": found.smallest_visible,
    }
    if found.zone_id == AREA:
        body["cells"] = [_cell(one) for one in found.cells or ()]
        body["region"] = list(found.region)
    return body


def status_now(found: ZoneNow, *, now_ms: int) -> dict[str, Any]:
    """Return how a zone stands at a moment: its newest status, under the name that it has by now.

    Before its first closed bin it is `starting`; where bins are overdue it is `delayed`.
    """
    if found.status is None:
        return _starting(found.zone)
    body = status(found.status) | {"name": found.zone.name}
    if found.status.state == "ok" and now_ms - found.status.bin_ms > LATE_MS:
        return body | {"state": "delayed", "risk_level": _risk(found.status.level, delayed=True)}
    return body


def item(
    zone: Zone, bounds: Sequence[float] | None, stands: dict[str, Any] | None, scopes: frozenset[str]
) -> dict[str, Any]:
    """Return a zone of the list; without a status where the caller may know the definition alone."""
    told = ("level", "coverage", "risk_level", "state", "active_episodes", "last_updated")
    return {
        "zone_id": zone.zone_id,
        "name": zone.name,
        "version": zone.version,
        "bounds": bounds,
        "scopes": sorted(scopes),
        **{name: stands[name] if stands is not None else None for name in told},
    }


def feature(zone: Zone) -> dict[str, Any]:
    """Return a named zone as a GeoJSON Feature: the outline of its cells, and the cells by name."""
    properties = {
        "zone_id": zone.zone_id,
        "name": zone.name,
        "version": zone.version,
        "cells": [cell_name(cell) for cell in zone.cells],
    }
    return {"type": "Feature", "geometry": outline(zone.cells), "properties": properties}


def area(stands: dict[str, Any]) -> dict[str, Any]:
    """Return the fixed partition of the whole area as a GeoJSON FeatureCollection."""
    cells: Sequence[dict[str, Any]] = stands.get("cells", ())
    features = [
        {"type": "Feature", "id": one["cell"], "geometry": polygon(cell_number(one["cell"])), "properties": one}
        for one in cells
    ]
    named = {name: stands[name] for name in ("zone_id", "name", "version", "last_updated")}
    return {"type": "FeatureCollection", "features": features, "properties": named}


def worst(risks: Sequence[str]) -> str:
    """Return the worst risk among zones; `unknown` where there are none."""
    return max(risks, key=_WORST_LAST.index, default="unknown")


def _risk(level: Level, *, delayed: bool) -> str:
    """Return the earlier word; what was safe when all was last heard is not known to be any more."""
    risk = _RISKS[level]
    return "unknown" if delayed and risk == "safe" else risk


def _cell(found: CellStatus) -> dict[str, Any]:
    return {"cell": found.cell, "level": found.level, "active": found.active, "flagged": found.flagged}


def _starting(zone: Zone) -> dict[str, Any]:
    nothing = ZoneStatus(
        zone_id=zone.zone_id,
        name=zone.name,
        version=zone.version,
        revision=0,
        bin_ms=0,
        state="starting",
        level="too_few_wearers",
        coverage="too_few",
        recurrence="no five minutes have been judged yet",
    )
    return status(nothing) | {"last_updated": None}
