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
        reads: What it gets to see, or lacks.
        without: Parts taken away.
        adapt: Whether the thresholds follow the wearer's own alerts; `own` whether they are shrunk to the own days.
        whole: It is asked for every scenario; otherwise for the headline ones.
    """

    name: str
    kind: Kind
    reads: str = "all vitals of the recording, steps, motion, time of day"
    without: Without = WHOLE
    adapt: bool = True
    own: bool = True
    whole: bool = False

    def detector(self, folder: Path) -> Engine:
        """Return the engine with this variant's parts; the weights are read once."""
        told, people = predictor(self.kind, folder=folder), population(self.kind, folder=folder)
        make: Callable[[], PulseNet] = lambda: PulseNet(  # noqa: E731 - a name of its own for what is called later
            told, Calibration(people, adapt=self.adapt, own=self.own), without=self.without
        )
        return Engine(make, name=self.name)


OTHER: Final[Kind] = "ridge" if SHIPPED == "network" else "network"
MAIN: Final = Variant(name=NAMES[SHIPPED], kind=SHIPPED, whole=True)
VARIANTS: Final = (
    MAIN,
    Variant(name=NAMES[OTHER], kind=OTHER, whole=True),
    Variant(
        name="adaptation off", kind=SHIPPED, adapt=False, reads="the model; thresholds do not follow the own alerts"
    ),
    Variant(
        name="own past off",
        kind=SHIPPED,
        adapt=False,
        own=False,
        reads="the model; thresholds of the population alone, neither shrunk nor adapted",
    ),
    Variant(
        name="context off",
        kind=SHIPPED,
        without=Without(context=True),
        reads="the model; expects the same whatever the steps and the hour",
    ),
    Variant(
        name="gate off", kind=SHIPPED, without=Without(frozen_gate=True), reads="the model; believes repeated values"
    ),
    Variant(
        name="rest gate off", kind=SHIPPED, without=Without(rest_gate=True), reads="the model; judges movement too"
    ),
    Variant(
        name="level off",
        kind=SHIPPED,
        without=Without(level=True),
        reads="the model; the own level of the last hour is not subtracted",
    ),
    Variant(
        name="sustained off",
        kind=SHIPPED,
        without=Without(sustained=True),
        reads="the model; averages of the heart rate decide, by thresholds that were set with what is sustained",
    ),
    Variant(
        name="personal off",
        kind=SHIPPED,
        without=Without(personal=True),
        reads="the model; without the wearer's own bias and spread by state",
    ),
)
