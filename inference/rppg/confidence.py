"""One number: how probable it is that a heart rate is less than 5 beats a minute off, by a logistic regression.

The weights are fitted by `inference.rppg.fitting` on rendered traces and on crops of real skin in which no pulse can be
read; docs/models/rppg.md says what that is worth.
"""

import json
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from inference.rppg.quality import Evidence
from inference.slots import Floats

WEIGHTS: Final = Path(__file__).parent / "weights" / "confidence.json"
WITHIN_BPM: Final = 5.0
CALM: Final = -2.0
"""The feature of a background in which the rhythm is not."""
LOW_BPM: Final = 60.0
"""Slow drifts of the colour look like slow hearts: below this a rhythm is doubted more, the slower the more."""

NAMES: Final = (
    "snr", "halves", "chrom", "agreement", "stability", "half", "background", "no_background", "motion_db", "kurtosis",
    "slow", "low",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Logistic:
    """Weights of the features in `NAMES`, and the constant."""

    weights: tuple[float, ...]
    constant: float

    def probability(self, features: Floats) -> float:
        """Return the probability that the heart rate is right."""
        score = self.constant + math.fsum(w * float(x) for w, x in zip(self.weights, features, strict=True))
        return 1 / (1 + math.exp(-max(min(score, 30.0), -30.0)))


def features(evidence: Evidence, stability_bpm: float) -> Floats:
    """Return the evidence as bounded numbers in the order of `NAMES`; what is not known is neither good nor bad."""

    def known(value: float, otherwise: float = 0.0) -> float:
        return value if math.isfinite(value) else otherwise

    return np.array([
        min(max(evidence.snr_db, -10.0), 10.0) / 5,
        min(max(evidence.halves_db, -10.0), 10.0) / 5,
        min(max(evidence.chrom_db, -10.0), 10.0) / 5,
        math.log1p(min(evidence.agreement_bpm, 30.0)),
        math.log1p(min(known(stability_bpm, 5.0), 30.0)),
        min(evidence.half, 1.0),
        max(known(evidence.background_db, 5 * CALM), 5 * CALM) / 5,
        float(not math.isfinite(evidence.background_db)),
        max(known(evidence.motion_db, -10.0), -10.0) / 5,
        math.log(min(max(evidence.kurtosis, 1.0), 12.0)),
        max(0.0, 1 - evidence.fps / 25),
        min(max((LOW_BPM - evidence.rate_bpm) / 20, 0.0), 1.0),
    ])  # fmt: skip


@cache
def shipped() -> Logistic:
    """Return the weights that come with Pulsera.

    Raises:
        ValueError: The file holds other features than this version has.
    """
    stored = json.loads(WEIGHTS.read_text(encoding="utf-8"))
    if tuple(stored["weights"]) != NAMES:
        raise ValueError(f"{WEIGHTS} holds the weights of other features: fit them anew with `pulsera train rppg`.")
    return Logistic(tuple(stored["weights"].values()), stored["constant"])
