"""Between drawn outlines (GeoJSON, RFC 7946) and cells of the H3 grid: what zones are made of and look like."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

import h3.api.basic_int as h3
import numpy as np
import numpy.typing as npt

from api.errors import RefusedError

RESOLUTION: Final = 8
"""Of the cells that a zone is made of: 0.74 km2 on average."""
CELLS_MOST: Final = 5_000
POINTS_MOST: Final = 2_000
"""Of all rings together: each piece of a ring is held against every other."""
_RING_LEAST: Final = 4
_POSITION: Final = range(2, 4)
_KM_A_DEGREE: Final = 111.2
_BOX_MOST_KM2: Final = 50_000.0
"""The boxes around all polygons together: many times what so many cells cover, and little enough to be looked through
in a second or two, each cell of a box being held against each corner."""
_KINDS: Final = ("Polygon", "MultiPolygon")
_HEX_MOST: Final = 16

Ring = npt.NDArray[np.float64]
"""Corners in order, longitude and latitude in degrees, the first again at the end; shape (n, 2)."""


def cells_of_names(names: Sequence[str]) -> list[int]:
    """Return cells that are named in hexadecimal, ascending, each once.

    Raises:
        RefusedError: One is no cell of the resolution, or there are none or too many.
    """
    found = {_cell(name, place) for place, name in enumerate(names)}
    return _checked(found, "cells")


def cells_of_outline(drawn: Mapping[str, Any]) -> list[int]:
    """Return the cells whose centres lie inside a Polygon, a MultiPolygon, or a Feature of one; ascending.

    Raises:
        RefusedError: It is none of these, an outline is broken, or it holds no cell or too many.
    """
    polygons = [[_ring(ring) for ring in polygon] for polygon in _polygons(drawn)]
    if sum(len(ring) for polygon in polygons for ring in polygon) > POINTS_MOST:
        raise _refusal(f"The outline has more than {POINTS_MOST} corners.")
    _check_size([polygon[0] for polygon in polygons])
    found: set[int] = set()
    for polygon in polygons:
        _check_crossings(polygon)
        _check_holes(polygon)
        corners = [[(latitude, longitude) for longitude, latitude in ring[:-1].tolist()] for ring in polygon]
        found.update(h3.h3shape_to_cells(h3.LatLngPoly(*corners), RESOLUTION))
        if len(found) > CELLS_MOST:
            raise _refusal(f"The outline holds more than {CELLS_MOST} cells.")
    if not found:
        raise _refusal("The outline holds the centre of no cell; a cell is about 1 km across.")
    return _checked(found, "geojson")


def outline(cells: Sequence[int]) -> dict[str, Any]:
    """Return the outline of cells as a GeoJSON MultiPolygon."""
    drawn: dict[str, Any] = h3.cells_to_geo(list(cells), tight=False)
    return {"type": "MultiPolygon", "coordinates": drawn["coordinates"]}


def polygon(cell: int) -> dict[str, Any]:
    """Return one cell as a GeoJSON Polygon."""
    corners = [[longitude, latitude] for latitude, longitude in h3.cell_to_boundary(cell)]
    return {"type": "Polygon", "coordinates": [[*corners, corners[0]]]}


def bounds(cells: Sequence[int]) -> list[float] | None:
    """Return west, south, east, north of the cells' corners, None without cells.

    Cells on both sides of the 180th meridian have a west that is greater than their east (RFC 7946, 5.2).
    """
    corners = np.array([corner for cell in cells for corner in h3.cell_to_boundary(cell)])
    if not len(corners):
        return None
    latitude, longitude = corners.T
    if np.ptp(longitude) > 180.0:  # noqa: PLR2004 - half the way around
        west, east = longitude[longitude > 0].min(), longitude[longitude < 0].max()
    else:
        west, east = longitude.min(), longitude.max()
    return [round(float(value), 6) for value in (west, latitude.min(), east, latitude.max())]


def cell_name(cell: int) -> str:
    """Return a cell's index in hexadecimal."""
    name: str = h3.int_to_str(cell)
    return name


def cell_number(name: str) -> int:
    """Return the index of a cell that was written by us in hexadecimal."""
    number: int = h3.str_to_int(name)
    return number


def _cell(name: str, place: int) -> int:
    try:
        number = int(name, 16) if len(name) <= _HEX_MOST and name.isalnum() else 0
    except ValueError:
        number = 0
    if not h3.is_valid_cell(number):
        raise _refusal("This is no cell of the H3 grid.", field=f"cells.{place}")
    if h3.get_resolution(number) != RESOLUTION:
        wrong = h3.get_resolution(number)
        raise _refusal(f"A cell of resolution {RESOLUTION} is needed, this is one of {wrong}.", field=f"cells.{place}")
    return number


def _checked(found: set[int], field: str) -> list[int]:
    if not 1 <= len(found) <= CELLS_MOST:
        raise _refusal(f"A zone has 1 to {CELLS_MOST} cells.", field=field)
    return sorted(found)


def _polygons(drawn: Mapping[str, Any]) -> list[Sequence[Any]]:
    """Return the rings of each polygon, as they were written."""
    if drawn.get("type") == "Feature":
        inner = drawn.get("geometry")
        if not isinstance(inner, Mapping):
            raise _refusal("The Feature has no geometry.")
        drawn = inner
    kind, written = drawn.get("type"), drawn.get("coordinates")
    if kind not in _KINDS:
        raise _refusal("Send a Polygon, a MultiPolygon, or a Feature of one.")
    polygons = [written] if kind == "Polygon" else written
    if not isinstance(polygons, list) or not polygons or not all(isinstance(one, list) and one for one in polygons):
        raise _refusal(f"A {kind} has coordinates: rings of positions.")
    return polygons


def _ring(written: Any) -> Ring:
    if not isinstance(written, list) or len(written) < _RING_LEAST:
        raise _refusal(f"A ring is a list of {_RING_LEAST} positions at least.")
    if len(written) > POINTS_MOST:
        raise _refusal(f"The outline has more than {POINTS_MOST} corners.")
    ring = np.array([_position(one) for one in written])
    if not (ring[0] == ring[-1]).all():
        raise _refusal("A ring ends where it began.")
    return ring


def _position(written: Any) -> tuple[float, float]:
    if not isinstance(written, list) or len(written) not in _POSITION or not all(_is_number(one) for one in written):
        raise _refusal("A position is [longitude, latitude] in degrees.")
    longitude, latitude = float(written[0]), float(written[1])
    if not (-180.0 <= longitude <= 180.0 and -90.0 <= latitude <= 90.0):  # noqa: PLR2004 - degrees of the globe
        raise _refusal("Longitude is -180 to 180 degrees and comes first, latitude -90 to 90.")
    return longitude, latitude


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _check_size(outlines: Sequence[Ring]) -> None:
    """Refuse what is so far-flung that looking through it would take long.

    Raises:
        RefusedError: The boxes around the outlines are too large together.
    """
    if sum(map(_box_km2, outlines)) > _BOX_MOST_KM2:
        raise _refusal(
            f"The outline is too large: a zone has {CELLS_MOST} cells at most, about 3,700 km2. One that crosses the "
            "180th meridian is cut in two there."
        )


def _box_km2(ring: Ring) -> float:
    """Return the area of the box around a ring, by the latitude in it at which degrees are widest."""
    width, height = np.ptp(ring, axis=0) * _KM_A_DEGREE
    south, north = float(ring[:, 1].min()), float(ring[:, 1].max())
    widest = 0.0 if south <= 0.0 <= north else min(abs(south), abs(north))
    return float(width * math.cos(math.radians(widest)) * height)


def _check_holes(rings: Sequence[Ring]) -> None:
    """Refuse a hole outside its outline; none of the rings touch, so that one corner says where all of a hole lies.

    Raises:
        RefusedError: A hole lies outside.
    """
    start, end = rings[0][:-1], rings[0][1:]
    for hole in rings[1:]:
        longitude, latitude = hole[0]
        spans = (start[:, 1] > latitude) != (end[:, 1] > latitude)
        one, other = start[spans], end[spans]
        along = (latitude - one[:, 1]) / (other[:, 1] - one[:, 1])
        crossed = one[:, 0] + along * (other[:, 0] - one[:, 0]) > longitude
        if crossed.sum() % 2 == 0:
            raise _refusal("A hole lies outside its outline; draw each part as a polygon of its own.")


def _check_crossings(rings: Sequence[Ring]) -> None:
    """Refuse rings that cross or touch themselves or another; O(n2) of at most POINTS_MOST pieces.

    Raises:
        RefusedError: Two pieces meet that are not neighbours of one ring.
    """
    start = np.concatenate([ring[:-1] for ring in rings])
    end = np.concatenate([ring[1:] for ring in rings])
    if (start == end).all(axis=1).any():
        raise _refusal("A ring has the same position twice in a row.")
    first = np.cumsum([0, *(len(ring) - 1 for ring in rings)])
    for ring in range(len(rings)):
        for piece in range(first[ring], first[ring + 1]):
            before = piece - 1 if piece > first[ring] else first[ring + 1] - 1
            after = piece + 1 if piece + 1 < first[ring + 1] else first[ring]
            meets = _meets(start[piece], end[piece], start, end)
            meets[[before, piece, after]] = False
            if meets.any():
                raise _refusal("The outline crosses or touches itself; draw each part as a polygon of its own.")


def _meets(a: Ring, b: Ring, c: Ring, d: Ring) -> npt.NDArray[np.bool_]:
    """Return which pieces c-d share a point with the piece a-b, by the signs of the four turns."""
    abc, abd = _turn(a, b, c), _turn(a, b, d)
    cda, cdb = _turn(c, d, a), _turn(c, d, b)
    touches = [
        (turn == 0) & _between(lone, one, other)
        for turn, lone, one, other in ((abc, c, a, b), (abd, d, a, b), (cda, a, c, d), (cdb, b, c, d))
    ]
    found: npt.NDArray[np.bool_] = np.logical_or.reduce([(abc * abd < 0) & (cda * cdb < 0), *touches])
    return found


def _turn(a: Ring, b: Ring, c: Ring) -> npt.NDArray[np.float64]:
    """Return the sign of the turn from a to b to c: 1 left, -1 right, 0 straight."""
    found: npt.NDArray[np.float64] = np.sign(
        (b[..., 0] - a[..., 0]) * (c[..., 1] - a[..., 1]) - (b[..., 1] - a[..., 1]) * (c[..., 0] - a[..., 0])
    )
    return found


def _between(point: Ring, one: Ring, other: Ring) -> npt.NDArray[np.bool_]:
    low, high = np.minimum(one, other), np.maximum(one, other)
    inside: npt.NDArray[np.bool_] = np.logical_and.reduce((low <= point) & (point <= high), axis=-1)
    return inside


def _refusal(sentence: str, field: str = "geojson") -> RefusedError:
    return RefusedError(422, "invalid", f"{field}: {sentence}", field=field)
