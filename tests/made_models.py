"""Installed models for tests: made by a call, with the roles that a test wants at the time."""

from collections.abc import Callable
from dataclasses import dataclass, field

from stream_processors.operators.detector import Detector
from stream_processors.operators.pulsenet import PulseNetDetector
from stream_processors.operators.resting import RestingDetector
from stream_processors.ports import Roles
from tests.made_model import detector

MADE = "pulsenet-made 1"
OTHER = "pulsenet-made 2"
RESTING = "resting-rate 1"


def other() -> PulseNetDetector:
    """Return the made-up model under another name."""
    made = detector()
    made.name = OTHER
    return made


@dataclass
class MadeModels:
    """Models by name; `wanted` is what somebody wants now."""

    wanted: Roles
    made: dict[str, Callable[[], Detector]] = field(
        default_factory=lambda: {MADE: detector, OTHER: other, RESTING: RestingDetector}
    )

    def roles(self) -> Roles:
        """Return who is wanted now."""
        return self.wanted

    def detector(self, name: str) -> Detector | None:
        """Return a new one of this name."""
        return self.made[name]() if name in self.made else None
