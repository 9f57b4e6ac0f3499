"""The published architecture: a transformer encoder over 60 steps of four features, 106,961 parameters."""

from typing import Final

import numpy as np

STEPS: Final = 60
FEATURES: Final = ("heart_rate", "hrv", "acceleration", "skin_temperature")
WIDTH: Final = 64
HEADS: Final = 4
LAYERS: Final = 3
HIDDEN: Final = 128
MEAN: Final = np.array([83.1, 49.2, 1.36, 36.51])
SCALE: Final = np.array([22.3, 14.6, 0.72, 0.38])
"""One normalisation for everybody, by feature: bpm, ms, g, Cel."""
ABSENT: Final = np.array([0.0, 0.0, 1.0, 36.5])
"""What it was told in the place of a feature that nobody measured: a heart that stands still, without variability."""
ELEVATED: Final = 0.5
CRITICAL: Final = 0.8
"""Its two thresholds on the mean over the window, the same for everybody."""


def _tensors() -> dict[str, tuple[int, ...]]:
    square, row = (WIDTH, WIDTH), (WIDTH,)
    told: dict[str, tuple[int, ...]] = {
        "positional_embedding": (1, STEPS, WIDTH),
        "input_projection.weight": (WIDTH, len(FEATURES)),
        "input_projection.bias": row,
    }
    for layer in range(LAYERS):
        at = f"layers.{layer}"
        told[f"{at}.prior_association.sigma"] = (HEADS,)
        for part in "qkvo":
            told[f"{at}.series_association.W_{part}.weight"] = square
            told[f"{at}.series_association.W_{part}.bias"] = row
        told[f"{at}.ff.0.weight"], told[f"{at}.ff.0.bias"] = (HIDDEN, WIDTH), (HIDDEN,)
        told[f"{at}.ff.3.weight"], told[f"{at}.ff.3.bias"] = (WIDTH, HIDDEN), row
        for norm in ("norm1", "norm2"):
            told[f"{at}.{norm}.weight"], told[f"{at}.{norm}.bias"] = row, row
    told["reconstruction_head.weight"] = (len(FEATURES), WIDTH)
    told["reconstruction_head.bias"] = (len(FEATURES),)
    told["anomaly_head.0.weight"], told["anomaly_head.0.bias"] = (WIDTH // 2, WIDTH), (WIDTH // 2,)
    told["anomaly_head.2.weight"], told["anomaly_head.2.bias"] = (1, WIDTH // 2), (1,)
    return told


TENSORS: Final = _tensors()
"""Name and shape of every tensor of a checkpoint: these, all of them, and no other."""
