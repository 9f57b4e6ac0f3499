"""A window of one person: what is judged, what is not, and why."""

import numpy as np
import pytest

from inference.pulsenet.series import HEART_RATE, HRV_RMSSD
from inference.pulsenet.weights import loading
from inference.pulsenet.window import ROWS, Answer, HrvMethod, Window, judge
from inference.slots import Floats

NOON_MIN = 29_400_000 - 29_400_000 % 1_440 + 12 * 60


def rows(heart_rate_bpm: float, *, acceleration_g: float = 1.0) -> Floats:
    """Return a window of somebody whose heart beats about so fast."""
    noise = np.random.default_rng(1).normal(size=(ROWS, 4))
    return np.array([heart_rate_bpm, 45.0, acceleration_g, 33.0]) + noise * [2.0, 3.0, 0.005, 0.1]


def judged(window: Floats, *, step_s: float = 60.0, hrv: HrvMethod | None = None) -> Answer:
    """Return what the shipped model says of a window that ended at noon."""
    asked = Window(rows=window, step_s=step_s, end_min=NOON_MIN, utc_offset_min=0, hrv=hrv)
    return judge(loading.load(), asked)


def test_a_calm_hour_is_judged_after_the_warm_up_and_is_none() -> None:
    """The first 15 minutes say why they have no score, later ones have one far below the threshold."""
    said = judged(rows(70.0))
    assert said.reason[:15] == ["warming_up"] * 15
    assert set(said.reason[15:]) == {None}
    assert np.isnan(said.combined[:15]).all()
    assert np.nanmax(said.combined) < 0.5
    assert said.low[59, HEART_RATE] < 70.0 < said.high[59, HEART_RATE]


def test_a_heart_that_races_at_rest_passes_the_threshold() -> None:
    """150 bpm for an hour without movement is a notice of the heart rate."""
    said = judged(rows(150.0))
    assert np.nanmax(said.combined) >= 1.0
    (peak,) = [share for condition, _, share, _ in said.peaks() if condition == "heart_rate.high"]
    assert peak >= 1.0


def test_exercise_passes_nothing() -> None:
    """150 bpm while the wrist swings is no notice."""
    assert not (judged(rows(150.0, acceleration_g=1.6)).combined >= 1.0).any()


@pytest.mark.parametrize("missing", [np.nan, 0.0, 999.0])
def test_what_was_not_measured_is_no_value(missing: float) -> None:
    """An absent, zero or implausible heart rate has no score, no z and no expected value of its own making."""
    window = rows(70.0)
    window[:, 0] = missing
    said = judged(window)
    assert set(said.reason) == {"missing_channel"}
    assert np.isnan(said.combined).all()
    assert np.isnan(said.value[:, HEART_RATE]).all()
    assert said.implausible["heart_rate"] == (0 if np.isnan(missing) else ROWS)


def test_a_sensor_that_repeats_itself_is_not_judged() -> None:
    """A heart rate that never changes is a frozen sensor, whatever it shows."""
    window = rows(70.0)
    window[:, 0] = 150.0
    assert judged(window).reason[-1] == "sensor_frozen"


def test_twelve_minutes_of_a_stranger_have_no_score() -> None:
    """Sixty rows that lie 12 s apart end within the warm-up, however fast the heart."""
    said = judged(rows(150.0), step_s=12.0)
    assert said.reason == ["warming_up"] * 12
    assert np.isnan(said.combined).all()


def test_a_variability_without_method_is_left_out() -> None:
    """Only who tells how the variability was computed has it judged."""
    assert np.isnan(judged(rows(70.0)).value[:, HRV_RMSSD]).all()
    assert np.isfinite(judged(rows(70.0), hrv="rmssd").value[:, HRV_RMSSD]).all()


def test_nothing_at_all_is_no_step() -> None:
    """A window without a value is answered without one."""
    said = judged(np.full((ROWS, 4), np.nan))
    assert said.peaks() == []
    assert np.isnan(said.expected).all()
