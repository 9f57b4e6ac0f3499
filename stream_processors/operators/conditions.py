"""The table of conditions that the vitals family watches: one row a vital and side, and the technical ones."""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from schemas.episodes import EpisodeType
from schemas.vitals import NAMES
from stream_processors.operators.readings import VITAL_COUNT


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition; its position in the table is its code in the state.

    Attributes:
        name: Name in episodes.
        type: About the body, or technical.
        vital: Column of the vital in bins that evidence tells of; None for technical conditions.
        beside: Columns of further vitals that it is about.
        side: Which side of the expected value.
        floor: Clinical limit that always passes when held for `floor.HELD_MS`, None where there is none.
        at_rest: The floor counts only at rest.
        freezes: A value that repeats itself is gated (see `gates.FrozenGate`).
    """

    name: str
    type: EpisodeType = "physiological"
    vital: int | None = None
    beside: tuple[int, ...] = ()
    side: Literal["high", "low"] | None = None
    floor: float | None = None
    at_rest: bool = False
    freezes: bool = False

    @property
    def vitals(self) -> tuple[int, ...]:
        """Columns of all vitals that it is about."""
        return () if self.vital is None else (self.vital, *self.beside)


_RATE: Final = NAMES.index("heart_rate")
_RMSSD: Final = NAMES.index("hrv_rmssd")
_SKIN: Final = NAMES.index("skin_temperature")
_BODY: Final = NAMES.index("body_temperature")

FLOOR_RULES: Final = (
    Condition(name="heart_rate.high", vital=_RATE, side="high", floor=180.0, at_rest=True, freezes=True),
    Condition(name="heart_rate.low", vital=_RATE, side="low", floor=35.0, at_rest=True, freezes=True),
    Condition(name="spo2.low", vital=NAMES.index("spo2"), side="low", floor=85.0),
)
"""Tier 3: SpO2 below 85 %, heart rate below 35 or above 180 at rest, for 2 min."""

PHYSIOLOGICAL: Final = (
    *FLOOR_RULES,
    Condition(name="respiratory_rate.high", vital=NAMES.index("respiratory_rate"), side="high"),
    Condition(name="hrv_rmssd.low", vital=_RMSSD, side="low"),
    Condition(name="hrv_sdnn.low", vital=NAMES.index("hrv_sdnn"), side="low"),
    Condition(name="skin_temperature.high", vital=_SKIN, side="high"),
    Condition(name="body_temperature.high", vital=_BODY, side="high"),
    Condition(name="resting_heart_rate.high", vital=_RATE, side="high", freezes=True),
    Condition(name="vitals.drift", vital=_RATE, beside=(_RMSSD, _SKIN, _BODY), side="high", freezes=True),
)
"""What floor and detector may open, in one table: an episode belongs to a condition, whoever opened it."""

CONDITIONS: Final = (
    *PHYSIOLOGICAL,
    Condition(name="no_data", type="technical"),
    Condition(name="clock_offset", type="technical"),
)

CODE: Final = {condition.name: code for code, condition in enumerate(CONDITIONS)}
NO_DATA: Final = CODE["no_data"]
CLOCK_OFFSET: Final = CODE["clock_offset"]
FREEZING: Final = tuple(code for code, condition in enumerate(PHYSIOLOGICAL) if condition.freezes)

SIGNS: Final = np.array([-1.0 if condition.side == "low" else 1.0 for condition in PHYSIOLOGICAL])
VITAL: Final = np.array([condition.vital for condition in PHYSIOLOGICAL])
ABOUT: Final = np.array([[vital in one.vitals for vital in range(VITAL_COUNT)] for one in PHYSIOLOGICAL])
"""Which vitals a condition is about, shape (number of physiological conditions, VITAL_COUNT)."""
