"""Every injected episode is told once, everywhere."""

from collections import Counter

from infra.chaos.alerts import GENERATION, Told, gap, judge
from infra.chaos.auditor import Wearer

FIRST = GENERATION + 1
ADA, BOB = Wearer(0, "ada", "d0"), Wearer(1, "bob", "d1")


def told(wearer: str, *, alert: str = "a", revision: int = FIRST, raised: int = 1) -> Told:
    """Return an alert of a wearer."""
    return Told(f"{wearer}-{alert}", wearer, revision, raised)


def test_one_alert_everywhere_is_right() -> None:
    """An alert in the database, in the list and on the live socket is neither missed nor doubled."""
    found = judge([ADA], [told("ada")], Counter({("ada", "ada-a"): 1}), {"ada-a": {FIRST}})
    assert (found.expected, found.missed, found.doubled, found.unexpected) == (1, 0, 0, 0)


def test_an_alert_is_missed_wherever_it_lacks() -> None:
    """An alert that lacks in the database, in the list, or a revision on the socket is missed, once a wearer."""
    listed = Counter({("ada", "ada-a"): 1})
    assert judge([ADA, BOB], [told("ada")], listed, {"ada-a": {FIRST}}).missed == 1
    assert judge([ADA], [told("ada")], Counter(), {"ada-a": {FIRST}}).missed == 1
    assert judge([ADA], [told("ada", revision=FIRST + 2)], listed, {"ada-a": {FIRST, FIRST + 2}}).missed == 1
    assert judge([ADA], [told("ada")], listed, {}).missed == 1


def test_a_second_alert_or_raising_is_doubled() -> None:
    """Two alerts of one episode, or one that was raised twice, are doubled."""
    listed = Counter({("ada", "ada-a"): 1, ("ada", "ada-b"): 1})
    seen = {"ada-a": {FIRST}, "ada-b": {FIRST}}
    assert judge([ADA], [told("ada"), told("ada", alert="b")], listed, seen).doubled == 1
    once = Counter({("ada", "ada-a"): 1})
    assert judge([ADA], [told("ada", raised=2)], once, seen).doubled == 1


def test_alerts_of_people_who_are_well_are_counted_apart() -> None:
    """An alert of a wearer for whom nothing was injected is told as unexpected."""
    assert judge([], [told("bob")], Counter(), {}).unexpected == 1


def test_a_gap_names_the_revisions() -> None:
    """A gap is told by the numbers within the generation."""
    assert gap({FIRST, FIRST + 1}, FIRST + 1) == ""
    assert "[2]" in gap({FIRST, FIRST + 2}, FIRST + 2)
