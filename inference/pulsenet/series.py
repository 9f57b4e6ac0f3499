"""A wearer's recording on a regular grid of minutes: what training and evaluation read, whatever it came from."""

from dataclasses import dataclass
from typing import Final, Literal

from inference.slots import Floats, Ints
from schemas.vitals import NAMES

VITAL_COUNT: Final = 7
"""The model's vital signs: the first columns of the registry."""
VITAL_NAMES: Final = NAMES[:VITAL_COUNT]
HEART_RATE, HRV_RMSSD, HRV_SDNN, SPO2, RESPIRATORY_RATE, SKIN_TEMPERATURE, BODY_TEMPERATURE = range(VITAL_COUNT)

Data = Literal["real", "semi", "simulated"]
"""real: as measured; semi: real with injected changes; simulated: from the simulator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One recording; row t is the minute `first_minute + t`.

    Attributes:
        name: Whose it is.
        data: How real it is.
        first_minute: Minutes since 1970 UTC.
        utc_offset_min: Local time minus UTC.
        values: Means over the minute in the registry's units, NaN where not measured, shape (T, VITAL_COUNT).
        steps: Steps in the minute, NaN where no sensor told, shape (T,).
        motion: Mean |a - 1 g| in g, NaN where no sensor told, shape (T,).
        worn: -1 not worn, 0 unknown, 1 worn, shape (T,).
    """

    name: str
    data: Data
    first_minute: int
    utc_offset_min: int
    values: Floats
    steps: Floats
    motion: Floats
    worn: Ints

    @property
    def minutes(self) -> int:
        """Length of the grid."""
        return len(self.steps)
