"""Which detectors judge the wearers: the installed model that is wanted, and what stands in where it cannot be read."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from inference.pulsenet.drift import Reference
from infra.models.installed import RESTING, Model, Models
from schemas.errors import ContractError
from stream_processors.operators.detector import Detector
from stream_processors.operators.resting import FALLBACK, RestingDetector
from stream_processors.ports import Meter, Roles

PULSENET: Final = "pulsenet"
RESTING_RATE: Final = RESTING

_LOG = structlog.get_logger(__name__)


class InstalledDetectors:
    """Makes the detectors of a worker, as the roles say at the time; files are read once.

    Who is to alert and cannot be read, or is not what its manifest says, is replaced by the model that ships, and that
    one by the simple detector, under a name of its own in every score and episode: said once, and counted.
    """

    def __init__(self, chosen: str, meter: Meter, *, models: Models) -> None:
        """`chosen` is a setting: the anomaly model, or the simple detector in the place of every model."""
        self._simple = chosen == RESTING_RATE
        self._meter = meter
        self._models = models
        self._makers: dict[str, Callable[[], Detector]] = {}
        self._refused: dict[str, str] = {}
        self._references: dict[str, Reference | None] = {}
        self._changed: object = self
        self._roles = Roles(RESTING_RATE)
        self.fallback = ""
        """Why another detector than the wanted one alerts, empty where it does not."""

    def roles(self) -> Roles:
        """Return who is wanted now; the alerting one can always be made."""
        changed = self._models.changed()
        if changed != self._changed:
            self._changed = changed
            self._refused.clear()
            self._references.clear()
            self._roles = Roles(RestingDetector().name) if self._simple else self._decided()
            for name in {*self._makers, self._roles.alerting}:
                self.reference(name)
        return self._roles

    @property
    def decided(self) -> Roles:
        """Who was wanted when that was last looked for: nothing is read, so the loop may ask."""
        return self._roles

    def detector(self, name: str) -> Detector | None:
        """Return a new detector without wearers, None where there is none of this name that can be read."""
        roles = self.roles() if self._changed is self else self._roles
        # The simple detector does not go on where a model can judge, nor a model where the simple detector is to.
        if name not in {roles.alerting, roles.shadow} and (self._simple or _is_simple(name)):
            return None
        return self._makers[name]() if self._read(name) else None

    def reference(self, name: str) -> Reference | None:
        """Return what the model of this name met where it was made, None where that is not known."""
        if name not in self._references:
            model = self._model(name)
            self._references[name] = None if model is None else model.reference()
        return self._references[name]

    def _decided(self) -> Roles:
        shipped = self._models.shipped
        try:
            alerting, shadow = self._models.wanted()
        except ContractError as error:
            alerting, shadow = "", ""
            _LOG.error("roles_unread", reason=str(error))
        wanted = alerting or ("" if shipped is None else shipped.name)
        for name in dict.fromkeys(filter(None, (wanted, "" if shipped is None else shipped.name))):
            if self._read(name):
                self._stand_in(name, wanted)
                return Roles(name, shadow if shadow != name else "")
        self._stand_in(FALLBACK, wanted)
        return Roles(FALLBACK, shadow)

    def _stand_in(self, name: str, wanted: str) -> None:
        self.fallback = "" if name == wanted else self._refused.get(wanted, "No model's weights are installed.")
        if self.fallback:
            _LOG.error("detector_fallback", instead=name, reason=self.fallback)
            self._meter.count("detector_fallbacks_total")
        else:
            _LOG.info("detector", name=name)

    def _read(self, name: str) -> bool:
        """Return whether a model's detectors can be made, its files being read if they were not."""
        if _is_simple(name):
            self._makers.setdefault(name, partial(RestingDetector, name))
        if name in self._makers:
            return True
        if name in self._refused:
            return False
        try:
            self._makers[name] = self._installed(name).maker()
        except ContractError as error:
            self._refused[name] = str(error)
            _LOG.warning("model_unread", model=name, reason=str(error))
            return False
        self.reference(name)
        return True

    def _installed(self, name: str) -> Model:
        model = self._model(name)
        if model is None:
            raise ContractError(f"The model {name} is not installed.")
        return model

    def _model(self, name: str) -> Model | None:
        return next((one for one in self._models.all() if one.name == name), None)


def _is_simple(name: str) -> bool:
    return name in {RestingDetector().name, FALLBACK}


def shipped_detectors(chosen: str, meter: Meter, *, folder: Path | None = None) -> InstalledDetectors:
    """Return the detectors of an installation that has nothing but what ships; `folder` holds other weights."""
    nowhere = Path("/nonexistent")
    models = Models(nowhere) if folder is None else Models(nowhere, shipped=folder)
    return InstalledDetectors(chosen, meter, models=models)
