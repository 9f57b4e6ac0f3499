"""The model's own rows: as it ships, the other predictor in the same pipeline, and what its parts are worth."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inference.pulsenet.calibration import Calibration
from inference.pulsenet.engine import WHOLE, PulseNet, Without
from inference.pulsenet.evaluation.detectors.engine import Engine
from inference.pulsenet.weights.loading import NAMES, SHIPPED, Kind, population, predictor


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One row.

    Attributes:
        name: Key of its results.
        kind: Which predictor.
        without: Parts taken away.
        adapt: Whether the thresholds follow the wearer's own alerts.
        whole: It is asked for every scenario; otherwise for the headline ones.
    """

    name: str
    kind: Kind
    without: Without = WHOLE
    adapt: bool = True
    whole: bool = False

    def detector(self, folder: Path) -> Engine:
        """Return the engine with this variant's parts; the weights are read once."""
        told, people = predictor(self.kind, folder=folder), population(self.kind, folder=folder)
        make: Callable[[], PulseNet] = lambda: PulseNet(  # noqa: E731 - a name of its own for what is called later
            told, Calibration(people, adapt=self.adapt), without=self.without
        )
        return Engine(make, name=self.name)


OTHER: Final[Kind] = "ridge" if SHIPPED == "network" else "network"
MAIN: Final = Variant(name=NAMES[SHIPPED], kind=SHIPPED, whole=True)
VARIANTS: Final = (
    MAIN,
    Variant(name=NAMES[OTHER], kind=OTHER, whole=True),
    Variant(name="adaptation off", kind=SHIPPED, adapt=False),
    Variant(name="context off", kind=SHIPPED, without=Without(context=True)),
    Variant(name="gate off", kind=SHIPPED, without=Without(frozen_gate=True)),
    Variant(name="rest gate off", kind=SHIPPED, without=Without(rest_gate=True)),
    Variant(name="level off", kind=SHIPPED, without=Without(level=True)),
    Variant(name="personal off", kind=SHIPPED, without=Without(personal=True)),
)
