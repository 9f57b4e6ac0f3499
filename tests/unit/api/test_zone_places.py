"""Bounds and outlines of zones are computed once for each version, and cells are asked for only then."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import replace

import h3.api.basic_int as h3
import pytest

from api import zone_places
from api.outlines import bounds
from api.records import Zone
from api.zone_places import Places

MIDDLE = h3.latlng_to_cell(46.948, 7.447, 8)


class Asked:
    """Zones that remember whose cells were asked for."""

    def __init__(self, *zones: Zone) -> None:
        self.zones = {one.zone_id: one for one in zones}
        self.asked: list[str] = []

    async def definitions(self, only: Collection[str] | None) -> Sequence[Zone]:
        """Return the zones of these names."""
        assert only is not None
        self.asked += only
        return [self.zones[one] for one in only if one in self.zones]

    async def listed(self, only: Collection[str] | None) -> Sequence[Zone]:
        """Return them without their cells."""
        return [replace(one, cells=()) for one in self.zones.values() if only is None or one.zone_id in only]


def zone(name: str, *, version: int = 1, rings: int = 1) -> Zone:
    """Return a disc of cells."""
    return Zone(zone_id=name, name=name, version=version, cells=tuple(sorted(h3.grid_disk(MIDDLE, rings))))


def told(places: Places, zones: Asked) -> dict[str, list[float] | None]:
    """Return the bounds of all."""

    async def asked() -> dict[str, list[float] | None]:
        return await places.bounds(zones, await zones.listed(None))

    return asyncio.run(asked())


def test_bounds_are_computed_once_for_each_version() -> None:
    """Asked again, no cells are read; a new version's are, and its bounds are told."""
    places, zones = Places(), Asked(zone("old-town"), zone("harbour"))
    first = told(places, zones)
    assert first == {name: bounds(zones.zones[name].cells) for name in ("old-town", "harbour")}
    assert told(places, zones) == first
    assert sorted(zones.asked) == ["harbour", "old-town"]
    zones.zones["harbour"] = zone("harbour", version=2, rings=3)
    assert told(places, zones)["harbour"] == bounds(zones.zones["harbour"].cells) != first["harbour"]
    assert sorted(zones.asked) == ["harbour", "harbour", "old-town"]


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where there is room for two, all three are told, and the first is read again the next time."""
    monkeypatch.setattr(zone_places, "BOUNDS_MOST", 2)
    places, zones = Places(), Asked(zone("a"), zone("b"), zone("c"))
    assert len(told(places, zones)) == 3
    zones.asked.clear()
    assert None not in told(places, zones).values()
    assert zones.asked == ["a"]


def test_an_outline_is_drawn_once_for_each_version() -> None:
    """The feature has the cells of its version; who asks again gets it without a look at them."""
    places, zones = Places(), Asked(zone("old-town"))
    made = asyncio.run(places.feature(zones, "old-town"))
    assert made is not None
    assert asyncio.run(places.feature(zones, "old-town")) is made
    assert (len(made["properties"]["cells"]), zones.asked) == (7, ["old-town"])
    zones.zones["old-town"] = zone("old-town", version=2, rings=2)
    changed = asyncio.run(places.feature(zones, "old-town"))
    assert changed is not None
    assert len(changed["properties"]["cells"]) == 19
    assert asyncio.run(places.feature(zones, "nowhere")) is None
