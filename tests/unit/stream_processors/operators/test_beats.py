"""Beats become RMSSD: windows, streams, repeats, lateness, and the same answer however the beats came."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference.hrv.beats import judge
from inference.hrv.measures import FEW_BEATS, GIVEN, LOW_COVERAGE, NO_BEATS, five_minutes
from inference.slots import FOREVER, Floats
from schemas.scores import BIN_MS
from schemas.vitals import NAMES
from stream_processors.operators.beats import BeatLists, Beats
from tests.closed_bins import bins

T0_MS: Final = 1_795_000_020_000
"""The beginning of a minute."""
RMSSD: Final = NAMES.index("hrv_rmssd")

Reading = tuple[int, Sequence[float]]
"""Time after T0 in ms, and the beats that end then."""


def lists(readings: Sequence[Reading], *, wearer: int = 0, stream: int = 257, late: bool = False) -> BeatLists:
    """Return readings of one stream."""
    time_ms = np.array([T0_MS + after_ms for after_ms, _ in readings], dtype=np.int64)
    end_ms = np.full(len(readings), FOREVER) if late else (time_ms // BIN_MS + 1) * BIN_MS
    beats = np.array([beat for _, told in readings for beat in told], dtype=np.float32)
    return BeatLists(
        wearer=np.full(len(readings), wearer),
        stream_id=np.full(len(readings), stream),
        sent_ms=time_ms,
        time_ms=time_ms,
        end_ms=end_ms,
        beats_ms=beats,
        starts=np.cumsum([0, *(len(told) for _, told in readings)]),
    )


def told_by_seconds(intervals_ms: Floats) -> list[Reading]:
    """Return a reading a second, with the beats that ended in it, at the second's end."""
    ends_ms = np.cumsum(intervals_ms)
    second = np.ceil(ends_ms / 1000).astype(int)
    return [(int(one) * 1000 - 1, intervals_ms[second == one].tolist()) for one in np.unique(second)]


def alternating(minutes: float, *, by_ms: float = 20.0) -> Floats:
    """Return intervals around 800 ms whose RMSSD is `by_ms`."""
    count = int(minutes * 60_000 / 800)
    return 800 + by_ms / 2 * (1.0 - 2.0 * (np.arange(count, dtype=np.float64) % 2))


def fresh(wearers: int = 1) -> Beats:
    """Return the operator with some wearers."""
    beats = Beats()
    beats.table.extend(wearers)
    return beats


def close(beats: Beats, until_ms: int, *, since_ms: int = 0, wearer: int = 0) -> Iterator[tuple[int, float, int]]:
    """Close a wearer's bins one after the other; yield what is due: (minute after T0, RMSSD, reason)."""
    for end_ms in range(T0_MS + since_ms + BIN_MS, T0_MS + until_ms + 1, BIN_MS):
        lane, ends = np.array([wearer]), np.array([end_ms])
        beats.gather(lane, ends)
        told = beats.fold(lane, ends)
        if told.due[0]:
            yield (end_ms - BIN_MS - T0_MS) // 60_000, float(told.rmssd_ms[0]), int(told.reason[0])


def test_once_a_minute_the_five_minutes_before_it_are_told() -> None:
    """RMSSD of beats that alternate by 20 ms is 20 ms, once there are beats enough, with each minute's first bin."""
    beats = fresh()
    beats.take(lists(told_by_seconds(alternating(7))))
    told = list(close(beats, 7 * 60_000))
    assert [minute for minute, _, _ in told] == [0, 1, 2, 3, 4, 5, 6]
    assert [reason for _, _, reason in told] == [NO_BEATS, LOW_COVERAGE, GIVEN, GIVEN, GIVEN, GIVEN, GIVEN]
    np.testing.assert_allclose([value for _, value, _ in told[2:]], 20.0, rtol=1e-6)


def test_what_is_older_than_five_minutes_is_forgotten() -> None:
    """Five minutes after the variability has halved, nothing of what was before is left in the answer."""
    beats = fresh()
    beats.take(lists(told_by_seconds(np.concatenate([alternating(5, by_ms=40), alternating(6)]))))
    told = {minute: value for minute, value, _ in close(beats, 11 * 60_000)}
    assert told[5] == pytest.approx(40.0)
    assert 20.5 < told[8] < 39.5
    assert told[10] == pytest.approx(20.0, rel=0.01)


def test_after_a_silence_of_minutes_nothing_is_told() -> None:
    """The window before the minute in which a wearer returns holds nothing, so there is a reason and no old value."""
    beats = fresh()
    beats.take(lists(told_by_seconds(alternating(5))))
    list(close(beats, 5 * 60_000))
    beats.take(lists([(10 * 60_000, [800.0])]))
    (told,) = close(beats, 10 * 60_000 + BIN_MS, since_ms=10 * 60_000)
    assert told[0] == 10
    assert np.isnan(told[1])
    assert told[2] == NO_BEATS


def test_it_is_what_the_measures_give_for_the_whole_recording() -> None:
    """Bin by bin through the operator, beats give RMSSD, pairs and coverage of the measures over their windows."""
    intervals = np.random.default_rng(5).normal(850, 60, size=900).round(1)
    intervals[[100, 300, 301, 640]] = 1700.0, 420.0, 430.0, 260.0
    ends_s = np.cumsum(intervals) / 1000
    beats = fresh()
    beats.take(lists([(int(end_s * 1000), [beat]) for end_s, beat in zip(ends_s, intervals, strict=True)]))
    last = int(ends_s[-1]) // 60
    told = {minute: value for minute, value, _ in close(beats, last * 60_000 + BIN_MS)}
    whole = five_minutes(judge(intervals.astype(np.float32)), ends_s, 60.0 * np.arange(1, last + 1, dtype=np.float64))
    np.testing.assert_allclose([told[minute] for minute in range(2, last + 1)], whole.rmssd_ms[1:], rtol=1e-9)


@pytest.mark.parametrize("slowed", [0.5, 1.8])
def test_a_wearers_first_beats_are_judged_by_one_another(slowed: float) -> None:
    """A fast or slow heart is believed from its first beat on: of n beats in a minute n - 1 differences count."""
    beats = fresh()
    intervals = alternating(2) * slowed
    beats.take(lists(told_by_seconds(intervals)))
    list(close(beats, 60_000))
    assert beats.table["pairs"][0].sum() == (np.cumsum(intervals) <= 60_000).sum() - 1


def test_a_hole_between_readings_makes_no_difference() -> None:
    """Beats on both sides of a hole of some seconds are not neighbours: none of the jump shows in RMSSD."""
    readings = told_by_seconds(alternating(2))
    later = [(time_ms + 130_000, told) for time_ms, told in told_by_seconds(alternating(2) * 0.85)]
    beats = fresh()
    beats.take(lists(readings + later))
    told = {minute: value for minute, value, _ in close(beats, 4 * 60_000 + BIN_MS)}
    assert told[4] == pytest.approx(np.sqrt((20**2 + 17**2) / 2), rel=0.02)


def test_a_repeated_beat_counts_once() -> None:
    """A device whose every reading repeats its last ten beats gives what one without repeats gives."""
    intervals = alternating(4, by_ms=30)
    ends_ms = np.cumsum(intervals)
    plain, repeating = fresh(), fresh()
    for beats, back in ((plain, 1), (repeating, 10)):
        beats.take(
            lists(
                [
                    (int(end_ms), intervals[max(0, number + 1 - back) : number + 1].tolist())
                    for number, end_ms in enumerate(ends_ms)
                ]
            )
        )
    np.testing.assert_array_equal(list(close(plain, 240_000)), list(close(repeating, 240_000)))


def test_of_one_identity_the_first_counts() -> None:
    """A reading that comes twice counts once, and one that comes again with other beats changes nothing."""
    once, twice = fresh(), fresh()
    readings = told_by_seconds(alternating(3))
    once.take(lists(readings))
    twice.take(lists(readings))
    twice.take(lists(readings))
    twice.take(lists([(time_ms, [600.0, 600.0, 600.0]) for time_ms, _ in readings]))
    np.testing.assert_array_equal(list(close(once, 185_000)), list(close(twice, 185_000)))
    assert _same(once, twice)


def test_late_beats_are_not_kept() -> None:
    """A reading that is late for its bin leaves no trace, neither now nor in what is saved."""
    beats = fresh()
    beats.take(lists(told_by_seconds(alternating(2)), late=True))
    assert len(beats.waiting()["rows"]) == 0
    assert {reason for _, _, reason in close(beats, 180_000)} == {NO_BEATS}


def test_two_streams_are_never_mixed() -> None:
    """Beats of a second device change nothing while the first goes on; a minute after it stopped, the second begins."""
    first, second = told_by_seconds(alternating(3)), told_by_seconds(alternating(10, by_ms=60))
    alone, both = fresh(), fresh()
    alone.take(lists(first))
    both.take(lists(second, stream=513))
    both.take(lists(first))
    np.testing.assert_array_equal(list(close(both, 4 * 60_000)), list(close(alone, 4 * 60_000)))
    told = {minute: (value, reason) for minute, value, reason in close(both, 9 * 60_000, since_ms=4 * 60_000)}
    assert told[5][1] == LOW_COVERAGE
    assert told[7][0] == pytest.approx(60.0)


def test_few_beats_are_said_to_be_few() -> None:
    """With beats in one second of ten there are no differences enough, and the reason says so."""
    beats = fresh()
    beats.take(lists([(second * 1000, [700.0]) for second in range(0, 600, 10)]))
    assert list(close(beats, 360_000))[-1][2] == FEW_BEATS


def test_a_device_with_rmssd_of_its_own_gets_none_of_ours() -> None:
    """What a device told stands as it is; for a day after it nothing of ours is put beside it."""
    beats = fresh()
    beats.take(lists(told_by_seconds(alternating(12))))
    filled = {}
    for number in range(12 * 12):
        closed = bins(number + 4, hrv_rmssd=33.0) if number == 50 else bins(number + 4)
        beats.gather(closed.wearer, closed.end_ms)
        filled[number] = beats.fill(closed).values[0, RMSSD]
    known = {number: value for number, value in filled.items() if not np.isnan(value)}
    assert known == {24: pytest.approx(20.0), 36: pytest.approx(20.0), 48: pytest.approx(20.0), 50: 33.0}
    (after,) = [beats.fill(bins(4 + 50 + 24 * 720 + more)).values[0, RMSSD] for more in (1,)]
    assert np.isnan(after)  # a day later there are no beats


def test_a_window_that_runs_empty_fills_nothing() -> None:
    """After the last beat no value changes any more than a minute later, though the window still holds enough."""
    beats = fresh()
    beats.take(lists(told_by_seconds(alternating(4))))
    filled = []
    for number in range(8 * 12):
        closed = bins(number + 4)
        beats.gather(closed.wearer, closed.end_ms)
        if not np.isnan(beats.fill(closed).values[0, RMSSD]):
            filled.append(number // 12)
    assert filled == [2, 3, 4]


def test_bins_without_any_beats_are_given_back_untouched() -> None:
    """Where no device tells beats nothing is computed, and the same bins come back."""
    closed = bins(3, heart_rate=70.0)
    assert fresh().fill(closed) is closed


def test_an_absent_answer_is_nan_and_never_zero() -> None:
    """Bins with beats but no answer yet keep NaN."""
    beats = fresh()
    beats.take(lists([(0, [800.0, 810.0])]))
    closed = bins(4)
    beats.gather(closed.wearer, closed.end_ms)
    assert np.isnan(beats.fill(closed).values[0, RMSSD])


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(1, 14))
def test_order_of_arrival_and_a_restart_change_nothing(seed: int, cut: int) -> None:
    """Shuffled within their bins, doubled, of many wearers, through a snapshot: the same answers and the same state."""
    random = np.random.default_rng(seed)
    people = [random.normal(random.uniform(600, 1000), 40, size=120).round(1) for _ in range(3)]
    readings = [(wearer, reading) for wearer, intervals in enumerate(people) for reading in told_by_seconds(intervals)]
    plain, shuffled = fresh(3), fresh(3)
    by_bin: dict[int, list[tuple[int, Reading]]] = {}
    for wearer, reading in readings:
        by_bin.setdefault(reading[0] // BIN_MS, []).append((wearer, reading))
    for number, wearers in enumerate(sorted(by_bin)):
        if number == cut:
            dumped, waiting = shuffled.dump(), shuffled.waiting()
            shuffled = Beats()
            shuffled.load(_copied(dumped), _copied(waiting))
        for wearer, reading in by_bin[wearers]:
            plain.take(lists([reading], wearer=wearer))
        again = by_bin[wearers] + [one for one in by_bin[wearers] if random.random() < 0.3]
        for place in random.permutation(len(again)):
            shuffled.take(lists([again[place][1]], wearer=again[place][0]))
        there = np.unique([wearer for wearer, _ in by_bin[wearers]])
        ends = np.full(len(there), T0_MS + (wearers + 1) * BIN_MS)
        plain.gather(there, ends)
        shuffled.gather(there[::-1], ends)
        one, other = plain.fold(there, ends), shuffled.fold(there[::-1], ends)
        np.testing.assert_array_equal(one.rmssd_ms, other.rmssd_ms[::-1])
    assert _same(plain, shuffled)


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_wearers_do_not_know_of_each_other(seed: int) -> None:
    """Many wearers' beats, closed together or in a backlog of bins at once, give what each wearer's give alone."""
    random = np.random.default_rng(seed)
    people = [random.uniform(250, 1500, size=100).round(1) for _ in range(4)]
    together = fresh(4)
    for wearer, intervals in enumerate(people):
        together.take(lists(told_by_seconds(intervals), wearer=wearer))
    ends = T0_MS + BIN_MS * np.arange(1, 31)
    together.gather(np.tile(np.arange(4), len(ends)), np.repeat(ends, 4))
    waves = [together.fold(np.arange(4), np.full(4, end_ms)) for end_ms in ends]
    for wearer, intervals in enumerate(people):
        alone = fresh()
        alone.take(lists(told_by_seconds(intervals)))
        told = [(value, reason) for _, value, reason in close(alone, 30 * BIN_MS)]
        found = [(float(wave.rmssd_ms[wearer]), int(wave.reason[wearer])) for wave in waves if wave.due[wearer]]
        np.testing.assert_array_equal(found, told)


def _same(one: Beats, other: Beats) -> bool:
    tables = zip(one.dump().items(), other.dump().items(), strict=True)
    return all(
        name == twin and array.tobytes() == copy.tobytes() for (name, array), (twin, copy) in tables
    ) and np.array_equal(one.waiting()["rows"], other.waiting()["rows"])


def _copied(arrays: Mapping[str, Any]) -> dict[str, Any]:
    return {name: array.copy() for name, array in arrays.items()}
