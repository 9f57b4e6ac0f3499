"""The first minutes of an area, through both families: nobody is judged yet, and its zones are blind, not safe."""

from typing import Any

import pytest

from inference.pulsenet.weights.loading import load
from schemas import scores
from schemas.topics import SCORES
from schemas.zones import AREA, ZoneStatus
from stream_processors.families.vitals import VitalsFamily
from stream_processors.operators.pulsenet import PulseNetDetector
from stream_processors.operators.zones import Zones
from tests.vitals_frames import T0_MS, LoggedState, reading, still
from tests.zone_frames import HERE

WEARERS = 60
MINUTES = 48
RUN_MIN = 32


def _measured(wearer: int, second: int) -> dict[str, Any]:
    """Return what a wearer's device tells: a third sit all along, a third run from `RUN_MIN` on, a third come then."""
    wandering = (second // 5 * 7 + 3 * wearer) % 11 / 3.0
    if second >= 60 * RUN_MIN and wearer % 3 == 1:
        return {"heart_rate": 140.0 + wandering, "motion": 0.6, "steps": 3.0}
    return still(64.0 + wearer % 9 + wandering)


@pytest.fixture(scope="module")
def told() -> list[ZoneStatus]:
    """Return what is told of the area, bin by bin."""
    log = LoggedState(VitalsFamily(lambda: PulseNetDetector(load())).open(0, None))
    zones = Zones(1)
    found: list[ZoneStatus] = []
    for second in range(0, 60 * MINUTES, 10):
        at_ms = T0_MS + 1_000 * second
        here = [wearer for wearer in range(WEARERS) if wearer % 3 != 2 or second >= 60 * RUN_MIN]
        rows = [
            reading(at_ms, wearer=one, cell=HERE[one % len(HERE)], worn=True, **_measured(one, second)) for one in here
        ]
        for emission in log.append(at_ms + 50, rows).emissions:
            if emission.topic == SCORES.name:
                found += zones.take(0, scores.decode(emission.value)).statuses
    return [one for one in found if one.zone_id == AREA]


def _seen(told: list[ZoneStatus], minutes: range) -> list[ZoneStatus]:
    """Return the statuses of bins that lie within these minutes."""
    own = [one for one in told if minutes.start <= (one.bin_ms - T0_MS) / 60_000 <= minutes.stop - 5]
    assert own
    return own


def test_an_area_is_blind_until_its_wearers_are_judged(told: list[ZoneStatus]) -> None:
    """Forty wearers report from the first second: for 20 min there are too few, and nothing is visible."""
    blind = {(one.level, one.coverage, one.smallest_visible, one.cells) for one in _seen(told, range(-5, 20))}
    assert blind == {("too_few_wearers", "too_few", None, ())}
    assert {one.coverage for one in _seen(told, range(21, RUN_MIN))} == {"thin"}


def test_nothing_is_told_of_the_time_before(told: list[ZoneStatus]) -> None:
    """The first status is of the bin in which somebody was heard first, and of none before."""
    assert 0 <= T0_MS - told[0].bin_ms < 300_000


def test_who_moves_stays_in_the_area_and_who_came_is_not_there_yet(told: list[ZoneStatus]) -> None:
    """Twenty of the forty run: they are judged in movement. Twenty who came then are not yet."""
    assert {one.coverage for one in _seen(told, range(RUN_MIN, MINUTES - 5))} == {"thin"}
