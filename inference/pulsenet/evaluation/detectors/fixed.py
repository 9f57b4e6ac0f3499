"""Rules with numbers from a book, the same for everybody."""

from collections.abc import Sequence
from typing import Final

import numpy as np

from inference.pulsenet.evaluation.detectors.rest import SEDENTARY_MIN, cut
from inference.pulsenet.evaluation.detectors.smoothing import Smoothing, smoothed
from inference.pulsenet.evaluation.grid import grid
from inference.pulsenet.evaluation.protocol import Judgement, Sided
from inference.pulsenet.evaluation.rates import RATES
from inference.pulsenet.series import BODY_TEMPERATURE, RESPIRATORY_RATE, SPO2, Series
from inference.slots import Floats, Ints

HIGH_BPM: Final = 120.0
LOW_BPM: Final = 40.0
"""What the heart rate notices of a common watch are set to at first: above 120, below 40, inactive for ten minutes."""
SUSTAINED_MIN: Final = 10
_NEVER: Final = -1e3
_NONE: Final[Ints] = np.array([], dtype=np.int64)


class Sustained:
    """The heart rate that ten minutes at rest never fell below, or never rose above: one threshold for everybody."""

    name = "sustained rate at rest"

    def scores(self, series: Sequence[Series]) -> Sequence[Sided]:
        """The lowest, for the low side the negative of the highest, rate of the last ten minutes at rest."""
        laid = grid(series)
        rate = np.where(laid.step_free >= SEDENTARY_MIN, laid.rate, np.nan)
        return cut(_lowest(rate), _lowest(-rate), laid)


class ClinicalRule:
    """Above 120 or below 40 bpm in each of ten minutes without steps, at every rate that anybody promises."""

    name = "fixed clinical rule"

    def scores(self, series: Sequence[Series]) -> Sequence[Sided]:
        """As of the sustained rate."""
        return Sustained().scores(series)

    def judge(self, series: Sequence[Series]) -> Sequence[Judgement]:
        """Its two numbers at every minute."""
        return [
            Judgement(
                scores=one,
                thresholds={
                    rate: Sided(high=np.full(len(one.high), HIGH_BPM), low=np.full(len(one.low), -LOW_BPM))
                    for rate in RATES
                },
                others=dict.fromkeys(RATES, _NONE),
            )
            for one in self.scores(series)
        ]


class PartialNews2:
    """The parts of NEWS2 (Royal College of Physicians, 2017) that the recording has, of five-minute averages.

    Systolic pressure, consciousness and oxygen are missing, and saturation, breathing and temperature where nobody
    measured them; what is missing adds nothing and is not called normal. The pulse's points count for its own side.
    """

    name = "partial NEWS2"
    smoothing = Smoothing(rate=0.2)

    def scores(self, series: Sequence[Series]) -> Sequence[Sided]:
        """Points, 0 to 12, and a thousandth of the averaged pulse's distance, so that equal points have an order."""
        laid = grid(series)
        seen = np.isfinite(laid.rate)
        pulse = np.rint(_settled(laid.rate, self.smoothing))
        others = np.zeros_like(pulse)
        for row, one in enumerate(series):
            for vital, points in _POINTS.items():
                others[row, : one.minutes] += points(np.rint(one.values[:, vital] * 10) / 10)
        high = np.where(seen, others + _at_least(pulse, (91, 111, 131)) + pulse / 1e3, np.nan)
        low = np.where(seen, others + _at_most(pulse, (50, 40, 40)) - pulse / 1e3, np.nan)
        return cut(high, low, laid)


def _lowest(rate: Floats) -> Floats:
    windows = np.lib.stride_tricks.sliding_window_view(
        np.pad(rate, ((0, 0), (SUSTAINED_MIN - 1, 0)), constant_values=np.nan), SUSTAINED_MIN, axis=1
    )
    return np.asarray(windows.min(axis=2))


def _settled(rate: Floats, smoothing: Smoothing) -> Floats:
    weight = smoothed(np.where(np.isfinite(rate), 1.0, np.nan), smoothing)
    total = smoothed(rate, smoothing)
    return np.divide(total, weight, out=np.zeros_like(total), where=weight > 0)


def _at_least(values: Floats, limits: tuple[float, ...]) -> Floats:
    points: Floats = np.sum([values >= limit for limit in limits], axis=0, dtype=np.float64)
    return points


def _at_most(values: Floats, limits: tuple[float, ...]) -> Floats:
    points: Floats = np.sum([values <= limit for limit in limits], axis=0, dtype=np.float64)
    return points


def _breaths(values: Floats) -> Floats:
    whole = np.rint(values)
    return _at_most(whole, (11, 8, 8)) + 2.0 * (whole >= 21) + (whole >= 25)  # noqa: PLR2004 - the table's own


def _saturation(values: Floats) -> Floats:
    return _at_most(np.rint(values), (95, 93, 91))


def _temperature(values: Floats) -> Floats:
    return _at_most(values, (36.0, 35.0, 35.0)) + _at_least(values, (38.1, 39.1))


_POINTS: Final = {RESPIRATORY_RATE: _breaths, SPO2: _saturation, BODY_TEMPERATURE: _temperature}
