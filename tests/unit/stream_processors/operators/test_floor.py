"""The clinical floor."""

import dataclasses
from typing import Any

import numpy as np
import pytest

from stream_processors.operators.conditions import FLOOR_RULES
from stream_processors.operators.floor import Floor
from stream_processors.operators.readings import NOT_WORN
from tests.closed_bins import activity, bins

HIGH, LOW, SATURATION = range(3)
NOT_FROZEN = np.array([False])


def made() -> Floor:
    """Return a floor with one stream."""
    floor = Floor()
    floor.runs.table.extend(1)
    return floor


def fires(floor: Floor, number: int, *, rule: int = HIGH, at_rest: bool = True, **vitals: Any) -> bool:
    """Take one bin and return whether the rule fires."""
    verdict = floor.judge(bins(number, **vitals), activity(at_rest=at_rest), frozen=NOT_FROZEN)
    return bool(verdict.fires[0, rule])


def test_the_table_holds_the_limits_of_the_design() -> None:
    """Saturation below 85, heart rate above 180 or below 35 at rest."""
    assert [(rule.name, rule.floor, rule.at_rest) for rule in FLOOR_RULES] == [
        ("heart_rate.high", 180, True),
        ("heart_rate.low", 35, True),
        ("spo2.low", 85, False),
    ]


@pytest.mark.parametrize(
    ("rule", "vitals"),
    [(HIGH, {"heart_rate": 181.0}), (LOW, {"heart_rate": 34.0}), (SATURATION, {"spo2": 84.0})],
)
def test_two_minutes_beyond_the_limit_fire(rule: int, vitals: dict[str, Any]) -> None:
    """The 24th bin in a row fires, no earlier one does."""
    floor = made()
    assert [fires(floor, number, rule=rule, **vitals) for number in range(25)].index(True) == 23


@pytest.mark.parametrize("vitals", [{"heart_rate": 180.0}, {"heart_rate": 35.0}, {"spo2": 85.0}])
def test_the_limit_itself_is_within(vitals: dict[str, Any]) -> None:
    """A value at the limit is not beyond it."""
    floor = made()
    assert not any(fires(floor, number, rule=rule, **vitals) for number in range(30) for rule in (HIGH,))


def test_one_bin_within_begins_anew() -> None:
    """A single value within the limit ends the run."""
    floor = made()
    rates = [190.0] * 20 + [170.0] + [190.0] * 23
    assert not any(fires(floor, number, heart_rate=rate) for number, rate in enumerate(rates))
    assert fires(floor, len(rates), heart_rate=190.0)


def test_movement_ends_a_run_of_the_heart_but_not_of_saturation() -> None:
    """The heart's limits hold at rest alone, that of saturation always."""
    heart, saturation = made(), made()
    assert not any(fires(heart, number, at_rest=number != 20, heart_rate=190.0) for number in range(40))
    low = [fires(saturation, n, rule=SATURATION, at_rest=n != 20, spo2=80.0) for n in range(24)]
    assert low[23]


def test_one_bin_a_minute_covers_two_minutes() -> None:
    """A sensor that measures once a minute can alarm with its third value; a longer gap begins anew."""
    floor, sparse = made(), made()
    assert [fires(floor, number, rule=SATURATION, spo2=80.0) for number in (0, 12, 24)] == [False, False, True]
    assert not any(fires(sparse, number, rule=SATURATION, spo2=80.0) for number in (0, 14, 28, 42))


def test_taken_off_ends_a_run() -> None:
    """A bin off the body ends what ran before it."""
    floor = made()
    for number in range(20):
        fires(floor, number, heart_rate=190.0)
    off = dataclasses.replace(bins(20), worn=np.array([NOT_WORN]))
    floor.judge(off, activity(), frozen=NOT_FROZEN)
    assert not fires(floor, 24, heart_rate=190.0)


def test_a_frozen_rate_counts_for_nothing() -> None:
    """Frozen heart rates do not fire, while saturation beside them still does."""
    floor = made()
    for number in range(30):
        verdict = floor.judge(bins(number, heart_rate=190.0, spo2=80.0), activity(), frozen=np.array([True]))
    assert verdict.fires.tolist() == [[False, False, True]]


def test_a_run_remembers_its_furthest_value() -> None:
    """The extreme of a run is the value furthest beyond the limit on its side."""
    floor = made()
    for number, rate in enumerate((190.0, 210.0, 185.0)):
        fires(floor, number, heart_rate=rate)
    run = floor.runs.run(0, HIGH)
    assert (run.extreme, run.bins, run.vague) == (210.0, 3, 1)
