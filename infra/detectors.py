"""Which detector judges the wearers: the anomaly model, or the simple one, also where the model cannot be read."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from schemas.errors import ContractError
from stream_processors.operators.detector import Detector
from stream_processors.operators.resting import FALLBACK, RestingDetector
from stream_processors.ports import Meter

PULSENET: Final = "pulsenet"
RESTING_RATE: Final = "resting-rate"

_LOG = structlog.get_logger(__name__)


def choose_detector(name: str, meter: Meter, *, folder: Path | None = None) -> Callable[[], Detector]:
    """Return what makes a partition's detector; its weights are read once, here.

    Weights that cannot be read, or are not what their manifest says, are said so, once, and counted: the simple
    detector stands in then, under a name of its own in every score and episode. `folder` holds other weights than the
    shipped ones.
    """
    if name == RESTING_RATE:
        return RestingDetector
    from inference.pulsenet.calibration import Calibration
    from inference.pulsenet.engine import PulseNet
    from inference.pulsenet.weights import loading
    from stream_processors.operators.pulsenet import PulseNetDetector

    kept = loading.FOLDER if folder is None else folder
    try:
        predictor, population = loading.predictor(folder=kept), loading.population(folder=kept)
    except ContractError as error:
        _LOG.error("detector_fallback", instead=FALLBACK, reason=str(error))
        meter.count("detector_fallbacks_total")
        return partial(RestingDetector, FALLBACK)
    _LOG.info("detector", name=predictor.name, wearer_days=population.wearer_days)
    return lambda: PulseNetDetector(PulseNet(predictor, Calibration(population)))
