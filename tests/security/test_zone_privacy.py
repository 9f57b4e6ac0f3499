"""What is told of zones, in every message of a simulated run, tells of nobody; and neither does subtracting it."""

import asyncio
from collections.abc import Sequence

import h3.api.basic_int as h3
import numpy as np
import pytest

from inference.slots import Ints
from inference.zones.city import City, CityPlan
from inference.zones.scan import BINS_KEPT
from stream_processors.operators.zone_partition import CENSUS_LEAST_BINS, FINE, FixedPartition
from tests.zone_attacks import Record, faults, step_bounds
from tests.zone_families import all_told, bounds_of, pinned
from tests.zone_world import BINS_A_DAY, ZoneWorld, nested

PLAN = CityPlan(wearers=600, rings=8, seed=3)
ILL = 3
BINS = 168
"""Fourteen hours, with a common event at noon; `python -m tests.zone_world` follows weeks."""


@pytest.fixture(scope="module")
def run() -> Record:
    """What a run told to somebody who may see every zone, and what was tried on it."""
    return asyncio.run(follow())


async def follow() -> Record:
    """Return what a run told."""
    world = ZoneWorld(PLAN, nested(City(PLAN)))
    found = Record(world)
    for number, (closed, on, _) in enumerate(world.bins(BINS)):
        if number:
            await found.look(all_routes=number % 24 == 0)
        found.before(closed, on, toggles=number % 24 == 0)
    return found


def test_no_message_or_answer_tells_what_may_not_be_told(run: Record) -> None:
    """No identifier, device or value, no count of 1 to 10, none of a named zone, no finer time than five minutes."""
    assert run.faults == {}
    assert run.inspected["live"] > BINS
    assert run.inspected["http"] > BINS


def test_subtracting_tells_of_no_group_of_one_to_ten(run: Record) -> None:
    """Neither zones less those within, nor the area less its cells, nor a bin less the one before tell of 1 to 10.

    Were zones told of from eleven wearers on, the first would: the attack is one that can succeed.
    """
    for attack in ("nested", "totals", "successive bins", "one person counted"):
        assert run.tried[attack] > 0, attack
        assert run.learned[attack] == 0, attack
    assert run.learned["nested, were zones told of from 11 on"] > 0


def test_one_person_changes_classes_alone_and_seldom(run: Record) -> None:
    """In one bin no status tells one person's flag, and less than one in a hundred a step or absence."""
    for kind, share in (("flag", 0.0), ("moves", 0.01), ("absent", 0.01)):
        assert run.tried[f"one person: {kind}"] > 100
        assert run.learned[f"one person: {kind}"] <= share * run.tried[f"one person: {kind}"], kind


def test_two_hours_of_one_persons_flags_raise_nothing() -> None:
    """In the small hours of a made city, one person flagged in every bin for two hours and more raises no alarm."""
    world = ZoneWorld(PLAN, nested(City(PLAN)))
    there = 0
    for closed, _, _ in world.bins(30, ill=ILL):
        there += bool(closed.flag[closed.wearer == ILL].any())
    assert there >= BINS_KEPT
    statuses = [one for told in world.kept.statuses.values() for one in told]
    assert len(statuses) > 30 * 30
    assert {one.level for one in statuses} <= {"usual", "too_few_wearers"}
    assert {one.recurrence_days for one in statuses} == {None}
    assert world.kept.tracked == {}


def test_the_inspection_finds_what_may_not_be_told() -> None:
    """An id, a name that is not known, a small count, a named zone's count and a fine time are each found."""
    good = {"zone_id": "area", "last_updated": "2026-11-21T08:05:00.000Z", "cells": []}
    assert list(faults(good)) == []
    cell = {"cell": "871f8d4c3ffffff", "level": "usual", "active": 22, "flagged": None}
    assert list(faults(good | {"cells": [cell]})) == []
    bad = (
        good | {"wearer_id": "x"},
        good | {"heart_rate": 61.0},
        good | {"last_updated": "2026-11-21T08:05:01.000Z"},
        good | {"cells": [cell | {"active": 12}]},
        good | {"cells": [cell | {"flagged": 3}]},
        good | {"cells": [cell | {"cell": "881f8d4c37fffff"}]},
        good | {"zone_id": "ward", "cells": [cell]},
        good | {"zone_id": "ward", "active": 22},
        good | {"reason": "4 of 30 wearers are flagged."},
        {"items": [good | {"recurrence_days": 33.1}]},
    )
    assert all(list(faults(one)) for one in bad)


def test_a_shown_cell_and_zones_that_cut_it_can_tell() -> None:
    """What docs/models/zones.md says is not prevented: a shown cell of 22 to 49 is a set that zones may cross."""
    cell, outside = {1, 2, 3}, {4}
    zones = [cell, {2}, {3}, {1} | outside, outside]
    told = [step_bounds(22), bounds_of("thin"), bounds_of("thin"), bounds_of("thin"), bounds_of("too_few")]
    assert (1, 5) in set(all_told(zones, told))
    assert not any(map(pinned, all_told(zones[1:], told[1:])))


def test_a_census_does_not_tell_what_was_hidden_before() -> None:
    """Where a parent takes the place of its children, or they its, what was hidden of them cannot be subtracted."""
    for seed in range(2):
        city = City(CityPlan(wearers=1_500, rings=9, seed=seed))
        partition, month_ms = FixedPartition(), 1_769_904_000_000
        cells = city.cells[city.where(3.0)]
        places = [city.cells[city.where(hour)] for hour in range(24)]
        for number in range(CENSUS_LEAST_BINS):
            at = month_ms - (CENSUS_LEAST_BINS - number) * 300_000
            partition.take(at, places[number % BINS_A_DAY // 12])
        before = shown(partition, cells)
        partition.take(month_ms, cells)
        after = shown(partition, cells)
        assert before != after
        for parent, whole in before.items():
            members = {cell: step for cell, step in after.items() if h3.cell_to_parent(cell, 6) == parent}
            if parent in after or whole < 0 or not members:
                continue
            told = [step_bounds(step) for step in members.values() if step >= 0]
            low, high = step_bounds(whole)
            assert not pinned((low - sum(one[1] for one in told), high - sum(one[0] for one in told)))


def shown(partition: FixedPartition, cells: Ints) -> dict[int, int]:
    """Return the count that is told of each shown cell, -1 where it is hidden."""
    listed: Sequence[int] = partition.cells().tolist()
    place = partition.places(cells)
    active = np.bincount(place[place >= 0], minlength=len(listed)).astype(np.int64)
    found = partition.disclosed(active, np.zeros(len(listed), dtype=np.int64)).active.tolist()
    assert FINE > 6
    return dict(zip(listed, found, strict=True))
