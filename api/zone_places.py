"""Where zones lie, computed once for each version of a zone: a version never changes, and 5,000 cells take 0.1 s."""

import asyncio
from collections.abc import Sequence
from typing import Any, Final, TypeVar

from api.outlines import bounds
from api.records import Zone
from api.zone_ports import Definitions
from api.zone_views import feature

BOUNDS_MOST: Final = 2_000
"""Some versions of as many zones as there may be."""
FEATURES_MOST: Final = 32
"""One of 5,000 scattered cells takes a few MB."""

_Version = tuple[str, int]
_Value = TypeVar("_Value")


class Places:
    """Remembers bounds and outlines by zone and version, those computed last; one for each database of zones."""

    def __init__(self) -> None:
        self._bounds: dict[_Version, list[float] | None] = {}
        self._features: dict[_Version, dict[str, Any]] = {}

    async def bounds(self, zones: Definitions, listed: Sequence[Zone]) -> dict[str, list[float] | None]:
        """Return the bounds of zones by id; cells are asked for, and computed with, where the version is a new one.

        Raises:
            DatabaseAwayError: Cells were needed.
        """
        found = {one.zone_id: self._bounds[_version(one)] for one in listed if _version(one) in self._bounds}
        missing = [one.zone_id for one in listed if one.zone_id not in found]
        if missing:
            defined = await zones.definitions(missing)
            made = await asyncio.to_thread(lambda: [bounds(one.cells) for one in defined])
            for one, its in zip(defined, made, strict=True):
                found[one.zone_id] = its
                _keep(self._bounds, _version(one), its, BOUNDS_MOST)
        return found

    async def feature(self, zones: Definitions, zone_id: str) -> dict[str, Any] | None:
        """Return a zone as a GeoJSON Feature, None where there is no such zone; it is not to be changed.

        Raises:
            DatabaseAwayError: The database is away.
        """
        for listed in await zones.listed([zone_id]):
            known = self._features.get(_version(listed))
            if known is not None:
                return known
            for defined in await zones.definitions([zone_id]):
                made = await asyncio.to_thread(feature, defined)
                _keep(self._features, _version(defined), made, FEATURES_MOST)
                return made
        return None


def _version(zone: Zone) -> _Version:
    return zone.zone_id, zone.version


def _keep(kept: dict[_Version, _Value], version: _Version, value: _Value, most: int) -> None:
    kept[version] = value
    while len(kept) > most:
        del kept[next(iter(kept))]
