"""What must hold of the zones however the partitions' records lie between one another, come twice, or are cut."""

from functools import cache

import msgspec
import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from schemas.episodes import Episode
from schemas.scores import ScoreFrame
from schemas.zones import ZoneStatus
from stream_processors.operators.zone_told import Definition, Told
from stream_processors.operators.zones import STATUSES_A_BIN, Zones
from tests.zone_frames import HERE, THERE, Crowd, log_of

PARTITIONS = 3
BINS = 33
RECORDS = 2 * BINS
ZONES = (Definition(zone_id="old-town", version=2, name="Old Town", cells=tuple(HERE)),)
quick = settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def made() -> list[list[ScoreFrame]]:
    """Return the log: forty wearers in one place, all flagged in one bin, and twenty in another."""
    crowds = (Crowd(wearers=40, cells=HERE, flagged_in=frozenset({1})), Crowd(wearers=20, cells=THERE))
    return log_of(crowds, bins=BINS, partitions=PARTITIONS)


def fresh() -> Zones:
    """Return the state before the first record, with one named zone."""
    zones = Zones(PARTITIONS)
    zones.define(ZONES)
    return zones


def series(steps: list[Told]) -> list[bytes]:
    """Return the statuses of bins and the changes of episodes, in order, as they lie on the topics."""
    told: list[ZoneStatus | Episode] = []
    for one in steps:
        told += [status for status in one.statuses if status.revision % STATUSES_A_BIN == 0]
        told += one.episodes
    return [msgspec.json.encode(one) for one in told]


@cache
def straight() -> list[bytes]:
    """Return the series of the log in order of time."""
    zones = fresh()
    return series([
        zones.take(partition, made()[partition][at]) for at in range(RECORDS) for partition in range(PARTITIONS)
    ])  # fmt: skip


def order(seed: int, *, repeats: int) -> list[tuple[int, int]]:
    """Return (partition, record) in any order that keeps that of each partition; some records come again, later."""
    draw = np.random.default_rng(seed)
    left = {
        partition: sorted([*range(RECORDS), *draw.integers(0, RECORDS, repeats).tolist()])
        for partition in range(PARTITIONS)
    }
    found: list[tuple[int, int]] = []
    while left:
        partition = int(draw.choice(sorted(left)))
        run = left[partition][: int(draw.integers(1, 9))]
        found += [(partition, record) for record in run]
        left[partition] = left[partition][len(run) :]
        left = {number: waiting for number, waiting in left.items() if waiting}
    return found


def test_the_log_holds_an_alarm() -> None:
    """What the other tests compare is more than clean bins: a zone's episode opens and ends."""
    told = b"".join(straight())
    assert b'"phase":"opened"' in told
    assert b'"phase":"ended"' in told
    assert b'"zone":"old-town"' in told


@quick
@given(seed=st.integers(0, 2**32), repeats=st.sampled_from([0, 20]))
def test_any_order_of_the_partitions_gives_the_same_series(seed: int, repeats: int) -> None:
    """Records of several partitions in any order, some of them twice, tell the same statuses and episodes."""
    zones = fresh()
    assert series([zones.take(at, made()[at][number]) for at, number in order(seed, repeats=repeats)]) == straight()


@quick
@given(cuts=st.sets(st.integers(1, RECORDS * PARTITIONS - 1), min_size=1, max_size=3))
def test_a_saved_state_goes_on_bit_for_bit(cuts: set[int]) -> None:
    """A state that is saved and loaded anywhere tells what the one that was not tells, and saves the same bytes."""
    zones, steps = fresh(), []
    for number in range(RECORDS * PARTITIONS):
        if number in cuts:
            blob = zones.dump()
            zones = Zones(PARTITIONS)
            zones.load(blob)
            assert zones.dump() == blob
        at, partition = divmod(number, PARTITIONS)
        steps.append(zones.take(partition, made()[partition][at]))
    assert series(steps) == straight()
