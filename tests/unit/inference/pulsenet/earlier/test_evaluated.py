"""The earlier network by the protocol of the evaluation: told as the earlier system told it."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from inference.pulsenet.earlier.evaluated import EarlierInShadow, cases
from inference.pulsenet.earlier.network import Inference
from inference.pulsenet.earlier.shapes import ELEVATED, STEPS
from inference.pulsenet.evaluation.protocol import SelfCalibrated
from inference.pulsenet.evaluation.rates import RATES
from inference.pulsenet.series import HEART_RATE, HRV_SDNN, VITAL_COUNT, Series
from inference.slots import Floats


@dataclass
class MeanRate:
    """Stands for the network: says the mean heart rate over 200, and keeps the windows."""

    windows: list[Floats] = field(default_factory=list)

    def infer(self, windows: Floats) -> Inference:
        """Return a number that a test can work out."""
        self.windows += list(windows)
        steps = windows[:, :, 0] / 200.0
        return Inference(steps.mean(axis=1), steps, windows, steps.mean(axis=1))


def recording(rates: list[float]) -> Series:
    """Return minutes with these heart rates, NaN where nobody told anything."""
    values = np.full((len(rates), VITAL_COUNT), np.nan)
    values[:, HEART_RATE] = rates
    nothing = np.full(len(rates), np.nan)
    return Series(
        name="made", data="real", first_minute=0, utc_offset_min=0, values=values, steps=nothing, motion=nothing,
        worn=np.zeros(len(rates), dtype=np.int64),
    )  # fmt: skip


def made() -> tuple[EarlierInShadow, MeanRate]:
    """Return the detector and what stands for its network."""
    network: Any = MeanRate()
    return EarlierInShadow(network), network


def test_a_window_is_the_last_readings_by_count() -> None:
    """Gaps of any length are passed over, the first reading stands in front, a missing variability is 0."""
    detector, network = made()
    (sided,) = detector.scores([recording([60.0, np.nan, np.nan, 120.0])])
    assert network.windows[0].shape == (STEPS, 4)
    assert (network.windows[0] == [60.0, 0.0, 1.0, 36.5]).all()
    assert sided.low[0] == pytest.approx(60.0 / 200.0)
    assert sided.high[3] == pytest.approx(np.mean([60.0] * 48 + [120.0] * 12) / 200.0)
    assert np.isnan(sided.high[1:3]).all()
    assert np.isnan(sided.low[1:3]).all()


def test_a_reading_without_a_heart_rate_is_told_as_zero() -> None:
    """What knows something else is a reading, of a heart that stands still."""
    detector, network = made()
    series = recording([60.0, np.nan])
    series.values[1, HRV_SDNN] = 40.0
    detector.scores([series])
    assert (network.windows[1][-12:] == [0.0, 40.0, 1.0, 36.5]).all()


def test_the_same_window_is_judged_once() -> None:
    """Copies of a recording cost what differs in them."""
    detector, network = made()
    detector.scores([recording([60.0] * 30), recording([60.0] * 30 + [90.0])])
    assert len(network.windows) == 2


def test_its_limit_is_the_same_at_every_rate_and_made_people_are_not_asked() -> None:
    """It brings its one number; of people who would set thresholds it says nothing."""
    detector, network = made()
    assert isinstance(detector, SelfCalibrated)
    real = recording([150.0] * 10)
    judged, people = detector.judge([real, replace(real, data="simulated")])
    assert {float(judged.thresholds[rate].high.max()) for rate in RATES} == {ELEVATED}
    assert (judged.scores.high >= ELEVATED).all()
    assert (judged.scores.low == 0.0).all()
    assert np.isnan(people.scores.high).all()
    assert len(network.windows) == 1


def test_the_cases_show_what_is_missing_as_zero() -> None:
    """Each case is told by its mean and the shares beyond the limits."""
    network: Any = MeanRate()
    told = cases(network, seed=1)
    assert told["at rest"]["mean"] == 0.36
    assert told["heart rate and HRV missing, told as 0"]["mean"] == 0.0
    assert told["the same for the whole window"]["elevated"] == 1.0
    assert (network.windows[-1][:, :2] == 0.0).all()
