"""What must hold of the vitals family with the anomaly model, whatever the order, repetition and cutting of its log."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Final

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from stream_processors.families.vitals import VitalsFamily, VitalsState
from tests.made_model import detector
from tests.vitals_frames import T0_MS, LoggedState, reading

FAMILY: Final = VitalsFamily(detector)
KNOWN_S: Final = 1_020
"""So long everybody is as usual: the model's warm-up is over."""
ODD_S: Final = (KNOWN_S + 30, KNOWN_S + 540)
"""The model asks for seven minutes of a heart rate."""
END_S: Final = KNOWN_S + 840
EVERY_S: Final = 2
"""The longest step of the log that counts in full as observed time, and how late a reading may be."""
DELAY_MS: Final = 2_100
Rows = list[dict[str, Any]]
Slice = tuple[int, Rows]

quick = settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def people() -> list[Slice]:
    """Return a record every other second: as usual, racing at rest on two streams for 8 min, desaturating meanwhile."""
    random = np.random.default_rng(7)
    slices: list[Slice] = []
    for second in [*range(0, KNOWN_S, 5), *range(KNOWN_S, END_S, EVERY_S)]:
        at = T0_MS + second * 1000
        odd = ODD_S[0] <= second < ODD_S[1]
        still: dict[str, Any] = {"motion": 0.01, "steps": 0.0, "utc_offset_min": 60}
        usual, racing = random.normal(65.0, 2.0), random.normal(140.0 if odd else 65.0, 2.0)
        low = random.normal(80.0 if odd else 97.0, 0.5)
        rows = []
        if second % 4 == 0 or second < KNOWN_S:
            beats = [float(each) for each in random.integers(960, 1000, 3)]
            rows.append(reading(at, wearer=0, heart_rate=usual, quality=0.9, ibi=beats, **still))
            rows.append(reading(at, wearer=1, heart_rate=racing, **still))
        if second % 4 == 2 or second < KNOWN_S:
            rows.append(reading(at, wearer=1, source="phone", steps=0.0, heart_rate=racing, quality=0.8))
            rows.append(reading(at, wearer=2, spo2=min(low, 100.0), heart_rate=usual, **still))
        slices.append((at, rows))
    return slices


def run(
    state: VitalsState, slices: Sequence[Slice], *, again: Callable[[VitalsState], VitalsState] | None = None
) -> LoggedState:
    """Hand the slices to the state, made anew after each where told, and let all bins and minutes close."""
    log = LoggedState(state)
    for at, rows in slices:
        log.append(at + DELAY_MS, rows)
        if again is not None:
            log.state = again(log.state)  # type: ignore[arg-type]
    for second in range(EVERY_S, 100, EVERY_S):
        log.append(slices[-1][0] + DELAY_MS + second * 1_000)
    return log


@cache
def known() -> bytes:
    """Return the state after the time in which everybody is as usual."""
    log = LoggedState(FAMILY.open(0, None))
    for at, rows in people()[: KNOWN_S // 5]:
        log.append(at + DELAY_MS, rows)
    return log.state.snapshot()


def rest_of() -> list[Slice]:
    """Return what comes after that."""
    return people()[KNOWN_S // 5 :]


@cache
def straight_run() -> LoggedState:
    """Return the run of the records in order, which tests only look at."""
    return run(FAMILY.open(0, known()), rest_of())


def judged(log: LoggedState) -> dict[Any, Any]:
    """Return the rows of scores by wearer and bin."""
    rows = {(row["wearer"], row["bin"]): row for row in log.rows}
    assert len(rows) == len(log.rows), "a bin was scored twice"
    return rows


def stories(log: LoggedState) -> dict[Any, Any]:
    """Return of each episode what no order of arrival may change."""
    return {
        change.episode_id: (change.condition, change.onset_ms, change.tier, change.end_reason)
        for change in log.episodes
        if change.type == "physiological"
    }


def test_the_story_is_one_in_which_something_happens() -> None:
    """Both deviations open one episode each that recovers, at least one by the model alone, and the usual open none."""
    log = straight_run()
    assert sorted((story[0], story[3]) for story in stories(log).values()) == [
        ("heart_rate.high", "recovered"),
        ("spo2.low", "recovered"),
    ]
    rules = {change.evidence.rule for change in log.episodes if change.condition == "heart_rate.high"}
    assert rules == {"baseline"}
    assert any(row["score"] is not None and row["score"] > 1.0 for row in log.rows)
    assert any(row["value_hrv_rmssd"] is not None for row in log.rows)


@quick
@given(order=st.integers(0, 1000))
def test_an_order_within_the_lateness_changes_no_score(order: int) -> None:
    """Readings that arrive up to 2 s out of order give the same scores and episodes, and no late reading."""
    random = np.random.default_rng(order)
    slices = rest_of()
    later: list[Rows] = [[] for _ in range(len(slices) + 1)]
    for number, (_, rows) in enumerate(slices):
        for row in rows:
            later[number + int(random.integers(0, 2))].append(row)
    for rows in later:
        random.shuffle(rows)
    mixed = run(FAMILY.open(0, known()), [(slices[0][0] + n * EVERY_S * 1000, rows) for n, rows in enumerate(later)])
    assert judged(mixed) == judged(straight_run())
    assert stories(mixed) == stories(straight_run())


@quick
@given(twice=st.integers(2, 40), cut=st.integers(2, 40))
def test_repeats_and_smaller_records_change_no_score(twice: int, cut: int) -> None:
    """Records sent twice, and records cut in two, give the same scores and episodes."""
    slices: list[Slice] = []
    for number, (at, rows) in enumerate(rest_of()):
        parts = [rows[:1], rows[1:]] if number % cut == 0 else [rows]
        slices += [(at, part) for part in parts]
        if number % twice == 0:
            slices.append((at, rows))
    other = run(FAMILY.open(0, known()), slices)
    assert judged(other) == judged(straight_run())
    assert stories(other) == stories(straight_run())


def test_a_restart_after_every_record_changes_no_byte() -> None:
    """A state that is saved and opened again after each record, episodes under way or not, goes on with the same bytes.

    So no episode gets another id, no alert is told twice, and the series of scores is that of an unbroken run: two
    runs over one log say the same.
    """
    whole = straight_run()
    restarted = run(FAMILY.open(0, known()), rest_of(), again=lambda state: FAMILY.open(0, state.snapshot()))
    assert restarted.emissions == whole.emissions
    assert restarted.state.snapshot() == whole.state.snapshot()
