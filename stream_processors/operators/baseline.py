"""A wearer's own resting heart rate: centre and scale, learned slowly and robustly."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.slots import Bools, Column, Floats, Ints, Table
from schemas.scores import BIN_MS

ENOUGH_MIN: Final = 5.0
"""Minutes of observed rest before anything is said about what is usual."""
SLOWEST_PER_MIN: Final = 1 / 2_000
PRIOR_MIN: Final = 50.0
CLIP_SCALES: Final = 3.0
SCALE_LEAST_BPM: Final = 4.0
DRIFT_BPM: Final = 6.0
"""How far the resting rate of a few minutes lies from that of the days, which widens a young baseline's scale."""

_BIN_MIN: Final = BIN_MS / 60_000
_MEAN_TO_SIGMA: Final = 1.2533141373155003  # sqrt(pi / 2): standard deviation over mean deviation of a Gaussian


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual for wearers, each shape (n,); `enough` where it may be used."""

    centre_bpm: Floats
    scale_bpm: Floats
    minutes: Floats
    enough: Bools


class Baseline:
    """Clipped exponential average of centre and scale over bins at rest.

    The first `ENOUGH_MIN` minutes are a plain mean; then the rate is max(1/2000, 1/(n + 50)) a minute of rest.
    """

    def __init__(self) -> None:
        self.table = Table({
            "centre_bpm": Column("f8", 0.0),
            "scale_bpm": Column("f8", SCALE_LEAST_BPM),
            "minutes": Column("f8", 0.0),
        })  # fmt: skip

    def extend(self, wearers: int) -> None:
        """Make room."""
        self.table.extend(wearers)

    def usual(self, lane: Ints) -> Usual:
        """Return what is usual for these wearers."""
        minutes = self.table["minutes"][lane]
        scale = np.maximum(self.table["scale_bpm"][lane], SCALE_LEAST_BPM)
        drift = DRIFT_BPM * DRIFT_BPM * PRIOR_MIN / (PRIOR_MIN + minutes)
        return Usual(
            self.table["centre_bpm"][lane], np.sqrt(scale * scale + drift), minutes, minutes >= ENOUGH_MIN - 1e-9
        )

    def learn(self, lane: Ints, rate_bpm: Floats, *, where: Bools) -> None:
        """Take one bin of each wearer into account where told."""
        if not where.any():
            return
        lane, rate_bpm = lane[where], rate_bpm[where]
        minutes, centre = self.table["minutes"][lane], self.table["centre_bpm"][lane]
        scale = self.table["scale_bpm"][lane]
        young = minutes < ENOUGH_MIN
        slow = _BIN_MIN * np.maximum(SLOWEST_PER_MIN, 1.0 / (minutes + PRIOR_MIN))
        share = np.where(young, _BIN_MIN / (minutes + _BIN_MIN), slow)
        most = CLIP_SCALES * np.maximum(scale, SCALE_LEAST_BPM)
        error = rate_bpm - centre
        error = np.where(young, error, np.clip(error, -most, most))
        self.table["centre_bpm"][lane] = centre + share * error
        deviation = _MEAN_TO_SIGMA * np.minimum(np.abs(error), most)
        self.table["scale_bpm"][lane] = scale + np.where(minutes > 0, share, 0.0) * (deviation - scale)
        self.table["minutes"][lane] = minutes + _BIN_MIN
