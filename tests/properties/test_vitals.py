"""What must hold of the vitals family whatever the order, repetition and cutting of its log."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream_processors.families.vitals import VitalsFamily, VitalsState
from tests.vitals_frames import T0_MS, LoggedState, reading

FAMILY = VitalsFamily()
SECONDS = 150
Rows = list[dict[str, Any]]
Slice = tuple[int, Rows]

seeds = st.integers(0, 1)
"""Few, since what varies is the order, the repeats and the cut; their straight runs are kept."""
quick = settings(max_examples=4, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def people(seed: int) -> list[Slice]:
    """Return one record a second of three wearers: usual, racing at rest on two streams, and low saturation."""
    random = np.random.default_rng(seed)
    slices: list[Slice] = []
    for second in range(SECONDS):
        at = T0_MS + second * 1000
        still: dict[str, Any] = {"motion": 0.01, "steps": 0.0}
        rows = [
            reading(at, wearer=0, heart_rate=float(random.integers(60, 75)), quality=0.9, **still),
            reading(at, wearer=1, heart_rate=float(random.integers(184, 196)), **still),
            reading(
                at, wearer=2, spo2=float(random.integers(78, 84)), heart_rate=float(random.integers(70, 80)), **still
            ),
        ]
        if second % 3 == 0:
            rows.append(reading(at, wearer=1, source="phone", steps=0.0, heart_rate=190.0, quality=0.8))
        slices.append((at, rows))
    return slices


def run(state: VitalsState, slices: Sequence[Slice], *, delay_ms: int = 2_100) -> LoggedState:
    """Hand the slices to the state and let all bins close."""
    log = LoggedState(state)
    for at, rows in slices:
        log.append(at + delay_ms, rows)
    log.idle(slices[-1][0] + delay_ms + 1_000, 20)
    return log


@cache
def straight_run(seed: int) -> LoggedState:
    """Return the run of one record a second in order, which tests only look at."""
    return run(FAMILY.open(0, None), people(seed))


def judged(log: LoggedState, *, but: tuple[str, ...] = ()) -> dict[Any, Any]:
    """Return the rows of scores by wearer and bin, without the columns named."""
    rows = {(row["wearer"], row["bin"]): {k: v for k, v in row.items() if k not in but} for row in log.rows}
    assert len(rows) == len(log.rows), "a bin was scored twice"
    return rows


def stories(log: LoggedState) -> dict[Any, Any]:
    """Return of each episode what no order of arrival may change."""
    return {
        change.episode_id: (change.condition, change.onset_ms, change.tier, change.type)
        for change in log.episodes
        if change.type == "physiological"
    }


def shuffled(slices: list[Slice], seed: int) -> list[Slice]:
    """Return the same readings, each in a record up to 2 s later than its own."""
    random = np.random.default_rng(seed)
    later: list[Rows] = [[] for _ in range(len(slices) + 2)]
    for number, (_, rows) in enumerate(slices):
        for row in rows:
            later[number + int(random.integers(0, 3))].append(row)
    for rows in later:
        random.shuffle(rows)
    return [(slices[0][0] + number * 1000, rows) for number, rows in enumerate(later)]


@quick
@given(seed=seeds, order=st.integers(0, 1000))
def test_an_order_within_the_lateness_changes_no_score(seed: int, order: int) -> None:
    """Readings that arrive up to 2 s out of order give the same scores, episodes and no late reading."""
    straight = straight_run(seed)
    mixed = run(FAMILY.open(0, None), shuffled(people(seed), order))
    assert judged(mixed) == judged(straight)
    assert stories(mixed) == stories(straight)
    assert {story[0] for story in stories(straight).values()} == {"heart_rate.high", "spo2.low"}
    assert all(row["late"] == 0 for row in mixed.rows)


@quick
@given(seed=seeds, chosen=st.sets(st.integers(0, SECONDS - 1)))
def test_messages_sent_twice_count_once(seed: int, chosen: set[int]) -> None:
    """Any records repeated at once change no score and no episode."""
    slices = people(seed)
    twice = [each for number, one in enumerate(slices) for each in ([one, one] if number in chosen else [one])]
    straight, doubled = straight_run(seed), run(FAMILY.open(0, None), twice)
    assert judged(doubled) == judged(straight)
    assert stories(doubled) == stories(straight)


@quick
@given(seed=seeds, cut=st.integers(1, SECONDS - 1))
def test_a_snapshot_anywhere_changes_no_byte(seed: int, cut: int) -> None:
    """A state restored at any record goes on with the same bytes, to the same snapshot: two runs over one log agree."""
    slices = people(seed)
    whole = straight_run(seed)
    first = LoggedState(FAMILY.open(0, None))
    for at, rows in slices[:cut]:
        first.append(at + 2_100, rows)
    blob = first.state.snapshot()
    assert first.state.snapshot() == blob
    second = run(FAMILY.open(0, blob), slices[cut:])
    assert first.emissions + second.emissions == whole.emissions
    assert second.state.snapshot() == whole.state.snapshot()


@quick
@given(
    times=st.lists(
        st.tuples(st.integers(-30_000, 30_000), st.sampled_from(["watch", "phone"])), min_size=1, max_size=80
    )
)
def test_watermarks_and_frontiers_never_go_back(times: list[tuple[int, str]]) -> None:
    """Whatever times the readings carry, no watermark moves back or beyond the clock, and no closed bin opens."""
    state = FAMILY.open(0, None)
    log = LoggedState(state)
    lateness = state._lateness
    marks, frontier = np.full(3, -(2**62)), -(2**62)
    for number, (shift_ms, source) in enumerate(times):
        clock = T0_MS + number * 500
        log.append(clock, [reading(clock + shift_ms, source=source, heart_rate=70.0)])
        now = lateness.streams["watermark_ms"][:3].copy()
        assert (now[: lateness.streams.rows] >= marks[: lateness.streams.rows]).all()
        assert now[: lateness.streams.rows].max() <= clock
        assert lateness.wearers["frontier_ms"][0] >= frontier
        marks, frontier = now, lateness.wearers["frontier_ms"][0]


@quick
@given(times=st.lists(st.tuples(st.integers(-40_000, 0), st.sampled_from(["watch", "phone"])), min_size=1, max_size=80))
def test_every_reading_is_scored_once_or_counted_late(times: list[tuple[int, str]]) -> None:
    """Distinct readings are in the end either in exactly one scored bin or counted as late."""
    log = LoggedState(FAMILY.open(0, None))
    sent = set()
    for number, (shift_ms, source) in enumerate(times):
        clock = T0_MS + number * 500
        sent.add((clock + shift_ms, source))
        log.append(clock, [reading(clock + shift_ms, source=source, heart_rate=70.0)])
    log.idle(T0_MS + len(times) * 500, 30)
    log.append(T0_MS + 100_000, [reading(T0_MS + 100_000, heart_rate=70.0)])
    log.idle(T0_MS + 101_000, 20)
    scored = sum(row["readings"] for row in log.rows)
    late = sum(row["late"] for row in log.rows)
    assert scored <= len(sent) + 1
    assert len(sent) + 1 <= scored + late <= len(times) + 1
    judged(log)
