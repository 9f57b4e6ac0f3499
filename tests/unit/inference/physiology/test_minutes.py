"""Made recordings at minutes: the same seed makes the same people, and what bodies do shows in them."""

from collections.abc import Callable

import numpy as np
import pytest

from inference.physiology.minutes import FIRST_MINUTE, simulate_minutes
from inference.physiology.people import Population
from inference.pulsenet.series import (
    BODY_TEMPERATURE,
    HEART_RATE,
    HRV_RMSSD,
    RESPIRATORY_RATE,
    SKIN_TEMPERATURE,
    SPO2,
    Series,
)
from inference.slots import Bools, Floats
from schemas.vitals import VITALS

CLEAN = Population(devices=(0.0, 0.0, 1.0), removed_at_night=0.0, artefacts=False)


@pytest.fixture(scope="module")
def clean() -> list[Series]:
    """Return 24 people with every sensor over three days."""
    return simulate_minutes(24, 3, seed=11, population=CLEAN)


@pytest.fixture(scope="module")
def mixed() -> list[Series]:
    """Return 60 people with the devices of the default population over a day and a half."""
    return simulate_minutes(60, 1.5, seed=12)


def hour(series: Series) -> Floats:
    """Return the hour of the local day of each minute."""
    hours: Floats = (series.first_minute + series.utc_offset_min + np.arange(series.minutes)) % 1440 / 60
    return hours


def rested(series: Series, quiet_min: int = 15) -> Bools:
    """Return the minutes without a step in the `quiet_min` before them."""
    walked = np.convolve(np.nan_to_num(series.steps) > 0, np.ones(quiet_min + 1))[: series.minutes]
    still: Bools = walked == 0
    return still


def change(
    series: list[Series], vital: int, where: Callable[[Series], Bools], other: Callable[[Series], Bools]
) -> float:
    """Return the median over people of the difference of a vital's means between two kinds of minutes."""
    known = [np.isfinite(s.values[:, vital]) for s in series]
    pairs = [(s, known[i] & where(s), known[i] & other(s)) for i, s in enumerate(series)]
    found = [s.values[a, vital].mean() - s.values[b, vital].mean() for s, a, b in pairs if a.any() and b.any()]
    assert len(found) > len(series) // 4
    return float(np.median(found))


def deep_night(series: Series) -> Bools:
    """Return resting minutes between 2 and 5 o'clock."""
    return rested(series) & (hour(series) >= 2) & (hour(series) < 5)


def day(series: Series) -> Bools:
    """Return resting minutes between 11 and 20 o'clock."""
    return rested(series) & (hour(series) >= 11) & (hour(series) < 20)


def test_a_seed_repeats_its_recordings() -> None:
    """Two runs of one seed are equal in every column, and another seed differs."""
    first, again, other = (simulate_minutes(5, 0.5, seed=seed) for seed in (3, 3, 4))
    for one, two in zip(first, again, strict=True):
        assert np.array_equal(one.values, two.values, equal_nan=True)
        assert np.array_equal(one.steps, two.steps, equal_nan=True)
        assert np.array_equal(one.motion, two.motion, equal_nan=True)
        assert np.array_equal(one.worn, two.worn)
    assert not np.array_equal(first[0].values, other[0].values, equal_nan=True)


def test_recordings_say_that_they_are_simulated() -> None:
    """Every recording is marked, named apart, and of the length asked for."""
    made = simulate_minutes(3, 0.25, seed=1)
    assert [series.data for series in made] == ["simulated"] * 3
    assert len({series.name for series in made}) == 3
    assert all(series.minutes == 360 and series.first_minute == FIRST_MINUTE for series in made)


def test_values_stay_within_the_registry(mixed: list[Series]) -> None:
    """No value leaves the plausible range of its vital, and none is a zero."""
    for vital, row in enumerate(VITALS[:7]):
        values = np.concatenate([series.values[:, vital] for series in mixed])
        low, high = row.plausible
        assert np.nanmin(values) >= max(low, 1), row.name
        assert np.nanmax(values) <= high, row.name


def test_night_differs_from_day(clean: list[Series]) -> None:
    """At night hearts are slower, RMSSD higher, breathing slower, saturation and core lower, and wrists warmer."""
    assert change(clean, HEART_RATE, deep_night, day) < -4
    assert change(clean, HRV_RMSSD, deep_night, day) > 4
    assert change(clean, RESPIRATORY_RATE, deep_night, day) < -0.7
    assert change(clean, SPO2, deep_night, day) < -0.3
    assert change(clean, BODY_TEMPERATURE, deep_night, day) < -0.3
    assert change(clean, SKIN_TEMPERATURE, deep_night, day) > 0.8


def test_the_heart_follows_a_walk_and_recovers_with_a_lag(clean: list[Series]) -> None:
    """The rate rises within a walk's first minutes, is still up in the minute after it, and down 15 min later."""
    profile: dict[str, list[float]] = {"before": [], "first": [], "within": [], "after": [], "later": []}
    for series in clean:
        rate, brisk = series.values[:, HEART_RATE], series.steps > 80
        for start in np.flatnonzero(brisk[6:] & ~brisk[5:-1]) + 6:
            ends = start + int(np.argmin(brisk[start:])) if not brisk[start:].all() else series.minutes
            if ends - start < 5 or ends + 20 > series.minutes or np.nansum(series.steps[ends + 1 : ends + 16]) > 0:
                continue
            profile["before"].append(rate[start - 4])
            profile["first"].append(rate[start])
            profile["within"].append(rate[ends - 2])
            profile["after"].append(rate[ends + 1])
            profile["later"].append(rate[ends + 15])
    assert len(profile["before"]) > 15
    before, first, within, after, later = (np.nanmean(values) for values in profile.values())
    assert within > before + 12
    assert first < within - 4
    assert later + 10 < after < within - 3


def test_variability_falls_as_the_heart_quickens(clean: list[Series]) -> None:
    """Within most people ln RMSSD falls by 0.5 to 4 % a bpm at rest."""
    slopes = []
    for series in clean:
        at = day(series) & np.isfinite(series.values[:, HEART_RATE]) & np.isfinite(series.values[:, HRV_RMSSD])
        slopes.append(np.polyfit(series.values[at, HEART_RATE], np.log(series.values[at, HRV_RMSSD]), 1)[0])
    assert -0.04 < np.median(slopes) < -0.005
    assert np.mean(np.array(slopes) < 0) > 0.9


def test_breathing_follows_work(clean: list[Series]) -> None:
    """Brisk minutes breathe faster than resting ones by several breaths a minute."""
    assert change(clean, RESPIRATORY_RATE, lambda series: series.steps > 80, day) > 2


def test_step_free_plateaus_come_at_the_rate_asked_for() -> None:
    """More plateaus a week put more long raised stretches without steps into the recordings."""
    shares = []
    for rate in (0.05, 20.0):
        crowd = Population(plateaus_per_week=rate, plateaus_sigma=0.1, devices=(0, 0, 1), removed_at_night=0)
        made = simulate_minutes(15, 2, seed=5, population=crowd)
        raised = [
            series.values[day(series), HEART_RATE] > np.nanmedian(series.values[day(series), HEART_RATE]) + 14
            for series in made
        ]
        shares.append(np.concatenate(raised).mean())
    assert shares[1] > shares[0] + 0.02


def test_devices_differ_in_what_they_measure(mixed: list[Series]) -> None:
    """Some people have heart rate and steps only, some sparse vitals, some all; nobody's missing is a zero."""
    measured = np.array([np.isfinite(series.values).mean(axis=0) for series in mixed])
    assert np.all(measured[:, HEART_RATE] > 0.3)
    rate_only = np.all(measured[:, 1:] == 0, axis=1)
    assert 0.1 < rate_only.mean() < 0.5
    assert all(np.isnan(series.motion).all() for series, bare in zip(mixed, rate_only, strict=True) if bare)
    sparse = (measured[:, SPO2] > 0) & (measured[:, SPO2] < 0.15)
    assert 0.1 < sparse.mean() < 0.6
    assert (measured[:, BODY_TEMPERATURE] > 0.5).any()


def test_what_is_off_the_wrist_measures_nothing(mixed: list[Series]) -> None:
    """A minute that is known as not worn has no vital, and most people have such minutes."""
    known = [series for series in mixed if (series.worn != 0).any()]
    assert all(np.isnan(series.values[series.worn == -1]).all() for series in known)
    assert np.mean([(series.worn == -1).any() for series in known]) > 0.7


def test_some_gaps_are_filled_forward(mixed: list[Series]) -> None:
    """Some devices write the last heart rate with no steps through a gap, as real ones do."""

    def longest_run(values: Floats) -> int:
        edges = np.flatnonzero(np.diff(np.r_[np.nan, values, np.nan]) != 0)
        return int(np.diff(edges).max())

    bare = [series for series in mixed if np.isnan(series.motion).all()]
    frozen = [longest_run(series.values[:, HEART_RATE]) for series in bare]
    assert max(frozen) > 15


def test_nobody_and_no_time_are_refused() -> None:
    """A recording of no people or of no minute cannot be made."""
    with pytest.raises(ValueError, match="at least one"):
        simulate_minutes(0, 1, seed=1)
    with pytest.raises(ValueError, match="at least one"):
        simulate_minutes(1, 0, seed=1)
