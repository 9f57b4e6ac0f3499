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


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """One row of the table.

    Attributes:
        name: Key of its results.
        make: Builds it from the people that it may learn from, with a seed.
        slow: It is asked for the headline scenarios alone, and calibrated on fewer people.
        needs: Package without which it cannot run.
    """

    name: str
    make: Callable[[Sequence[Series], int], Detector]
    slow: bool = False
    needs: str = "numpy"

    @property
    def there(self) -> bool:
        """Whether this installation has what it needs."""
        return importlib.util.find_spec(self.needs) is not None


RIVALS: Final = (
    Rival(name=ClinicalRule.name, make=lambda _people, _seed: ClinicalRule()),
    Rival(name=PartialNews2.name, make=lambda _people, _seed: PartialNews2()),
    Rival(name=RestThreshold.name, make=lambda _people, _seed: RestThreshold()),
    Rival(name=Sustained.name, make=lambda _people, _seed: Sustained()),
    Rival(name=PersonalZ.name, make=lambda _people, _seed: PersonalZ()),
    Rival(name=Ewma.name, make=lambda _people, _seed: Ewma()),
    Rival(name=RestZ.name, make=lambda _people, _seed: RestZ()),
    Rival(name=Cusum.name, make=lambda _people, _seed: Cusum()),
    Rival(name=RidgeResidual.name, make=lambda people, _seed: RidgeResidual(Explained.of(people))),
    Rival(name=RidgeGate.name, make=lambda people, _seed: RidgeGate(Explained.of(people))),
    Rival(name=RidgeLevel.name, make=lambda people, _seed: RidgeLevel(Explained.of(people))),
    Rival(name=PcaResidual.name, make=lambda people, _seed: PcaResidual(people)),
    Rival(
        name=IsolationForestRows.name,
        make=lambda people, seed: IsolationForestRows(people, seed=seed),
        slow=True,
        needs="sklearn",
    ),
    Rival(name=HalfSpaceTrees.name, make=lambda _people, seed: HalfSpaceTrees(seed=seed), slow=True, needs="river"),
    Rival(name=MatrixProfile.name, make=lambda _people, _seed: MatrixProfile(), slow=True, needs="stumpy"),
    Rival(
        name=LstmAutoencoder.name,
        make=lambda people, seed: LstmAutoencoder(people, seed=seed),
        slow=True,
        needs="torch",
    ),
)
