"""What befalls many people of a made city at once: events, and what only looks like one. It is marked injected.

How far each vital moves is chosen, not measured: zones shall have something to see. It is no model of heat or smoke.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import h3.api.basic_int as h3
import numpy as np

from inference.slots import Bools, Floats, Ints
from schemas.errors import ContractError

EVENTS: Final = ("heat", "smoke", "crush")
DECOYS: Final = ("firmware", "backfill", "activity")
NEW_FIRMWARE: Final = "2.0"

_HEIGHT: Final[Mapping[str, Mapping[str, float]]] = {
    "heat": {"heart_rate": 12.0, "respiratory_rate": 2.0, "skin_temperature": 1.2},
    "smoke": {"heart_rate": 14.0, "respiratory_rate": 5.0, "spo2": -4.0},
    "crush": {"heart_rate": 35.0, "respiratory_rate": 8.0, "spo2": -2.0},
    "activity": {"heart_rate": 45.0, "respiratory_rate": 10.0, "motion": 0.35, "acceleration": 0.05},
    "firmware": {"heart_rate": 12.0},
    "backfill": {},
}
"""What is added to each vital at the height, in the registry's units."""
_STEPS_PER_S: Final = 2.6
_RAMP_MIN: Final[Mapping[str, float]] = {"heat": 15.0, "smoke": 5.0, "crush": 2.0, "activity": 3.0, "firmware": 0.01}
_NAMES: Final = {"radius": "rings", "share": "share", "lasts": "lasts_min", "place": "place"}
_MOST_RINGS: Final = 60
_MOST_MIN: Final = 1_440.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One thing that happens, to those who are there when it begins.

    Attributes:
        kind: One of `EVENTS` and `DECOYS`.
        begins_min: Minutes after the start; it lasts `lasts_min`.
        place: The H3 cell in its middle, None for the middle of the city.
        rings: How many rings of cells around it; a firmware comes to the whole city.
        share: How many of those who are there are affected, 0 to 1.
    """

    kind: str
    begins_min: float
    lasts_min: float = 30.0
    place: int | None = None
    rings: int = 2
    share: float = 0.8

    def cells(self, middle: int) -> Ints | None:
        """Return where it happens, None for everywhere."""
        if self.kind == "firmware":
            return None
        return np.array(h3.grid_disk(self.place or middle, self.rings), dtype=np.int64)

    def where(self, middle: int) -> str:
        """Return where it happens, in words."""
        if self.kind == "firmware":
            return "in the whole city"
        return f"within {self.rings} rings of cell {self.place or middle:x}"

    def ended(self, minute: float) -> bool:
        """Is it over? A firmware stays."""
        return self.kind != "firmware" and minute >= self.begins_min + self.lasts_min

    def height(self, minute: float) -> float:
        """Return how far it has risen, 0 to 1; a firmware stays."""
        since = minute - self.begins_min
        ramp = _RAMP_MIN.get(self.kind, 1.0)
        left = math.inf if self.kind == "firmware" else self.lasts_min - since
        return float(np.clip(min(since, left) / ramp, 0.0, 1.0))

    def change(self, vitals: dict[str, Floats], who: Bools, minute: float, *, step_s: float) -> bool:
        """Add to the vitals of those affected, arrays of shape (people,); return whether there is something to add."""
        height = self.height(minute)
        added = _HEIGHT[self.kind]
        if not height or not added:
            return False
        for name, most in added.items():
            vitals[name] = vitals[name] + most * height * who
        if self.kind == "activity":
            vitals["steps"] = vitals["steps"] + np.round(_STEPS_PER_S * step_s * height) * who
        return True


def parse_happenings(texts: Sequence[str], *, seconds: float | None = None) -> list[Happening]:
    """Return what texts such as `heat@20,radius=3,share=0.8,lasts=40,place=881f8342cdfffff` ask for.

    Raises:
        ContractError: There is no such happening or option, or it would begin after the end.
    """
    found = [_parsed(text) for text in texts]
    for text, one in zip(texts, found, strict=True):
        if seconds is not None and one.begins_min * 60 >= seconds:
            raise ContractError(
                f"{text} would begin after the end of a simulation of {seconds:g} s; let it last longer."
            )
    return found


def _parsed(text: str) -> Happening:
    what, *options = text.split(",")
    kind, _, after = what.partition("@")
    if kind not in _HEIGHT:
        raise ContractError(f"There is no event {kind!r}; there are {', '.join((*EVENTS, *DECOYS))}.")
    told = dict(option.partition("=")[::2] for option in options)
    if not told.keys() <= _NAMES.keys():
        raise ContractError(f"An event has the options {', '.join(_NAMES)}, as in heat@20,radius=3,share=0.8.")
    return Happening(
        kind=kind,
        begins_min=_number(text, after, 0.0, _MOST_MIN),
        lasts_min=_number(text, told.get("lasts", "30"), 1.0, _MOST_MIN),
        rings=int(_number(text, told.get("radius", "2"), 0, _MOST_RINGS)),
        share=_number(text, told.get("share", "0.8"), 0.0, 1.0),
        place=_cell(told["place"]) if "place" in told else None,
    )


def _number(text: str, written: str, least: float, most: float) -> float:
    try:
        value = float(written)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise ContractError(f"In {text!r}, {written!r} is no number from {least:g} to {most:g}; write heat@20.")
    return value


def _cell(written: str) -> int:
    try:
        cell = int(written, 16)
    except ValueError:
        cell = 0
    if not h3.is_valid_cell(cell) or h3.get_resolution(cell) != h3.get_resolution(_ANY_CELL):
        raise ContractError(f"{written!r} is no H3 cell of resolution 8, such as {_ANY_CELL:x}.")
    return cell


_ANY_CELL: Final = 0x881F8342CDFFFFF
"""The middle of the made city."""
