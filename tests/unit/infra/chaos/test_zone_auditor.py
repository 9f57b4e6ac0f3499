"""The judgement of what was told of zones."""

import pyarrow as pa
import pytest

from infra.chaos.zone_auditor import BIN_MS, SURELY_ENOUGH, TOLD_AFTER_MS, Stay, ZoneFindings, compare_series
from infra.chaos.zones import ZoneScreen

T0 = 1_795_262_400_000 // BIN_MS * BIN_MS
STAY = Stay(begun_ms=T0, ended_ms=T0 + 4 * BIN_MS + TOLD_AFTER_MS, wearers=SURELY_ENOUGH)


def stored(*levels: str | None, zone: str = "area") -> pa.Table:
    """Return what the database would hold of a zone, one level a bin; None is a bin that lacks."""
    rows = [(zone, T0 + at * BIN_MS, level) for at, level in enumerate(levels) if level is not None]
    columns = zip(*rows, strict=True) if rows else ((), (), ())
    return pa.table(dict(zip(("zone_id", "bin_ms", "level"), map(list, columns), strict=True)))


def compared(
    zones: list[str], table: pa.Table, stay: Stay, told: dict[tuple[str, int], set[str]], judged: int = SURELY_ENOUGH
) -> ZoneFindings:
    """Return what is found where so many wearers were judged in every bin."""
    return compare_series(zones, table, stay, told, {T0 + at * BIN_MS: judged for at in range(6)})


def test_a_whole_series_breaks_nothing() -> None:
    """Each bin from the first whole one on to the one that is due last, and one that came early."""
    found = compared(["area"], stored(*["usual"] * 6), STAY, {("area", 1): {"a"}})
    assert (found.expected, found.lost, found.doubled, found.wrong, found.shown) == (5, 0, 0, 0, [])


def test_a_bin_that_lacks_is_named_within_and_at_the_end() -> None:
    """One left out in the middle, and the last that was due."""
    found = compared(["area"], stored("usual", None, "usual", "usual"), STAY, {})
    assert found.lost == 2
    assert found.shown == [f"zone area: nothing is told of {T0 + at * BIN_MS}" for at in (1, 4)]


@pytest.mark.parametrize("kept", range(5))
def test_one_bin_of_five_makes_up_for_no_other(kept: int) -> None:
    """What lacks before the one that was told, or after it, is lost as what lacks between two."""
    found = compared(["area"], stored(*["usual" if at == kept else None for at in range(5)]), STAY, {})
    assert (found.expected, found.lost) == (5, 4)
    assert found.shown == [f"zone area: nothing is told of {T0 + at * BIN_MS}" for at in range(5) if at != kept]


def test_a_bin_told_in_two_ways_replaces_none_that_lacks() -> None:
    """Both are found beside each other."""
    found = compared(["area"], stored(None, *["usual"] * 4), STAY, {("area", 3): {"a", "b"}})
    assert (found.expected, found.lost, found.doubled) == (5, 1, 1)


def test_a_zone_of_which_nothing_is_told_lacks() -> None:
    """Another zone's series makes up for nothing."""
    found = compared(["area", "chaos"], stored(*["usual"] * 5), STAY, {})
    assert (found.expected, found.lost) == (10, 5)


@pytest.mark.parametrize("lasted_ms", [90_000, BIN_MS + TOLD_AFTER_MS - 2])
def test_a_stay_too_short_for_a_whole_bin_to_be_told_expects_none(lasted_ms: int) -> None:
    """Neither where nothing was told nor where a bin from before was: the stay begins just after a bin did."""
    short = Stay(begun_ms=T0 + 1, ended_ms=T0 + 1 + lasted_ms, wearers=SURELY_ENOUGH)
    for table in (stored(), stored("usual")):
        found = compared(["area", "chaos"], table, short, {})
        assert (found.expected, found.lost, found.shown) == (0, 0, [])


def test_the_first_whole_bin_is_due_when_its_time_to_be_told_is_over() -> None:
    """One that began before the stay is not due, the next one is, to the millisecond."""
    stay = Stay(begun_ms=T0 + 1, ended_ms=T0 + BIN_MS + TOLD_AFTER_MS, wearers=SURELY_ENOUGH)
    found = compared(["area"], stored(), stay, {})
    assert found.shown == [f"zone area: nothing is told of {T0 + BIN_MS}"]


def test_a_zone_full_of_people_that_is_told_as_empty_is_wrong() -> None:
    """Only bins count that everybody was there for, and in which enough were judged."""
    found = compared(["area"], stored("usual", "too_few_wearers", *["usual"] * 3), STAY, {})
    assert (found.wrong, found.judged) == (1, 5)
    unjudged = compared(["area"], stored(*["too_few_wearers"] * 5), STAY, {}, judged=SURELY_ENOUGH - 1)
    assert (unjudged.wrong, unjudged.judged) == (0, 0)
    few = Stay(begun_ms=STAY.begun_ms, ended_ms=STAY.ended_ms, wearers=SURELY_ENOUGH - 1)
    assert compared(["area"], stored(*["too_few_wearers"] * 5), few, {}).wrong == 0
    late = Stay(begun_ms=T0 + 1, ended_ms=STAY.ended_ms, wearers=SURELY_ENOUGH)
    assert compared(["area"], stored("too_few_wearers", *["usual"] * 4), late, {}).wrong == 0


def test_what_a_screen_was_shown_in_two_ways_is_doubled() -> None:
    """The same update again is no breach; another body under the same revision is one."""
    screen = ZoneScreen("http://nowhere", "", seed=1)
    shown = {"zone_id": "area", "revision": 7, "level": "usual"}
    for body in (shown, dict(shown), shown | {"revision": 8}):
        screen._take({"type": "update", "data": body})
    assert compared(["area"], stored(*["usual"] * 5), STAY, screen.told).doubled == 0
    screen._take({"type": "snapshot", "data": [shown | {"state": "delayed"}]})
    assert compared(["area"], stored(*["usual"] * 5), STAY, screen.told).doubled == 0
    screen._take({"type": "update", "data": shown | {"level": "warning"}})
    found = compared(["area"], stored(*["usual"] * 5), STAY, screen.told)
    assert found.doubled == 1
    assert found.shown == ["zone area: revision 7 was told in 2 ways"]
