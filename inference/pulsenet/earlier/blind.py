"""What the earlier network cannot see with any weights: pairs of recordings that mean different things.

Its weights are the user's own, and none lie here. These rows are of weights drawn at random in the published layout:
what is the same with all of them is the same with those that somebody trained.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np

from inference.pulsenet.earlier.evaluated import EarlierInShadow
from inference.pulsenet.earlier.network import EarlierNetwork
from inference.pulsenet.earlier.shapes import ELEVATED, STEPS, TENSORS
from inference.pulsenet.series import HEART_RATE, HRV_RMSSD, SKIN_TEMPERATURE, SPO2, VITAL_COUNT, Series
from inference.slots import Floats

SETS: Final = 20
MOST_TRAINED_STEPS: Final = 14
"""Its training put in faults of 5 to 14 of the 60 readings (as published)."""
_SPREAD: Final = 0.15
_BEFORE_MIN: Final = 120
_LAST_MIN: Final = 10


def told(*, seed: int) -> dict[str, Any]:
    """Return by pair the largest difference of the last score over the sets, and what a mean over 60 can reach."""
    networks = [EarlierInShadow(EarlierNetwork(_drawn(seed + number))) for number in range(SETS)]
    sick, well = _person(80.0), _person(80.0)
    differences = {name: max(_apart(one, *pair) for one in networks) for name, pair in _pairs(sick, well).items()}
    single = _cut(well, 1)
    return {
        "sets": SETS,
        "same": {name: round(value, 6) for name, value in differences.items()},
        "changed": round(max(_apart(one, well, _with(well, HEART_RATE, 117.0)) for one in networks), 6),
        "judged_from_the_first_minute": all(np.isfinite(one.scores([single])[0].high).all() for one in networks),
        "most_of_a_trained_fault": round(MOST_TRAINED_STEPS / STEPS, 3),
        "elevated_above": ELEVATED,
    }


def _pairs(sick: Series, well: Series) -> Mapping[str, tuple[Series, Series]]:
    gone = _with(well, HEART_RATE, np.nan)
    walked = replace(well, steps=np.full(well.minutes, 110.0))
    return {
        "heart rate not measured / a heart that stands still": (gone, _with(well, HEART_RATE, 0.0)),
        "oxygen saturation 98 % / 75 %": (_with(well, SPO2, 98.0), _with(sick, SPO2, 75.0)),
        "sitting / 110 steps a minute at the same heart rate": (well, walked),
        "whose heart rests at 45 / at 85, the last ten minutes alike": (_led(well, 45.0), _led(well, 85.0)),
        "ten minutes without a gap / ten single minutes, an hour between them": (
            _cut(well, _LAST_MIN),
            _scattered(well),
        ),
    }


def _drawn(seed: int) -> dict[str, Any]:
    draw = np.random.default_rng(seed)
    return {name: draw.normal(0.0, _SPREAD, shape).astype(np.float32) for name, shape in TENSORS.items()}


def _person(rate_bpm: float) -> Series:
    minutes = _BEFORE_MIN + _LAST_MIN
    values = np.full((minutes, VITAL_COUNT), np.nan)
    values[:, HEART_RATE] = rate_bpm + np.arange(minutes) % 5
    values[:, HRV_RMSSD] = 45.0 + np.arange(minutes) % 3
    values[:, SKIN_TEMPERATURE] = 36.4
    nothing = np.zeros(minutes)
    return Series(
        name="a made person", data="semi", first_minute=0, utc_offset_min=0, values=values, steps=nothing,
        motion=nothing, worn=np.ones(minutes, dtype=np.int64),
    )  # fmt: skip


def _with(series: Series, vital: int, value: float) -> Series:
    values = series.values.copy()
    values[-_LAST_MIN:, vital] = value
    return replace(series, values=values)


def _led(series: Series, rate_bpm: float) -> Series:
    values = series.values.copy()
    values[:_BEFORE_MIN, HEART_RATE] = rate_bpm
    return replace(series, values=values)


def _cut(series: Series, minutes: int) -> Series:
    return _chosen(series, lambda column: column[-minutes:])


def _scattered(series: Series) -> Series:
    """Return the last minutes, an hour apart."""

    def apart(column: Any) -> Any:
        last = column[-_LAST_MIN:]
        spread = np.full((60 * (_LAST_MIN - 1) + 1, *column.shape[1:]), np.nan if column.dtype.kind == "f" else 0)
        spread[::60] = last
        return spread.astype(column.dtype)

    return _chosen(series, apart)


def _chosen(series: Series, take: Callable[[Any], Any]) -> Series:
    return replace(
        series,
        values=take(series.values),
        steps=take(series.steps),
        motion=take(series.motion),
        worn=take(series.worn),
    )


def _apart(network: EarlierInShadow, first: Series, second: Series) -> float:
    """Return how far the two's last scores lie apart, whichever side they are on."""
    one, other = (_last(told.high, told.low) for told in network.scores([first, second]))
    return abs(one - other)


def _last(high: Floats, low: Floats) -> float:
    return float(max(high[-1], low[-1]))
