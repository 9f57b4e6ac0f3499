"""What a training is asked to do."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

_CHECKED: Final = 0.15
"""Beside the people learned from, so large a share decides when to stop, and as many test."""
_CALIBRATED: Final = 1.25
_KEPT: Final = 0.3
_ASSESSED: Final = 0.05
_LEAST: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """People, days and seed.

    Attributes:
        people: Made people to learn from, over `days` days each.
        updates: Most updates of the network.
        seed: Decides everything that is drawn.
        calibrated_days: Length of the recordings that set the thresholds.
        kept_days: Length of those on which they are tried: a wearer's own thresholds are there from the eighth day on.
        assessed_days: Length of those in which the finished model is to find what was put in.
        stress_predict: Folder of Stress-Predict, None to learn from made people alone.
        welltory: Folder of Welltory, None to leave the priors unchecked.
    """

    people: int
    days: float
    updates: int
    seed: int
    calibrated_days: float = 9.0
    kept_days: float = 12.0
    assessed_days: float = 20.0
    stress_predict: Path | None = None
    welltory: Path | None = None

    @property
    def others_checked(self) -> int:
        """Made people who decide when to stop; as many others test."""
        return max(_LEAST, round(self.people * _CHECKED))

    @property
    def calibrated(self) -> int:
        """Made people who set the thresholds."""
        return max(_LEAST, round(self.people * _CALIBRATED))

    @property
    def kept(self) -> int:
        """Made people on whom the thresholds are tried."""
        return max(_LEAST, round(self.people * _KEPT))

    @property
    def assessed(self) -> int:
        """Made people in whom the finished model is to find what was put in."""
        return max(_LEAST, round(self.people * _ASSESSED))
