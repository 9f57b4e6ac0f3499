"""What the routes of community zones take and answer, as OpenAPI shows it."""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, Field, StringConstraints, model_validator

from api.body_rules import Name, alerts_beside_act
from api.moments import Moment
from api.outlines import CELLS_MOST
from api.shapes import StorableBody
from schemas.zones import ZONE_ID, Label

_CELLS: Final = ["881f8d4c37fffff", "881f8d4c33fffff"]
_SQUARE: Final = [[[7.42, 46.94], [7.48, 46.94], [7.48, 46.97], [7.42, 46.97], [7.42, 46.94]]]
_DRAWN: Final = {"type": "Polygon", "coordinates": _SQUARE}
_BIN: Final = "2026-11-21T08:05:00.000Z"

CellName = Annotated[str, StringConstraints(min_length=15, max_length=16)]


class ZoneBody(StorableBody):
    """What a zone is called and where it is: its cells, or an outline that is filled with cells."""

    name: Name
    cells: Annotated[list[CellName] | None, Field(min_length=1, max_length=CELLS_MOST, examples=[_CELLS])] = Field(
        default=None, description="H3 cells of resolution 8, in hexadecimal."
    )
    geojson: Annotated[dict[str, Any] | None, Field(max_length=16, examples=[_DRAWN])] = Field(
        default=None,
        description="Polygon, MultiPolygon, or Feature of one (RFC 7946, longitude first): the cells whose centres lie "
        "inside. 2,000 corners at most.",
    )

    @model_validator(mode="after")
    def _either(self) -> "ZoneBody":
        if (self.cells is None) == (self.geojson is None):
            raise ValueError("Send either cells or geojson.")
        return self


class NewZoneBody(ZoneBody):
    """A new zone; without an id one is made of the name. An id is given once, also where its zone is withdrawn."""

    zone_id: Annotated[str | None, StringConstraints(pattern=ZONE_ID), Field(examples=["old-town"])] = None


class NewZoneGrant(StorableBody):
    """What somebody may know and do of a zone, exactly; `act` needs `alerts` beside it; `expires` ends it."""

    scopes: Annotated[
        list[Literal["status", "alerts", "act"]],
        Field(min_length=1, max_length=3, examples=[["status", "alerts"]]),
        AfterValidator(alerts_beside_act),
    ]
    expires: Moment | None = None


class CellShape(BaseModel):
    """One cell of the fixed partition; a count that is not told is null."""

    cell: str = Field(examples=["871f8d4c3ffffff"])
    level: str = Field(examples=["usual"])
    active: int | None = Field(default=None, examples=[40], description="At least so many wearers report.")
    flagged: int | None = Field(default=None, examples=[None], description="At least so many of these are flagged.")


class ZoneStatusShape(BaseModel):
    """How a zone stands: a level, how seldom chance gives as much, and what the zone could see at all."""

    zone_id: str = Field(examples=["old-town"])
    name: str = Field(examples=["Old town"])
    active_episodes: int = Field(examples=[0], description="Open episodes of the zone itself, never of its wearers.")
    risk_level: Literal["safe", "elevated", "warning", "critical", "unknown"] = Field(
        examples=["safe"], description="`safe` only where the level is usual; `unknown` where too few wearers report."
    )
    last_updated: str | None = Field(examples=[_BIN], description="Start of the newest closed bin of five minutes.")
    level: Literal["usual", "elevated", "warning", "critical", "too_few_wearers"] = Field(examples=["usual"])
    state: Literal["starting", "ok", "delayed"] = Field(examples=["ok"])
    version: int = Field(examples=[1])
    revision: int = Field(examples=[288])
    window_min: int | None = Field(examples=[5])
    recurrence: str = Field(examples=["on most days"])
    recurrence_days: float | None = Field(examples=[None])
    test: Literal["count", "shift"] | None = Field(examples=["count"])
    labels: list[Label] = Field(examples=[[]], description="What besides illness is likely behind it.")
    possible: list[Label] = Field(
        examples=[[]], description="What may be behind it without anything that shows it; explains nothing away."
    )
    coverage: Literal["too_few", "thin", "fair", "good"] = Field(examples=["good"])
    smallest_visible: float | None = Field(
        examples=[0.1], description="Least share of wearers flagged at once that would be an alarm; null: none would."
    )
    cells: list[CellShape] | None = Field(default=None, description="Of the whole area alone.")
    region: list[str] | None = Field(default=None, description="Of the whole area alone: what its level is about.")


class ZoneItemShape(BaseModel):
    """A zone in the list: where it is and how it stands, or nulls where the caller may know the definition alone."""

    zone_id: str = Field(examples=["old-town"])
    name: str = Field(examples=["Old town"])
    version: int = Field(examples=[1])
    bounds: list[float] | None = Field(examples=[[7.42, 46.94, 7.48, 46.97]])
    scopes: list[str] = Field(examples=[["alerts", "status"]])
    level: str | None = Field(examples=["usual"])
    coverage: str | None = Field(examples=["good"])
    risk_level: str | None = Field(examples=["safe"])
    state: str | None = Field(examples=["ok"])
    active_episodes: int | None = Field(examples=[0])
    last_updated: str | None = Field(examples=[_BIN])


class ZonesShape(BaseModel):
    """The zones that the caller may know of."""

    items: list[ZoneItemShape]
    cursor: str | None


class ZoneHistoryShape(BaseModel):
    """A page of history, newest first."""

    items: list[ZoneStatusShape]
    cursor: str | None


class SummaryShape(BaseModel):
    """All zones that the caller may see; `overall_status` is the worst of them, `unknown` where none is known."""

    overall_status: Literal["safe", "elevated", "warning", "critical", "unknown"] = Field(examples=["safe"])
    zones: list[ZoneStatusShape]
    timestamp: str = Field(examples=[_BIN])


class DefinitionShape(BaseModel):
    """A GeoJSON Feature: the outline of a zone's cells; of the whole area a FeatureCollection of its partition."""

    type: Literal["Feature", "FeatureCollection"] = Field(examples=["Feature"])
    geometry: dict[str, Any] | None = Field(default=None, examples=[{"type": "MultiPolygon", "coordinates": [_SQUARE]}])
    properties: dict[str, Any] | None = Field(
        default=None, examples=[{"zone_id": "old-town", "name": "Old town", "version": 1, "cells": _CELLS}]
    )
    features: list[dict[str, Any]] | None = None


class ZonePersonShape(BaseModel):
    """A grant for a zone."""

    user_id: UUID = Field(examples=["0199b6f2-5c1e-7c35-9a53-5a0f6f5f7a42"])
    name: str = Field(examples=["Ben"])
    scopes: list[str] = Field(examples=[["status", "alerts"]])
    expires: str | None = Field(examples=[_BIN])


class ZonePeopleShape(BaseModel):
    """Who holds a grant for a zone."""

    items: list[ZonePersonShape]
    cursor: str | None
