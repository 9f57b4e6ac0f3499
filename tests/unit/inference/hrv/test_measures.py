"""Measures against values computed by hand, by another program, and one by one."""

from typing import Final

import numpy as np
import pytest

from inference.hrv.beats import judge
from inference.hrv.measures import (
    FEW_BEATS,
    FIVE_MINUTES_S,
    GIVEN,
    LOW_COVERAGE,
    METHOD,
    NO_BEATS,
    SHORT_TERM,
    Gate,
    five_minutes,
    measure,
    whole,
)
from inference.slots import Floats

ANY: Final = Gate(least_pairs=1, least_coverage=0.0)

# One person's measurement as published: Welltory/hrv-covid19 (CC0), user 0f2d7af30c, 2020-04-14, with the RMSSD and
# SDNN that the app computed from it.
SPOT_MS: Final = [
    858, 883, 818, 854, 864, 882, 796, 881, 937, 890, 861, 951, 990, 909, 934, 955, 918, 899, 913, 903,
    937, 949, 958, 905, 944, 959, 907, 849, 892, 881, 876, 840, 837, 798, 804, 884, 929, 917, 894, 897,
    944, 875, 913, 936, 911, 903, 929, 953, 946, 949, 967, 935, 950, 974, 909, 877, 908, 941, 898, 914,
    970, 905, 928, 965, 888, 899, 966, 927, 933, 971, 967, 896, 965, 988, 881, 934, 887, 879, 873, 905,
    892, 831, 896, 956, 851, 897, 883, 832, 896, 893, 861, 846, 862, 891, 856, 913, 919, 882, 862, 861,
]  # fmt: skip
SPOT_RMSSD_MS, SPOT_SDNN_MS = 43.372, 42.848


def test_a_sequence_computed_by_hand() -> None:
    """Of 800, 860, 800, 800: differences 60, -60, 0, so RMSSD is the root of 2400, and 2 of 3 are over 50 ms."""
    hrv = whole(judge([800.0, 860.0, 800.0, 800.0]), gate=ANY)
    assert hrv.rmssd_ms[0] == pytest.approx(np.sqrt(2400))
    assert hrv.sdnn_ms[0] == pytest.approx(30.0)  # deviations -15, 45, -15, -15: 2700 / 3
    assert hrv.pnn50_percent[0] == pytest.approx(200 / 3)
    assert hrv.heart_rate_bpm[0] == pytest.approx(60_000 / 815)
    assert (hrv.beats[0], hrv.pairs[0], hrv.coverage[0], hrv.window_s[0]) == (4, 3, 1.0, 3.26)


def test_another_programs_figures_for_a_real_measurement() -> None:
    """RMSSD and SDNN of 100 published intervals are those that were published with them."""
    hrv = whole(judge(SPOT_MS))
    assert hrv.rmssd_ms[0] == pytest.approx(SPOT_RMSSD_MS, abs=0.001)
    assert hrv.sdnn_ms[0] == pytest.approx(SPOT_SDNN_MS, abs=0.001)
    assert (hrv.reason[0], hrv.method) == (GIVEN, METHOD)


def test_measures_are_those_of_numpy_one_by_one() -> None:
    """On steady beats every measure equals its definition written out with numpy."""
    intervals = np.random.default_rng(1).normal(850, 40, size=300).round(3)
    hrv = whole(judge(intervals))
    assert hrv.beats[0] == 300
    changes, rates = np.diff(intervals), 60_000 / intervals
    for found, expected in (
        (hrv.rmssd_ms, np.sqrt(np.mean(changes**2))),
        (hrv.sdnn_ms, np.std(intervals, ddof=1)),
        (hrv.pnn50_percent, 100 * np.mean(np.abs(changes) > 50)),
        (hrv.heart_rate_bpm, 60_000 / intervals.mean()),
        (hrv.heart_rate_sd_bpm, np.std(rates, ddof=1)),
    ):
        assert found[0] == pytest.approx(expected, rel=1e-4)


def test_an_artefact_leaves_the_measures_near_those_without_it() -> None:
    """A missed beat in a real measurement, which alone would triple RMSSD, moves it by less than 3 %."""
    spoilt = [*SPOT_MS[:50], SPOT_MS[50] + SPOT_MS[51], *SPOT_MS[52:]]
    assert np.sqrt(np.mean(np.diff(spoilt) ** 2)) > 3 * SPOT_RMSSD_MS
    hrv = whole(judge(spoilt))
    assert hrv.rmssd_ms[0] == pytest.approx(SPOT_RMSSD_MS, rel=0.03)
    assert hrv.sdnn_ms[0] == pytest.approx(SPOT_SDNN_MS, rel=0.03)
    assert (hrv.beats[0], hrv.pairs[0]) == (98, 96)


def test_windows_over_many_sequences_equal_each_alone() -> None:
    """Measured together, sequences of any length give what each gives alone, to the last bit."""
    random = np.random.default_rng(2)
    sequences = [random.normal(800, 60, size=size) for size in (80, 0, 300, 1, 61)]
    together = whole(judge(np.concatenate(sequences), starts=np.cumsum([0, *map(len, sequences)])))
    for number, sequence in enumerate(sequences):
        alone = whole(judge(sequence))
        for name in ("rmssd_ms", "sdnn_ms", "pnn50_percent", "heart_rate_bpm", "coverage", "reason"):
            np.testing.assert_array_equal(getattr(together, name)[number], getattr(alone, name)[0])


def test_five_minutes_hold_the_beats_that_end_in_them() -> None:
    """The window before 600 s holds what ended after 300 s, up to and with 600 s."""
    ends_s = np.arange(1, 701, dtype=np.float64)
    beats = judge(np.full(700, 1000.0), ends_s=ends_s)
    hrv = five_minutes(beats, ends_s, np.array([600.0, 150.0, 0.0]))
    assert hrv.beats.tolist() == [300, 150, 0]
    assert hrv.pairs.tolist() == [300, 149, 0]
    assert hrv.coverage.tolist() == [1.0, 0.5, 0.0]
    assert hrv.window_s.tolist() == [FIVE_MINUTES_S] * 3


@pytest.mark.parametrize(
    ("intervals", "reason"),
    [(np.zeros(0), NO_BEATS), (np.full(300, 250.0), NO_BEATS), (np.full(60, 1900.0), FEW_BEATS),
     (np.full(100, 700.0), LOW_COVERAGE), (np.full(300, 900.0), GIVEN)],
)  # fmt: skip
def test_too_few_beats_give_a_reason_and_no_value(intervals: Floats, reason: int) -> None:
    """No believed beat, fewer than 60 differences, or less than 30 % of the window: NaN and why."""
    beats = judge(intervals)
    hrv = measure(beats, np.array([0]), np.array([len(beats)]), window_s=FIVE_MINUTES_S, gate=SHORT_TERM)
    assert hrv.reason.tolist() == [reason]
    for values in (hrv.rmssd_ms, hrv.sdnn_ms, hrv.pnn50_percent, hrv.heart_rate_bpm, hrv.heart_rate_sd_bpm):
        assert np.isnan(values[0]) == (reason != GIVEN)


def test_beats_between_holes_do_not_make_differences() -> None:
    """Single beats, each with a hole before it, cover time and give no RMSSD."""
    ends_s = np.arange(2, 302, 2, dtype=np.float64)
    hrv = five_minutes(judge(np.full(150, 800.0), ends_s=ends_s), ends_s, np.array([300.0]))
    assert (hrv.beats[0], hrv.pairs[0], hrv.reason[0]) == (150, 0, FEW_BEATS)
