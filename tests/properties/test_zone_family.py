"""Named zones that are nested or apart pin no group of 1 to 10 wearers; ones that cross do (docs/adr/0024)."""

from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from api.records import Zone
from api.zone_family import crossing
from tests.zone_families import Bounds, all_told, bounds_of, class_of, parts, pinned, told_of

NEAR_ENDS = st.one_of(
    st.integers(0, 60), st.sampled_from([0, 1, 5, 10, 20, 21, 22, 23, 27, 28, 44, 49, 50, 55, 144, 150, 199, 200, 210])
)
CELLS = 7


@st.composite
def families(draw: st.DrawFn) -> list[frozenset[int]]:
    """Return zones that are nested or apart, over at most CELLS cells: groups that are joined until few are left."""
    zones = [frozenset({cell}) for cell in range(draw(st.integers(2, CELLS)))]
    free, found = list(zones), []
    while len(free) > 1:
        joined = [free.pop(draw(st.integers(0, len(free) - 1))) for _ in range(min(len(free), draw(st.integers(2, 4))))]
        free.append(frozenset().union(*joined))
        found.append(free[-1])
    chosen = [zone for zone in zones if draw(st.booleans())]
    return [*found, *chosen]


@settings(max_examples=40)
@given(zones=families(), data=st.data())
def test_nested_zones_pin_nobody(zones: list[frozenset[int]], data: st.DataObject) -> None:
    """Whatever the counts are, no union of parts is known to hold somebody and at most ten."""
    counts = {cell: data.draw(NEAR_ENDS) for cell in sorted(frozenset().union(*zones))}
    bounds = [bounds_of(class_of(sum(counts[cell] for cell in zone))) for zone in zones]
    assert as_defined(zones) == []
    assert not any(map(pinned, all_told(zones, bounds)))


@settings(max_examples=60)
@given(zones=families(), other=st.frozensets(st.integers(0, CELLS - 1), min_size=1))
def test_what_crosses_is_found(zones: list[frozenset[int]], other: frozenset[int]) -> None:
    """One more set of cells is found to cross exactly where it shares cells with a zone, all of neither."""
    crosses = any(zone & other and not (zone <= other or other <= zone) for zone in zones)
    assert bool(as_defined([*zones, other])) == crosses


def as_defined(zones: Sequence[frozenset[int]]) -> list[tuple[str, str]]:
    """Return which of these zones cross."""
    return crossing(
        Zone(zone_id=str(number), name="", version=1, cells=tuple(sorted(zone))) for number, zone in enumerate(zones)
    )


def test_crossing_zones_pin_somebody() -> None:
    """Five sets of cells along a line, as thin, thin, thin, too few, thin, tell that 1 to 5 wearers are in one cell."""
    zones = [frozenset(range(first, last + 1)) for first, last in ((11, 13), (14, 16), (11, 17), (18, 21), (17, 21))]
    told = ["thin", "thin", "thin", "too_few", "thin"]
    assert as_defined(zones) != []
    assert (1, 5) in set(all_told(zones, [bounds_of(one) for one in told]))


def test_the_nearest_that_nested_zones_come_is_1_to_11() -> None:
    """A zone of 55 at most, as its neighbours take the rest of what 199 leave, less one of 44 at least."""
    inner = ["thin", "thin", "thin", "fair"]
    zones = [{1}, {2}, {1, 2, 3}, {1, 2, 3, 4}, {5}, {6}, {7}, {8}, {1, 2, 3, 4, 5, 6, 7, 8, 9}]
    told = [*inner, "fair", "fair", "thin", "thin", "fair"]
    cut = parts(zones)
    outer = tuple(part == tuple(4 in zone for zone in zones) for part in cut)
    bounds: tuple[Bounds, ...] = tuple(map(bounds_of, told))
    assert told_of(cut, bounds, outer) == (1, 11)
    assert not any(map(pinned, all_told(zones, bounds)))


def test_told_of_from_eleven_on_nested_zones_would_pin_somebody() -> None:
    """Were the least eleven, a zone told of and cut in two that are not would say that 1 to 10 are in either."""
    zones = [{1, 2}, {1}, {2}]
    told = ["thin", "too_few", "too_few"]
    assert any(map(pinned, all_told(zones, [bounds_of(one, 11) for one in told])))
    assert not any(map(pinned, all_told(zones, [bounds_of(one) for one in told])))
