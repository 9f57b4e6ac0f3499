"""The model's own rows: as it ships, the other predictor in the same pipeline, and what its parts are worth."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from inference.pulsenet.calibration import Calibration
from inference.pulsenet.engine import WHOLE, PulseNet, Without
from inference.pulsenet.evaluation.detectors.engine import Engine
from inference.pulsenet.evaluation.detectors.spread import constant
from inference.pulsenet.predictor import Predictor
from inference.pulsenet.weights.loading import NAMES, SHIPPED, Kind, population, predictor


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What is taken away from a model.

    Attributes:
        without: Parts of the engine.
        spread: Whether the spread is predicted; otherwise it is the same in every minute.
        adapt: Whether the thresholds follow the wearer's own alerts; `own` whether they are shrunk to the own days.
    """

    without: Without = WHOLE
    spread: bool = True
    adapt: bool = True
    own: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One row.

    Attributes:
        name: Key of its results.
        kind: Which predictor.
        reads: What it gets to see, or lacks.
        taken: Parts taken away.
        whole: It is asked for every scenario; otherwise for the headline ones.
    """

    name: str
    kind: Kind
    reads: str = "all vitals of the recording, steps, motion, time of day"
    taken: Taken = Taken()
    whole: bool = False

    def detector(self, folder: Path) -> Engine:
        """Return the engine with this variant's parts; the weights are read once."""
        told: Predictor = predictor(self.kind, folder=folder) if self.taken.spread else constant(self.kind, folder)
        people = population(self.kind, folder=folder)
        taken = self.taken
        make: Callable[[], PulseNet] = lambda: PulseNet(  # noqa: E731 - a name of its own for what is called later
            told, Calibration(people, adapt=taken.adapt, own=taken.own), without=taken.without
        )
        return Engine(make, name=self.name)


OTHER: Final[Kind] = "ridge" if SHIPPED == "network" else "network"
MAIN: Final = Variant(name=NAMES[SHIPPED], kind=SHIPPED, whole=True)


_PARTS: Final[tuple[tuple[str, str, Taken], ...]] = (
    ("adaptation", "thresholds do not follow the own alerts", Taken(adapt=False)),
    ("own past", "thresholds of the population alone, neither shrunk nor adapted", Taken(adapt=False, own=False)),
    ("context", "expects the same whatever the steps and the hour", Taken(without=Without(context=True))),
    (
        "spread",
        "one spread for all minutes, its own average over made people, in place of the predicted",
        Taken(spread=False),
    ),
    ("gate", "believes repeated values", Taken(without=Without(frozen_gate=True))),
    ("rest gate", "judges movement too", Taken(without=Without(rest_gate=True))),
    ("level", "the own level of the last hour is not subtracted", Taken(without=Without(level=True))),
    (
        "sustained",
        "averages of the heart rate decide, by thresholds that were set with what is sustained",
        Taken(without=Without(sustained=True)),
    ),
    ("personal", "without the wearer's own bias and spread by state", Taken(without=Without(personal=True))),
)
"""What is called a part, what its lack means, and what is taken away."""


def _parts(kind: Kind) -> Iterator[Variant]:
    """Yield a model without one part each; those of the model that does not ship bear its name."""
    of = "" if kind == SHIPPED else f"{NAMES[kind]}, "
    for part, lacks, taken in _PARTS:
        yield Variant(name=f"{of}{part} off", kind=kind, reads=f"the model; {lacks}", taken=taken)


VARIANTS: Final = (MAIN, Variant(name=NAMES[OTHER], kind=OTHER, whole=True), *_parts(SHIPPED), *_parts(OTHER))
