"""What is usual for each wearer: centre and scale at rest, and how they differ from the model in each state.

Clipped exponential averages, one step a believed minute: the rate is max(1/2000, 1/(n + 50)), so that the first hours
are learned quickly and no single day decides later. A slower average, the anchor, bounds how far a centre may drift.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.pulsenet.activity import REST_MIN, RESTING, STATES, Active
from inference.pulsenet.numbers import exponential, logarithm
from inference.pulsenet.series import HEART_RATE, HRV_RMSSD, HRV_SDNN, VITAL_COUNT
from inference.slots import Bools, Column, Floats, Ints, Table

UNIT: Final = np.array([10.0, 0.35, 0.35, 1.5, 2.5, 0.8, 0.35])
"""About one standard deviation of each vital within a person's day, in which the model predicts: beats a minute, ln ms
(twice), percent, breaths a minute, degrees Celsius (twice)."""
PRIOR_CENTRE: Final = np.array([70.0, 3.5, 3.7, 97.0, 15.0, 33.0, 36.7])
PRIOR_SPREAD: Final = np.array([9.0, 0.55, 0.5, 1.0, 2.2, 1.2, 0.35])
"""What is usual among grown-ups, for wearers of whom nothing is known yet (chosen; the simulator draws wider)."""
SCALE_LEAST: Final = np.array([4.0, 0.15, 0.15, 0.8, 1.2, 0.25, 0.12])
"""No expectation is believed to be sharper."""
DRIFT_MOST: Final = np.array([8.0, 0.5, 0.5, 1.5, 3.0, 1.2, 0.4])
"""How far a centre may lie from its anchor."""

KNOWN_MIN: Final = 5.0
"""Minutes at rest before anything is said to be usual for a wearer."""
_PRIOR_MIN: Final = 50.0
_SLOWEST: Final = 1.0 / 2_000.0
_ANCHOR: Final = 1.0 / 20_000.0
"""A wearer rests about 330 waking minutes a day: the anchor's time constant is some 60 days."""
_TRUST_MIN: Final = 300.0
_CLIP: Final = 3.0
_MEAN_TO_SCALE: Final = 1.15
"""Scale over mean absolute deviation of a Student t with five degrees of freedom, rounded."""
_STRETCH: Final = (0.4, 2.5)
"""Nobody scatters so much less, or more, than the model says."""
_LOGARITHMIC: Final = slice(HRV_RMSSD, HRV_SDNN + 1)


def scaled(values: Floats) -> Floats:
    """Return values as the model compares them: variabilities as logarithms, all else in the registry's unit."""
    compared = values.copy()
    compared[:, _LOGARITHMIC] = logarithm(values[:, _LOGARITHMIC])
    return compared


def unscaled(compared: Floats) -> Floats:
    """Return the inverse of `scaled`, shape (.., VITAL_COUNT)."""
    values = compared.copy()
    values[..., _LOGARITHMIC] = exponential(compared[..., _LOGARITHMIC])
    return values


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual for a wave of wearers, compared values, each shape (n, VITAL_COUNT).

    Attributes:
        centre: At rest, awake.
        spread: What is not known of the centre yet, as a standard deviation.
        bias: How far the model is off for this wearer in the present state, in `UNIT`.
        stretch: How much wider than the model says values of this wearer scatter in it.
        minutes: Believed minutes at rest behind the centre.
    """

    centre: Floats
    spread: Floats
    bias: Floats
    stretch: Floats
    minutes: Floats


class Personal:
    """Each wearer's own baselines."""

    def __init__(self) -> None:
        self.table = Table({
            "centre": Column("f8", 0.0, VITAL_COUNT),
            "anchor": Column("f8", 0.0, VITAL_COUNT),
            "minutes": Column("f4", 0.0, VITAL_COUNT),
            "bias": Column("f4", 0.0, STATES * VITAL_COUNT),
            "stretch": Column("f4", 1.0, STATES * VITAL_COUNT),
            "heard": Column("f4", 0.0, STATES * VITAL_COUNT),
        })  # fmt: skip
        """`centre` and `anchor` are kept as differences from `PRIOR_CENTRE`."""

    def usual(self, slot: Ints, state: Ints) -> Usual:
        """Return what is usual for these wearers in these states."""
        minutes = self.table["minutes"].take(slot, axis=0).astype(np.float64)
        heard, bias, stretch = self._in_state(slot, state)
        weight = heard / (heard + _TRUST_MIN)
        return Usual(
            centre=PRIOR_CENTRE + self.table["centre"].take(slot, axis=0),
            spread=PRIOR_SPREAD * np.sqrt(_PRIOR_MIN / (_PRIOR_MIN + minutes)),
            bias=weight * bias,
            stretch=1.0 + weight * (stretch - 1.0),
            minutes=minutes,
        )

    def learn(
        self, slot: Ints, compared: Floats, active: Active, expected: Floats, scale: Floats, *, may: Bools
    ) -> None:
        """Take one minute of each wearer into account where `may`, shape (n, VITAL_COUNT).

        `expected` and `scale` are the model's, without the wearer's own bias and stretch.
        """
        if may.any():
            self._learn_state(slot, compared, active.state, expected, scale, may)
            at_rest = may & (active.since_min >= REST_MIN)[:, None]
            # Watches measure the other vitals mostly at night; a heart rate at rest is that of the waking.
            at_rest[:, HEART_RATE] &= active.state == RESTING
            self._learn_centre(slot, compared, at_rest)

    def _learn_centre(self, slot: Ints, compared: Floats, may: Bools) -> None:
        table = self.table
        minutes, centre = table["minutes"].take(slot, axis=0), table["centre"].take(slot, axis=0)
        most = _CLIP * np.maximum(UNIT, PRIOR_SPREAD * np.sqrt(_PRIOR_MIN / (_PRIOR_MIN + minutes)))
        error = np.where(may, _bounded(compared - PRIOR_CENTRE - centre, most), 0.0)
        share = 1.0 / (minutes + _PRIOR_MIN)
        moved = centre + np.maximum(_SLOWEST, share) * error
        anchor = table["anchor"].take(slot, axis=0) + np.maximum(_ANCHOR, share) * error
        table["anchor"][slot] = anchor
        table["centre"][slot] = np.minimum(np.maximum(moved, anchor - DRIFT_MOST), anchor + DRIFT_MOST)
        table["minutes"][slot] = minutes + may

    def _learn_state(
        self, slot: Ints, compared: Floats, state: Ints, expected: Floats, scale: Floats, may: Bools
    ) -> None:
        heard, bias, stretch = self._in_state(slot, state)
        share = np.where(may, np.maximum(_SLOWEST, 1.0 / (heard + _PRIOR_MIN)), 0.0)
        off = _bounded(np.where(may, (compared - expected) / UNIT, 0.0) - bias, _CLIP * scale / UNIT)
        ratio = _MEAN_TO_SCALE * np.abs(off) * UNIT / scale
        stretched = np.minimum(np.maximum(stretch + share * (ratio - stretch), _STRETCH[0]), _STRETCH[1])
        place = slot * STATES + state
        for name, kept in (("heard", heard + may), ("bias", bias + share * off), ("stretch", stretched)):
            self.table[name].reshape(-1, VITAL_COUNT)[place] = kept

    def _in_state(self, slot: Ints, state: Ints) -> tuple[Floats, Floats, Floats]:
        """Return minutes heard in these states, and bias and stretch in them."""
        place = slot * STATES + state
        heard, bias, stretch = (
            self.table[name].reshape(-1, VITAL_COUNT).take(place, axis=0).astype(np.float64)
            for name in ("heard", "bias", "stretch")
        )
        return heard, bias, stretch


def _bounded(values: Floats, most: Floats) -> Floats:
    bounded: Floats = np.minimum(np.maximum(values, -most), most)
    return bounded
