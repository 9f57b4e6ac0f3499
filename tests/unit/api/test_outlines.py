"""Outlines become cells, cells outlines; what is broken is refused in a sentence."""

from typing import Any

import h3.api.basic_int as h3
import msgspec
import pytest

from api.errors import RefusedError
from api.outlines import CELLS_MOST, POINTS_MOST, bounds, cell_name, cells_of_names, cells_of_outline, outline, polygon

SQUARE = [[7.42, 46.94], [7.48, 46.94], [7.48, 46.97], [7.42, 46.97], [7.42, 46.94]]
HOLE = [[7.44, 46.95], [7.44, 46.96], [7.46, 46.96], [7.46, 46.95], [7.44, 46.95]]
BERN = h3.latlng_to_cell(46.948, 7.447, 8)


def drawn(*rings: Any, kind: str = "Polygon") -> dict[str, Any]:
    """Return a geometry of these rings."""
    return {"type": kind, "coordinates": list(rings)}


def sliver(number: int) -> list[list[float]]:
    """Return a thin ring of its own across a degree: 9,000 km2 to look through for a cell or none."""
    north = 46.0 + number / 500
    return [[7.0, north], [8.0, north + 1.0], [8.0, north + 1.0001], [7.0, north]]


def deep(depth: int) -> Any:
    """Return a list in a list in a list."""
    found: Any = 1.0
    for _ in range(depth):
        found = [found]
    return found


def test_a_polygon_holds_the_cells_whose_centres_lie_inside() -> None:
    """Every cell's centre is inside the square, and those of a hole are left out."""
    whole, holed = cells_of_outline(drawn(SQUARE)), cells_of_outline(drawn(SQUARE, HOLE))
    for cell in whole:
        latitude, longitude = h3.cell_to_latlng(cell)
        assert 46.94 < latitude < 46.97
        assert 7.42 < longitude < 7.48
    assert whole == sorted(whole)
    assert set(holed) < set(whole)


def test_features_and_many_polygons_hold_the_same() -> None:
    """A Feature of a MultiPolygon holds what its polygons hold together."""
    east = [[longitude + 0.1, latitude] for longitude, latitude in SQUARE]
    both = {"type": "Feature", "properties": None, "geometry": drawn([SQUARE], [east], kind="MultiPolygon")}
    assert cells_of_outline(both) == sorted({*cells_of_outline(drawn(SQUARE)), *cells_of_outline(drawn(east))})


def test_the_outline_of_cells_holds_the_same_cells() -> None:
    """Cells drawn and filled again are the same cells, also where they do not hang together."""
    cells = cells_of_outline(drawn(SQUARE))
    far = h3.latlng_to_cell(47.2, 7.6, 8)
    again = msgspec.json.decode(msgspec.json.encode(outline([*cells, far])))
    assert cells_of_outline(again) == sorted([*cells, far])
    assert cells_of_outline(polygon(cells[0])) == [cells[0]]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "Send a Polygon"),
        ({"type": "Point", "coordinates": [7.4, 46.9]}, "Send a Polygon"),
        ({"type": ["Polygon"], "coordinates": [SQUARE]}, "Send a Polygon"),
        ({"type": {}}, "Send a Polygon"),
        ({"type": "Feature", "geometry": {"type": [1]}}, "Send a Polygon"),
        ({"type": "Feature", "geometry": None}, "no geometry"),
        ({"type": "Feature", "geometry": {"type": "Feature"}}, "Send a Polygon"),
        ({"type": "Polygon"}, "rings of positions"),
        ({"type": "Polygon", "coordinates": {"a": 1}}, "rings of positions"),
        ({"type": "MultiPolygon", "coordinates": [[]]}, "rings of positions"),
        (drawn([]), "A ring is a list"),
        (drawn(SQUARE[:-1]), "ends where it began"),
        (drawn([*SQUARE[:2], SQUARE[0]]), "A ring is a list"),
        (drawn([*SQUARE[:2], [7.5], *SQUARE[2:]]), "A position is"),
        (drawn([*SQUARE[:2], ["7", 46], *SQUARE[2:]]), "A position is"),
        (drawn([*SQUARE[:2], [True, 46], *SQUARE[2:]]), "A position is"),
        (drawn([*SQUARE[:2], [float("nan"), 46], *SQUARE[2:]]), "A position is"),
        (drawn([[181, 46], *SQUARE[1:4], [181, 46]]), "Longitude is"),
        (drawn([[7.4, 91], *SQUARE[1:4], [7.4, 91]]), "Longitude is"),
        (drawn([SQUARE[0], SQUARE[2], SQUARE[1], SQUARE[3], SQUARE[0]]), "crosses or touches"),
        (drawn([*SQUARE[:2], [7.45, 46.94], *SQUARE[2:]]), "crosses or touches"),
        (drawn(SQUARE, [[one + 0.03, other] for one, other in HOLE]), "crosses or touches"),
        (drawn(SQUARE, [[one + 0.1, other] for one, other in HOLE]), "hole lies outside"),
        (drawn(HOLE, SQUARE), "hole lies outside"),
        (drawn([SQUARE[0], *SQUARE]), "twice in a row"),
        (drawn([[7.42, 46.94], [7.4201, 46.94], [7.4201, 46.9401], [7.42, 46.94]]), "no cell"),
        (drawn([[-170, -60], [170, -60], [170, 60], [-170, 60], [-170, -60]]), "too large"),
        (drawn([[0, 89], [0.1, 89], [0.1, -89], [0, 89]]), "too large"),
        (drawn(*[[sliver(number)] for number in range(499)], kind="MultiPolygon"), "too large"),
        (drawn([[7, 46], [9, 46], [9, 47.5], [7, 47.5], [7, 46]]), f"more than {CELLS_MOST} cells"),
        (drawn([[7.0 + number / 1e6, 46.0] for number in range(POINTS_MOST + 1)]), "corners"),
        (drawn(deep(900)), "A ring is a list"),
    ],
)
def test_a_broken_outline_is_refused(given: dict[str, Any], words: str) -> None:
    """Each fault has its sentence, and none becomes a zone."""
    with pytest.raises(RefusedError, match=words) as refused:
        cells_of_outline(given)
    assert refused.value.status == 422


def test_cells_are_named_in_hexadecimal() -> None:
    """Upper and lower case name the same cell, and a cell named twice is one."""
    name = cell_name(BERN)
    assert cells_of_names([name, name.upper()]) == [BERN]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("zz", "no cell"),
        ("", "no cell"),
        ("-881f8d4c37fff", "no cell"),
        ("f" * 16, "no cell"),
        ("8" * 40, "no cell"),
        (cell_name(h3.cell_to_parent(BERN, 7)), "resolution 8"),
        (cell_name(h3.cell_to_center_child(BERN, 9)), "resolution 8"),
    ],
)
def test_what_is_no_cell_of_the_grid_is_refused(name: str, words: str) -> None:
    """A wrong name and a wrong resolution are told by their place."""
    with pytest.raises(RefusedError, match=words) as refused:
        cells_of_names([cell_name(BERN), name])
    assert refused.value.details["field"] == "cells.1"


def test_too_many_cells_are_refused() -> None:
    """A zone has at most so many cells."""
    disc = h3.grid_disk(BERN, 42)
    with pytest.raises(RefusedError, match=f"1 to {CELLS_MOST}"):
        cells_of_names([cell_name(cell) for cell in disc])


def test_bounds_hold_every_corner_also_at_the_end_of_the_map() -> None:
    """West is smaller than east, but where cells lie on both sides of the 180th meridian; no cells have no bounds."""
    west, south, east, north = bounds([BERN]) or []
    latitude, longitude = h3.cell_to_latlng(BERN)
    assert west < longitude < east
    assert south < latitude < north
    west, _, east, _ = bounds(h3.grid_disk(h3.latlng_to_cell(-17.0, 180.0, 8), 3)) or []
    assert west > 179.0
    assert east < -179.0
    assert bounds([]) is None
