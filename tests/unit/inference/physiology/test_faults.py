"""Faults change what they say, where they say, and tell the truth about it."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference.physiology.faults import BY_NAME, FAULTS, inject, shows
from inference.pulsenet.channels import CHANNELS
from inference.pulsenet.series import (
    BODY_TEMPERATURE,
    HEART_RATE,
    HRV_RMSSD,
    HRV_SDNN,
    RESPIRATORY_RATE,
    SKIN_TEMPERATURE,
    SPO2,
    VITAL_COUNT,
    Series,
)

ONSET = 700
TOUCHES = {
    "tachycardia": {HEART_RATE},
    "sustained_tachycardia": {HEART_RATE},
    "bradycardia": {HEART_RATE},
    "sustained_bradycardia": {HEART_RATE},
    "hrv_drop": {HRV_RMSSD, HRV_SDNN},
    "desaturation_ramp": {SPO2},
    "fever_drift": {HEART_RATE, RESPIRATORY_RATE, SKIN_TEMPERATURE, BODY_TEMPERATURE},
    "fast_breathing": {RESPIRATORY_RATE},
    "resting_rate_rise": {HEART_RATE},
    "joint_drift": {HEART_RATE, HRV_RMSSD, HRV_SDNN, SKIN_TEMPERATURE, BODY_TEMPERATURE},
    "absent_hrv": {HRV_RMSSD, HRV_SDNN},
    "firmware_step": {HEART_RATE, HRV_RMSSD, HRV_SDNN, SPO2},
}


@pytest.fixture(scope="module")
def series() -> Series:
    """Return four days of somebody at rest of whom everything is measured, but for one minute in eleven."""
    draw, minutes = np.random.default_rng(2), 5760
    values = np.array([65.0, 40, 50, 97, 15, 33, 36.6]) * draw.normal(1, 0.01, (minutes, VITAL_COUNT))
    values[5::11] = np.nan
    return Series(
        name="somebody",
        data="simulated",
        first_minute=0,
        utc_offset_min=0,
        values=values,
        steps=np.zeros(minutes),
        motion=draw.uniform(0.001, 0.01, minutes),
        worn=np.ones(minutes, dtype=np.int64),
    )


@pytest.mark.parametrize("name", BY_NAME)
def test_nothing_changes_outside_a_fault(series: Series, name: str) -> None:
    """Before the onset and after the end every column is as it was, and the original is untouched throughout."""
    before = [series.values.copy(), series.steps.copy(), series.motion.copy(), series.worn.copy()]
    changed, truth = inject(series, name, onset=ONSET, seed=1)
    outside = np.ones(series.minutes, dtype=bool)
    outside[truth.onset : truth.end] = False
    after = (changed.values, changed.steps, changed.motion, changed.worn)
    originals = (series.values, series.steps, series.motion, series.worn)
    for old, new, original in zip(before, after, originals, strict=True):
        assert np.array_equal(old[outside], new[outside], equal_nan=True)
        assert np.array_equal(old, original, equal_nan=True)
    assert truth.onset == ONSET
    assert truth.end == ONSET + BY_NAME[name].minutes


@pytest.mark.parametrize("name", TOUCHES)
def test_a_fault_touches_only_its_vitals(series: Series, name: str) -> None:
    """The vitals that a fault is about change, no other does, and steps and motion stay."""
    changed, _ = inject(series, name, onset=ONSET, seed=1)
    touched = {
        vital
        for vital in range(VITAL_COUNT)
        if not np.array_equal(series.values[:, vital], changed.values[:, vital], equal_nan=True)
    }
    assert touched == TOUCHES[name]
    assert np.array_equal(series.steps, changed.steps, equal_nan=True)
    assert np.array_equal(series.motion, changed.motion, equal_nan=True)


@pytest.mark.parametrize("name", BY_NAME)
def test_a_fault_measures_nothing_that_was_not_measured(series: Series, name: str) -> None:
    """Missing stays missing, apart from a frozen device, which fills no gap either."""
    changed, _ = inject(series, name, onset=ONSET, seed=1)
    assert np.isnan(changed.values[np.isnan(series.values)]).all()
    assert np.isnan(changed.motion[np.isnan(series.motion)]).all()


def test_tachycardia_keeps_the_noise_and_ramps(series: Series) -> None:
    """The added rate rises over two minutes to its full size, the same for every minute between."""
    changed, truth = inject(series, "tachycardia", onset=ONSET, seed=1)
    added = (changed.values - series.values)[truth.onset : truth.end, HEART_RATE]
    assert added[0] == pytest.approx(10)
    assert added[1] == pytest.approx(30)
    assert added[2:-2][np.isfinite(added[2:-2])] == pytest.approx(40)
    assert added[-1] == pytest.approx(10)


def test_a_slow_heart_still_beats(series: Series) -> None:
    """However large a bradycardia is asked for, no rate falls below 30, and the values keep their noise."""
    changed, truth = inject(series, "sustained_bradycardia", onset=ONSET, seed=1, size=80)
    assert np.nanmin(changed.values[truth.onset : truth.end, HEART_RATE]) == pytest.approx(30)
    rates = changed.values[truth.onset + 2 : truth.end - 2, HEART_RATE]
    assert (rates[1:] == rates[:-1]).sum() <= (np.diff(series.values[truth.onset : truth.end, HEART_RATE]) == 0).sum()


def test_size_and_length_can_be_chosen(series: Series) -> None:
    """A caller's size and minutes replace the table's, and a fault beyond the end is cut off."""
    changed, truth = inject(series, "desaturation_ramp", onset=ONSET, seed=1, minutes=20, size=6)
    lost = (series.values - changed.values)[truth.onset : truth.end, SPO2]
    assert truth.end - truth.onset == 20
    assert np.nanmax(lost) == pytest.approx(6)
    _, late = inject(series, "hrv_drop", onset=series.minutes - 10, seed=1)
    assert late.end == series.minutes


def test_exercise_comes_with_steps_and_motion(series: Series) -> None:
    """Exercise raises the heart rate only together with steps and motion."""
    changed, truth = inject(series, "exercise", onset=ONSET, seed=1)
    rows = slice(truth.onset + 5, truth.onset + 25)
    assert np.nanmin(changed.steps[rows]) > 80
    assert np.nanmedian(changed.motion[rows]) > 0.1
    assert np.nanmean((changed.values - series.values)[rows, HEART_RATE]) > 30


def test_broken_devices_send_constants(series: Series) -> None:
    """Zeros are zeros, edges the registry's, and a frozen device repeats itself, where there was a value."""
    known = np.isfinite(series.values)
    for name in ("zeros", "edge_values", "frozen_value"):
        changed, truth = inject(series, name, onset=ONSET, seed=1)
        rows = slice(truth.onset, truth.end)
        for vital in range(VITAL_COUNT):
            told = changed.values[rows, vital][known[rows, vital]]
            assert len(np.unique(told)) <= 1
            if name == "zeros":
                assert not told.any()


def test_a_wrist_off_cools_and_says_so(series: Series) -> None:
    """Off the wrist no vital is left but a falling temperature."""
    changed, truth = inject(series, "wrist_off", onset=ONSET, seed=1)
    rows = slice(truth.onset, truth.end)
    assert (changed.worn[rows] == -1).all()
    left = [v for v in range(VITAL_COUNT) if np.isfinite(changed.values[rows, v]).any()]
    assert set(left) <= {SKIN_TEMPERATURE}
    assert np.nanmax(changed.values[truth.end - 30 : truth.end, SKIN_TEMPERATURE]) < 24


def test_the_table_names_conditions_that_exist() -> None:
    """What must alarm names only conditions of the channels' table, what must not names none; both kinds are there."""
    known = {channel.condition for channel in CHANNELS}
    for fault in FAULTS:
        assert set(fault.conditions) <= known, fault.name
        assert bool(fault.conditions) == fault.alarms, fault.name
    assert len(BY_NAME) == len(FAULTS)
    assert sum(fault.alarms for fault in FAULTS) >= 9
    assert sum(not fault.alarms for fault in FAULTS) >= 8


def test_the_mark_tells_what_is_semi_real(series: Series) -> None:
    """An injected real series is semi, an injected simulated one stays simulated."""
    assert inject(series, "zeros", onset=1, seed=1)[0].data == "simulated"
    assert inject(replace(series, data="real"), "zeros", onset=1, seed=1)[0].data == "semi"


def test_a_seed_repeats_a_fault(series: Series) -> None:
    """The same seed gives the same artefact, another seed another."""
    one, two, other = (inject(series, "motion_artefact", onset=ONSET, seed=seed)[0] for seed in (1, 1, 2))
    assert np.array_equal(one.values, two.values, equal_nan=True)
    assert not np.array_equal(one.values, other.values, equal_nan=True)


def test_a_fault_does_not_show_where_its_vital_is_not_measured(series: Series) -> None:
    """A person without a thermometer cannot show a fever; one with it, or sampled every 10 min, can."""
    bare = replace(series, values=series.values.copy())
    bare.values[:, [SKIN_TEMPERATURE, BODY_TEMPERATURE]] = np.nan
    assert shows(series, "fever_drift", onset=ONSET)
    assert not shows(bare, "fever_drift", onset=ONSET)
    bare.values[::10, SKIN_TEMPERATURE] = 33.0
    assert shows(bare, "fever_drift", onset=ONSET)
    assert shows(bare, "dropout", onset=ONSET)


def test_wrong_names_and_places_are_refused(series: Series) -> None:
    """An unknown fault and an onset outside the series are refused, and the message says what there is."""
    with pytest.raises(ValueError, match="there are tachycardia"):
        inject(series, "plague", onset=0, seed=1)
    with pytest.raises(ValueError, match="onset"):
        inject(series, "zeros", onset=series.minutes, seed=1)


def test_the_page_names_every_fault() -> None:
    """Each fault of the table stands in the simulator's page."""
    page = (Path(__file__).parents[4] / "docs" / "models" / "physiology.md").read_text()
    assert [name for name in BY_NAME if f"`{name}`" not in page] == []
