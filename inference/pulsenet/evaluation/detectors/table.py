"""All rivals, and what each costs."""

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from inference.pulsenet.evaluation.detectors.autoencoder import LstmAutoencoder
from inference.pulsenet.evaluation.detectors.averages import Cusum, Ewma, PersonalZ
from inference.pulsenet.evaluation.detectors.fixed import ClinicalRule, PartialNews2, Sustained
from inference.pulsenet.evaluation.detectors.rest import RestThreshold, RestZ
from inference.pulsenet.evaluation.detectors.ridge import Explained, RidgeGate, RidgeLevel, RidgeResidual
from inference.pulsenet.evaluation.detectors.shapes import MatrixProfile
from inference.pulsenet.evaluation.detectors.vectors import HalfSpaceTrees, IsolationForestRows, PcaResidual
from inference.pulsenet.evaluation.protocol import Detector
from inference.pulsenet.series import Series

_REST: Final = "heart rate; whether nobody has walked for 10 min"
_OWN: Final = "heart rate above the own usual (awake, asleep; the last 7 days)"
_OWN_REST: Final = f"{_OWN}, after 5 step-free min"
_RIDGE: Final = f"{_OWN}, less what steps and time of day explain (ridge on made people and Stress-Predict)"
_VECTOR: Final = "that smoothed, steps now and of 10 and 30 min, step-free min, time of day; after 10 step-free min"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """One row of the table.

    Attributes:
        name: Key of its results.
        reads: What it gets to see of the believed minutes, and when it speaks.
        make: Builds it from the people that it may learn from, with a seed.
        slow: It takes longest, so it is begun first.
        needs: Package without which it cannot run.
    """

    name: str
    reads: str
    make: Callable[[Sequence[Series], int], Detector]
    slow: bool = False
    needs: str = "numpy"

    @property
    def there(self) -> bool:
        """Whether this installation has what it needs."""
        return importlib.util.find_spec(self.needs) is not None


RIVALS: Final = (
    Rival(name=ClinicalRule.name, reads=_REST, make=lambda _people, _seed: ClinicalRule()),
    Rival(
        name=PartialNews2.name,
        reads="heart rate (five-minute average); oxygen, breathing, temperature where measured",
        make=lambda _people, _seed: PartialNews2(),
    ),
    Rival(name=RestThreshold.name, reads=_REST, make=lambda _people, _seed: RestThreshold()),
    Rival(name=Sustained.name, reads=_REST, make=lambda _people, _seed: Sustained()),
    Rival(name=PersonalZ.name, reads=_OWN, make=lambda _people, _seed: PersonalZ()),
    Rival(name=Ewma.name, reads=f"{_OWN}, smoothed", make=lambda _people, _seed: Ewma()),
    Rival(name=RestZ.name, reads=f"{_OWN_REST}, smoothed", make=lambda _people, _seed: RestZ()),
    Rival(name=Cusum.name, reads=f"{_OWN_REST}, summed up", make=lambda _people, _seed: Cusum()),
    Rival(name=RidgeResidual.name, reads=_RIDGE, make=lambda people, _seed: RidgeResidual(Explained.of(people))),
    Rival(
        name=RidgeGate.name,
        reads=f"{_RIDGE}; after 8 step-free min, smoothed",
        make=lambda people, _seed: RidgeGate(Explained.of(people)),
    ),
    Rival(
        name=RidgeLevel.name,
        reads=f"{_RIDGE}; after 8 step-free min, smoothed, less its own level of the last hour",
        make=lambda people, _seed: RidgeLevel(Explained.of(people)),
    ),
    Rival(name=PcaResidual.name, reads=f"{_OWN}; {_VECTOR}", make=lambda people, _seed: PcaResidual(people)),
    Rival(
        name=IsolationForestRows.name,
        reads=f"{_OWN}; {_VECTOR}; 100 trees of 256 minutes each",
        make=lambda people, seed: IsolationForestRows(people, seed=seed),
        needs="sklearn",
    ),
    Rival(
        name=HalfSpaceTrees.name,
        reads=f"{_OWN}, smoothed too, and steps; after 10 step-free min; 25 trees of height 8, learned from the "
        "wearer alone, day by day",
        make=lambda _people, seed: HalfSpaceTrees(seed=seed),
    ),
    Rival(
        name=MatrixProfile.name,
        reads=f"{_OWN}, half hours of 5-min means against those of the last week of the same wearer",
        make=lambda _people, _seed: MatrixProfile(),
        slow=True,
    ),
    Rival(
        name=LstmAutoencoder.name,
        reads=f"{_OWN} and steps, half hours that end every fifth minute; 400 updates of 512 half hours drawn",
        make=lambda people, seed: LstmAutoencoder(people, seed=seed),
        slow=True,
        needs="torch",
    ),
)
