"""Breathing in the pulse: told where two witnesses agree for half a minute, else none and why."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from inference.rppg import breathing
from inference.rppg.analysis import analyze
from inference.rppg.beats import Found
from inference.rppg.fitting.renders import Scene, render
from inference.rppg.reasons import BreathReason
from inference.slots import Floats

pytestmark = pytest.mark.story

HZ = 30


def found(breaths: float, *, seconds: float = 40.0, swell: float = 0.2, interval_s: float = 0.8) -> Found:
    """Return beats whose intervals, and by `swell` whose heights, change with the breath."""
    count = round(seconds / interval_s) + 1
    swing = np.sin(2 * np.pi * breaths / 60 * interval_s * np.arange(count))
    time_s = np.cumsum(interval_s * (1 + 0.05 * swing))
    wave = np.sin(2 * np.pi * breaths / 60 * time_s)
    return Found(time_s=time_s, likeness=np.ones(count), height=1 + swell * wave)


def dull(beats: Found) -> Floats:
    """Return a brightness without any rhythm, as long as the beats."""
    return np.random.default_rng(1).normal(0, 0.001, round(float(beats.time_s[-1]) * HZ))


@pytest.mark.parametrize("breaths", [12.0, 15.0, 18.0, 24.0])
def test_breathing_is_told_where_two_modulations_agree(breaths: float) -> None:
    """Intervals and heights that change with the breath tell its rate within one a minute."""
    beats = found(breaths)
    told, reason = breathing.rate(beats, dull(beats), light_hz=HZ)
    assert reason is BreathReason.OK
    assert told == pytest.approx(breaths, abs=1.0)


def test_brightness_is_the_second_witness_too() -> None:
    """Heights that stay are no hindrance where the brightness changes with the intervals."""
    beats = found(15, swell=0.0)
    light = 0.01 * np.sin(2 * np.pi * 15 / 60 * np.arange(len(dull(beats))) / HZ)
    told, reason = breathing.rate(beats, light + dull(beats), light_hz=HZ)
    assert reason is BreathReason.OK
    assert told == pytest.approx(15, abs=1.0)


@pytest.mark.parametrize("breaths", [5.0, 7.0, 9.0])
def test_a_rhythm_of_the_blood_pressure_is_no_breathing(breaths: float) -> None:
    """However clearly intervals and heights agree: below ten a minute they may be no breath at all."""
    beats = found(breaths, seconds=60)
    assert breathing.rate(beats, dull(beats), light_hz=HZ) == (None, BreathReason.OUT_OF_BAND)


def test_what_sways_without_the_intervals_is_no_breathing() -> None:
    """Height and brightness that share a rhythm are one witness: a body that sways."""
    beats = found(15)
    steady = replace(beats, time_s=np.cumsum(np.random.default_rng(2).normal(0.8, 0.02, len(beats.time_s))))
    light = 0.01 * np.sin(2 * np.pi * 15 / 60 * np.arange(45 * HZ) / HZ)
    assert breathing.rate(steady, light, light_hz=HZ) == (None, BreathReason.UNCLEAR)


def test_each_missing_piece_is_named() -> None:
    """Less than half a minute, beats unlike one another, intervals without a rhythm, heights that do not follow."""
    rng = np.random.default_rng(3)
    beats = found(15)
    light = dull(beats)
    short = found(15, seconds=29)
    assert breathing.rate(short, dull(short), light_hz=HZ) == (None, BreathReason.TOO_SHORT)
    unlike = replace(beats, likeness=np.full(len(beats.time_s), 0.7))
    assert breathing.rate(unlike, light, light_hz=HZ) == (None, BreathReason.UNLIKE_BEATS)
    ragged = replace(beats, time_s=np.cumsum(rng.normal(0.8, 0.02, len(beats.time_s))))
    assert breathing.rate(ragged, light, light_hz=HZ) == (None, BreathReason.UNCLEAR)
    apart = replace(beats, height=found(22).height)
    assert breathing.rate(apart, light, light_hz=HZ) == (None, BreathReason.DISAGREE)


def test_a_recording_tells_what_its_windows_agree_on() -> None:
    """A breath that intervals and height show is told within one a minute; else the reason."""
    scene = Scene(seconds=61, amplitude=0.008, sway_bpm=4, swell=0.15, breaths=16)
    told = analyze(render(scene, np.random.default_rng(2)).samples)
    assert told.respiratory_reason is BreathReason.OK
    assert told.respiratory_rate == pytest.approx(16, abs=1.0)
    short = analyze(render(replace(scene, seconds=29), np.random.default_rng(2)).samples)
    assert (short.respiratory_rate, short.respiratory_reason) == (None, BreathReason.TOO_SHORT)
    none = analyze(render(replace(scene, amplitude=0.0, seconds=29), np.random.default_rng(2)).samples)
    assert (none.respiratory_rate, none.respiratory_reason) == (None, BreathReason.NO_HEART_RATE)


def test_windows_that_disagree_tell_nothing_together() -> None:
    """A breath that changes by more than two a minute between the windows is none of the recording's."""
    from inference.rppg.analysis import _breathing

    window = analyze(render(Scene(seconds=12, amplitude=0.008), np.random.default_rng(2)).samples).windows[-1]
    told = [replace(window, respiratory_rate=rate, respiratory_reason=BreathReason.OK) for rate in (14.0, 15.0, 18.0)]
    mute = replace(window, respiratory_rate=None, respiratory_reason=BreathReason.UNCLEAR)
    assert _breathing(told) == (None, BreathReason.DISAGREE)
    assert _breathing(told[:2]) == (14.5, BreathReason.OK)
    assert _breathing([told[0], mute, mute]) == (None, BreathReason.UNCLEAR)


def test_made_people_are_told_right_or_not_at_all() -> None:
    """Of twelve faces whose breath shows more or less, none is told more than two a minute off, and some are told."""
    rng = np.random.default_rng(7)
    reasons: Counter[str] = Counter()
    for _ in range(12):
        breaths = float(rng.uniform(5, 28))
        scene = Scene(
            seconds=45, amplitude=0.008, sway_bpm=float(rng.uniform(1, 5)), swell=0.15, breaths=breaths, bpm=75
        )
        told = analyze(render(scene, rng).samples)
        reasons[told.respiratory_reason] += 1
        assert told.respiratory_rate is None or abs(told.respiratory_rate - breaths) <= 2
    assert reasons[BreathReason.OK] >= 2
