"""The earlier network by the protocol of the evaluation, and on the cases that show what is wrong with it."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from inference.pulsenet.earlier.network import EarlierNetwork
from inference.pulsenet.earlier.shapes import ABSENT, CRITICAL, ELEVATED, FEATURES, MEAN, STEPS
from inference.pulsenet.evaluation.protocol import Judgement, Sided
from inference.pulsenet.evaluation.rates import RATES
from inference.pulsenet.series import HEART_RATE, HRV_RMSSD, HRV_SDNN, SKIN_TEMPERATURE, Series
from inference.slots import Floats, Ints

PER_MINUTE: Final = 12
"""A minute is told as so many equal readings, as a watch that tells one every 5 s would."""
NAME: Final = "earlier PulseNet (shadow only)"
_MINUTES: Final = STEPS // PER_MINUTE
_AT_ONCE: Final = 64
_WINDOWS: Final = 200
_NONE: Final[Ints] = np.array([], dtype=np.int64)


class EarlierInShadow:
    """Its mean over the last 60 readings, alarming above 0.5 whoever it is about.

    It knows no side: what it says counts for the high one while the heart rate is above its one mean for everybody, for
    the low one below. Made people set no threshold of it, and are not asked.
    """

    name = NAME

    def __init__(self, network: EarlierNetwork) -> None:
        self._network = network
        self._known: dict[bytes, float] = {}

    def scores(self, series: Sequence[Series]) -> Sequence[Sided]:
        """Mean over the window that ends with each minute, 0 on the other side, NaN where nothing was told."""
        return [self._sided(one) for one in series]

    def judge(self, series: Sequence[Series]) -> Sequence[Judgement]:
        """Its one number at every minute and promised rate."""
        return [
            Judgement(
                scores=scores,
                thresholds={
                    rate: Sided(high=np.full(one.minutes, ELEVATED), low=np.full(one.minutes, ELEVATED))
                    for rate in RATES
                },
                others=dict.fromkeys(RATES, _NONE),
            )
            for one, scores in zip(series, self.scores(series), strict=True)
        ]

    def _sided(self, series: Series) -> Sided:
        high, low = np.full(series.minutes, np.nan), np.full(series.minutes, np.nan)
        if series.data != "simulated":
            told = np.flatnonzero(~np.isnan(series.values).all(axis=1) | ~np.isnan(series.steps))
            rows = features(series)[told]
            overall = self._overall(rows)
            above = rows[:, 0] >= MEAN[0]
            high[told], low[told] = np.where(above, overall, 0.0), np.where(above, 0.0, overall)
        return Sided(high=high, low=low)

    def _overall(self, rows: Floats) -> Floats:
        """Return what the network says at the end of each minute told; the same window is judged once."""
        place = np.arange(len(rows))[:, None] + np.arange(1 - _MINUTES, 1)[None, :]
        spans = rows.astype(np.float32)[np.maximum(place, 0)]
        keys = [span.tobytes() for span in spans]
        new = {key: number for number, key in enumerate(keys) if key not in self._known}
        numbers = list(new.values())
        for start in range(0, len(numbers), _AT_ONCE):
            some = numbers[start : start + _AT_ONCE]
            windows = np.repeat(spans[some].astype(np.float64), PER_MINUTE, axis=1)
            for number, said in zip(some, self._network.infer(windows).overall.tolist(), strict=True):
                self._known[keys[number]] = said
        return np.array([self._known[key] for key in keys])


def features(series: Series) -> Floats:
    """Return the four features of each minute as the earlier system was told them: 0 for what is missing."""
    values = series.values
    variability = np.where(np.isnan(values[:, HRV_RMSSD]), values[:, HRV_SDNN], values[:, HRV_RMSSD])
    nothing = np.full(series.minutes, np.nan)
    rows = np.stack((values[:, HEART_RATE], variability, nothing, values[:, SKIN_TEMPERATURE]), axis=1)
    filled: Floats = np.where(np.isnan(rows), ABSENT, rows)
    return filled


def cases(network: EarlierNetwork, *, seed: int) -> Mapping[str, Mapping[str, float]]:
    """Return by case the mean score, the share of windows above its limits, and of those with a step above 0.5.

    The windows are of a resting person with noise: what it was trained to find, the same lasting, and what is missing.
    """
    rng = np.random.default_rng(seed)
    usual = np.array([72.0, 50.0, 1.02, 36.4])
    still = usual + np.array([2.0, 4.0, 0.02, 0.05]) * rng.normal(size=(_WINDOWS, STEPS, len(FEATURES)))

    def changed(rate: float | None, hrv: float | None, steps: int = STEPS) -> Floats:
        windows = still.copy()
        for feature, value in ((0, rate), (1, hrv)):
            if value is not None:
                noise = still[:, :, feature] - usual[feature] if value else 0.0
                windows[:, :, feature] = np.where(np.arange(STEPS) < steps, value + noise, windows[:, :, feature])
        return windows

    told = {
        "at rest": still,
        "heart rate +45, HRV -20, 10 of 60 readings (as it was trained)": changed(117.0, 30.0, 10),
        "the same for the whole window": changed(117.0, 30.0),
        "heart rate 35 for the whole window": changed(35.0, None),
        "heart rate 72, HRV missing, told as 0": changed(None, 0.0),
        "heart rate and HRV missing, told as 0": changed(0.0, 0.0),
    }
    return {name: _case(network, windows) for name, windows in told.items()}


def _case(network: EarlierNetwork, windows: Floats) -> Mapping[str, float]:
    said = network.infer(windows)
    return {
        "mean": round(float(said.overall.mean()), 3),
        "elevated": round(float((said.overall > ELEVATED).mean()), 3),
        "critical": round(float((said.overall > CRITICAL).mean()), 3),
        "step_over_0.5": round(float((said.steps.max(axis=1) > ELEVATED).mean()), 3),
    }
