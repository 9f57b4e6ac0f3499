"""Thresholds of the population: the engine over made people that no model learned from, and what their days reach."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.pulsenet.calibration import DAY_LEAST_MIN, OWN_DAYS, TIER0_RATE, Calibration, Population
from inference.pulsenet.channels import CHANNEL_COUNT
from inference.pulsenet.engine import PulseNet
from inference.pulsenet.offline import Grid
from inference.pulsenet.predictor import Predictor
from inference.pulsenet.series import VITAL_COUNT, Series
from inference.pulsenet.training.rows import Tellable
from inference.slots import Floats, Ints

_DAY_MIN: Final = 1_440
_BIN_MIN: Final = 5
_FIRST_DAYS: Final = 1
"""Whole days at the beginning of a recording that set no threshold: the baselines are not known yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """How thresholds did on people that did not set them.

    Attributes:
        flag: Limit of the flag that one wearer and 5-minute bin in a hundred passes.
        alerts: Tier-1 alerts of all wearers from their eighth whole day on; `wearer_days` of how many days.
    """

    flag: float
    alerts: float
    wearer_days: float


def calibrate(predictor: Predictor, recordings: Sequence[Series], *, told: Tellable | None = None) -> Floats:
    """Return the largest score of each whole wearer-day, NaN where a channel said little, (days, CHANNEL_COUNT)."""
    grid = Grid(recordings)
    model = PulseNet(predictor, Calibration(_anything(), adapt=False, own=False))
    model.extend(len(recordings))
    days = Maxima(recordings)
    for row in range(grid.minutes):
        slots = np.flatnonzero(grid.known[row])
        if len(slots):
            minutes = grid.minute(slots, row)
            days.take(slots, row, model.step(minutes, learn=np.ones((len(slots), VITAL_COUNT), dtype=np.bool_)).score)
        if told is not None and row % _DAY_MIN == 0:
            told(row, grid.minutes)
    return days.maxima()


def keep(
    predictor: Predictor, population: Population, recordings: Sequence[Series], *, told: Tellable | None = None
) -> Kept:
    """Return how a calibration does on other people, as shipped: shrunk to each wearer, and adapted."""
    grid = Grid(recordings)
    model = PulseNet(predictor, Calibration(population))
    model.extend(len(recordings))
    bins = np.full((grid.minutes // _BIN_MIN + 1, len(recordings)), np.nan, dtype=np.float32)
    alerts = np.zeros((2, len(recordings)))
    days = np.zeros(len(recordings))
    for row in range(grid.minutes):
        slots = np.flatnonzero(grid.known[row])
        if len(slots):
            judged = model.step(grid.minute(slots, row), learn=np.ones((len(slots), VITAL_COUNT), dtype=np.bool_))
            place = row // _BIN_MIN
            bins[place, slots] = np.fmax(bins[place, slots], judged.combined)
            total = np.nan_to_num(judged.realised) * judged.days
            early = judged.days <= OWN_DAYS
            alerts[0, slots] = np.where(early, total, alerts[0, slots])
            alerts[1, slots], days[slots] = total, judged.days
        if told is not None and row % _DAY_MIN == 0:
            told(row, grid.minutes)
    return Kept(
        flag=float(np.nanquantile(bins, 1.0 - TIER0_RATE)),
        alerts=float((alerts[1] - alerts[0]).sum()),
        wearer_days=float(np.maximum(days - OWN_DAYS, 0.0).sum()),
    )


def _anything() -> Population:
    return Population.of(np.full((2, CHANNEL_COUNT), np.nan), flag=1.0, source="none yet")


class Maxima:
    """The largest scores of each person's local days."""

    def __init__(self, recordings: Sequence[Series]) -> None:
        first = np.array([series.first_minute + series.utc_offset_min for series in recordings], dtype=np.int64)
        self._since: Ints = first % _DAY_MIN
        lengths = np.array([series.minutes for series in recordings], dtype=np.int64)
        self._whole_from: Ints = -(-self._since // _DAY_MIN) + _FIRST_DAYS
        self._whole_to: Ints = (self._since + lengths) // _DAY_MIN
        shape = (len(recordings), int(lengths.max()) // _DAY_MIN + 2, CHANNEL_COUNT)
        self._highest = np.full(shape, np.nan)
        self._judged = np.zeros(shape, dtype=np.int64)

    def take(self, slots: Ints, row: int, score: Floats) -> None:
        """Keep one minute of some recordings."""
        day = (self._since[slots] + row) // _DAY_MIN
        self._highest[slots, day] = np.fmax(self._highest[slots, day], score)
        self._judged[slots, day] += ~np.isnan(score)

    def maxima(self) -> Floats:
        """Return the maxima of the days that count."""
        days = np.arange(self._highest.shape[1])
        counts = (days >= self._whole_from[:, None]) & (days < self._whole_to[:, None])
        told = np.where(self._judged >= DAY_LEAST_MIN, self._highest, np.nan)[counts]
        some: Floats = told[~np.isnan(told).all(axis=1)]
        return some
