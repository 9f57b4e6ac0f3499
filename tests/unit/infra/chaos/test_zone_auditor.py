"""The judgement of what was told of zones."""

import pyarrow as pa

from infra.chaos.zone_auditor import BIN_MS, SURELY_ENOUGH, TOLD_AFTER_MS, Stay, compare_series
from infra.chaos.zones import ZoneScreen

T0 = 1_795_262_400_000 // BIN_MS * BIN_MS
STAY = Stay(begun_ms=T0, ended_ms=T0 + 4 * BIN_MS + TOLD_AFTER_MS, wearers=SURELY_ENOUGH)


def stored(*levels: str | None, zone: str = "area") -> pa.Table:
    """Return what the database would hold of a zone, one level a bin; None is a bin that lacks."""
    rows = [(zone, T0 + at * BIN_MS, level) for at, level in enumerate(levels) if level is not None]
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(dict(zip(("zone_id", "bin_ms", "level"), map(list, columns), strict=True)))


def test_a_whole_series_breaks_nothing() -> None:
    """Each bin from the first on to the one that is due last, and one that came early."""
    found = compare_series(["area"], stored(*["usual"] * 6), STAY, {("area", 1): {"a"}})
    assert (found.expected, found.lost, found.doubled, found.wrong, found.shown) == (5, 0, 0, 0, [])


def test_a_bin_that_lacks_is_named_within_and_at_the_end() -> None:
    """One left out in the middle, and the last that was due."""
    found = compare_series(["area"], stored("usual", None, "usual", "usual"), STAY, {})
    assert found.lost == 2
    assert found.shown == [f"zone area: nothing is told of {T0 + at * BIN_MS}" for at in (1, 4)]


def test_a_zone_of_which_nothing_is_told_lacks() -> None:
    """Another zone's series makes up for nothing."""
    assert compare_series(["area", "chaos"], stored(*["usual"] * 5), STAY, {}).lost == 1


def test_a_zone_full_of_people_that_is_told_as_empty_is_wrong() -> None:
    """Only bins that everybody was there for count."""
    found = compare_series(["area"], stored("usual", "too_few_wearers", *["usual"] * 3), STAY, {})
    assert found.wrong == 1
    few = Stay(begun_ms=STAY.begun_ms, ended_ms=STAY.ended_ms, wearers=SURELY_ENOUGH - 1)
    assert compare_series(["area"], stored(*["too_few_wearers"] * 5), few, {}).wrong == 0
    late = Stay(begun_ms=T0 + 1, ended_ms=STAY.ended_ms, wearers=SURELY_ENOUGH)
    assert compare_series(["area"], stored("too_few_wearers", *["usual"] * 4), late, {}).wrong == 0


def test_what_a_screen_was_shown_in_two_ways_is_doubled() -> None:
    """The same update again is no breach; another body under the same revision is one."""
    screen = ZoneScreen("http://nowhere", "", seed=1)
    shown = {"zone_id": "area", "revision": 7, "level": "usual"}
    for body in (shown, dict(shown), shown | {"revision": 8}):
        screen._take({"type": "update", "data": body})
    assert compare_series(["area"], stored(*["usual"] * 5), STAY, screen.told).doubled == 0
    screen._take({"type": "snapshot", "data": [shown | {"state": "delayed"}]})
    assert compare_series(["area"], stored(*["usual"] * 5), STAY, screen.told).doubled == 0
    screen._take({"type": "update", "data": shown | {"level": "warning"}})
    found = compare_series(["area"], stored(*["usual"] * 5), STAY, screen.told)
    assert found.doubled == 1
    assert found.shown == ["zone area: revision 7 was told in 2 ways"]
