"""A made-up anomaly model for tests: it expects everybody at their own centre, and its thresholds are round numbers."""

import numpy as np

from inference.pulsenet.calibration import Calibration, Population
from inference.pulsenet.channels import CHANNELS
from inference.pulsenet.engine import PulseNet
from inference.pulsenet.features import CONTEXT, SEEN
from inference.pulsenet.predictor import Ridge
from inference.pulsenet.series import VITAL_COUNT
from stream_processors.operators.pulsenet import PulseNetDetector

_LOG_SCALE = -0.5
_DAYS = 100
_HIGHEST = {"5 min": 1.8, "10 min": 1.8, "60 min": 1.2, "8 h": 1.2, "2 nights": 1.8}
"""The largest scores of the days that the thresholds come from, by time scale."""


def model() -> PulseNet:
    """Return a model without context."""
    now, later = np.zeros((CONTEXT + 1, VITAL_COUNT)), np.zeros((CONTEXT + SEEN + 1, VITAL_COUNT))
    wide_now, wide_later = now.copy(), later.copy()
    wide_now[-1] = wide_later[-1] = _LOG_SCALE
    weights = {"mean": now, "log_scale": wide_now, "next_mean": later, "next_log_scale": wide_later}
    highest = np.array([_HIGHEST[channel.scale] for channel in CHANNELS])
    maxima = np.linspace(0.3, 1.0, _DAYS)[:, None] * highest
    population = Population.of(maxima, flag=0.5, source="made up")
    return PulseNet(Ridge(weights, name="pulsenet-made 1"), Calibration(population))


def detector() -> PulseNetDetector:
    """Return a detector with this model."""
    return PulseNetDetector(model())
