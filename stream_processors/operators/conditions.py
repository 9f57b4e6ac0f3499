"""The table of conditions that the vitals family watches: one row a vital and side, and the technical ones."""

from dataclasses import dataclass
from typing import Final, Literal

from schemas.vitals import NAMES


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """One condition; its position in the table is its code in the state.

    Attributes:
        name: Name in episodes.
        vital: Column of the vital in bins, None for technical conditions.
        side: Which side of the expected value.
        floor: Clinical limit that always passes when held for `floor.HELD_MS`, None for technical conditions.
        at_rest: The floor counts only at rest.
        freezes: A value that repeats itself is gated (see `gates.FrozenGate`).
    """

    name: str
    vital: int | None = None
    side: Literal["high", "low"] | None = None
    floor: float | None = None
    at_rest: bool = False
    freezes: bool = False


_RATE: Final = NAMES.index("heart_rate")

FLOOR_RULES: Final = (
    Condition(name="heart_rate.high", vital=_RATE, side="high", floor=180.0, at_rest=True, freezes=True),
    Condition(name="heart_rate.low", vital=_RATE, side="low", floor=35.0, at_rest=True, freezes=True),
    Condition(name="spo2.low", vital=NAMES.index("spo2"), side="low", floor=85.0),
)
"""Tier 3: SpO2 below 85 %, heart rate below 35 or above 180 at rest, for 2 min."""

CONDITIONS: Final = (*FLOOR_RULES, Condition(name="no_data"), Condition(name="clock_offset"))

HEART_RATE_HIGH: Final = 0
HEART_RATE_LOW: Final = 1
NO_DATA: Final = 3
CLOCK_OFFSET: Final = 4
