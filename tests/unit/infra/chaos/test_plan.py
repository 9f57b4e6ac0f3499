"""The plan of faults: drawn from a seed, fair to targets, and as varied as its length allows."""

from collections import Counter

import pytest

from infra.chaos.plan import FAMILIES, KINDS, TARGETS, Fault, chosen_targets, draw_plan, with_evictions
from schemas.errors import SetupError


def test_a_seed_draws_its_plan_again() -> None:
    """The same seed gives the same plan, another seed another one."""
    assert draw_plan(TARGETS, rounds=5, seed=7) == draw_plan(TARGETS, rounds=5, seed=7)
    assert draw_plan(TARGETS, rounds=5, seed=7) != draw_plan(TARGETS, rounds=5, seed=8)


@pytest.mark.parametrize(("targets", "rounds"), [(TARGETS, 1), (TARGETS, 20), (TARGETS[:3], 4), (("api",), 5)])
def test_there_are_so_many_rounds_for_each_target(targets: tuple[str, ...], rounds: int) -> None:
    """A plan holds rounds x targets faults, and strikes every target at least so many times."""
    plan = draw_plan(targets, rounds=rounds, seed=3)
    assert len(plan) == rounds * len(targets)
    struck = Counter(name for fault in plan for name in fault.targets)
    assert all(struck[name] >= rounds for name in targets)


def test_three_rounds_each_are_every_kind_on_every_target() -> None:
    """Three rounds for each target are the three kinds on each, alone."""
    plan = draw_plan(TARGETS, rounds=3, seed=1)
    assert sorted(map(str, plan)) == sorted(f"{kind} {name}" for kind in KINDS for name in TARGETS)


def test_three_rounds_in_all_are_three_kinds() -> None:
    """One round for each of three targets shows all three kinds, so that a short run still bites."""
    assert {fault.kind for fault in draw_plan(("kafka", "gateway", "vitals"), rounds=1, seed=9)} == set(KINDS)


def test_twenty_rounds_each_cover_every_pair() -> None:
    """The long run strikes every pair with every kind, and nothing a third time before everything a second time."""
    times = Counter(draw_plan(TARGETS, rounds=20, seed=4))
    assert len(times) == 3 * (9 + 36)
    assert max(times.values()) == 2


def test_evictions_come_between_the_other_rounds() -> None:
    """Each family is evicted as often as was asked for, among all that was planned before, by the same seed."""
    plan = draw_plan(TARGETS, rounds=2, seed=4)
    mixed = with_evictions(plan, evictions=2, seed=4)
    assert mixed == with_evictions(plan, evictions=2, seed=4)
    assert Counter(mixed) - Counter(plan) == Counter({Fault("evict", (family,)): 2 for family in FAMILIES})
    assert with_evictions(plan, evictions=0, seed=4) == plan


def test_unknown_targets_are_named() -> None:
    """A target that does not exist is refused by its name, and so is an empty list."""
    assert chosen_targets(" kafka, api,kafka") == ("kafka", "api")
    with pytest.raises(SetupError, match="kafak"):
        chosen_targets("kafak,api")
    with pytest.raises(SetupError, match="Nothing"):
        chosen_targets(" , ")


def test_a_fault_reads_as_words() -> None:
    """A fault is shown as its kind and its targets."""
    assert str(Fault("stop", ("kafka", "api"))) == "stop kafka+api"
