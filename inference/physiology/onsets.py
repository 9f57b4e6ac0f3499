"""A fault of the library as it sets in on a stream: what it adds, second by second, to one person's true vitals."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.physiology.body import Truth
from inference.physiology.faults import BY_NAME, FAULTS, Place
from inference.physiology.people import People
from inference.pulsenet.series import HRV_RMSSD, HRV_SDNN, VITAL_COUNT, VITAL_NAMES
from inference.slots import Bools, Floats

STREAMED: Final = tuple(fault.name for fault in FAULTS if fault.alarms or fault.name == "exercise")
"""Faults that change what a body does. Those of a device (dropout, zeros ...) are not among them."""
_PROPORTIONAL: Final = frozenset({HRV_RMSSD, HRV_SDNN})
_RESTING_G: Final = 0.007


@dataclass(frozen=True, slots=True, kw_only=True)
class Onset:
    """One fault in one person, from a number of minutes after the stream's first reading.

    Attributes:
        name: The fault's.
        person: Whom it befalls.
        begins_min: When.
        added: Added to each vital, by minute of the fault, shape (minutes, VITAL_COUNT); to RMSSD and SDNN by their
            logarithm.
        steps: Steps a minute, shape (minutes,).
        motion: Added motion in g, shape (minutes,).
    """

    name: str
    person: int
    begins_min: float
    added: Floats
    steps: Floats
    motion: Floats

    def at(self, minutes: float) -> float | None:
        """Return how many minutes of the fault have passed, None outside it."""
        into = minutes - self.begins_min
        return into if 0 <= into < len(self.steps) else None

    def change(self, truth: Truth, into_min: float) -> None:
        """Change the person's vitals in place, between the minutes in a straight line."""
        centres = np.arange(len(self.steps)) + 0.5
        for vital, name in enumerate(VITAL_NAMES):
            added = float(np.interp(into_min, centres, self.added[:, vital]))
            values = getattr(truth, name)
            if vital in _PROPORTIONAL:
                values[self.person] *= np.exp(added)
            else:
                values[self.person] += added


def onset(people: People, name: str, *, begins_min: float, person: int = 0) -> Onset:
    """Return a fault's onset in one of these people: the change that the library makes to that person at rest.

    Raises:
        ValueError: There is no such fault, or it is not one of a body.
    """
    if name not in STREAMED:
        raise ValueError(f"{name!r} cannot be injected into a stream; there are {', '.join(STREAMED)}.")
    fault = BY_NAME[name]
    rmssd = float(np.exp(people.ln_rmssd[person]))
    rest = np.array([
        people.resting_bpm[person], rmssd, rmssd * people.sdnn_ratio[person], people.spo2_percent[person],
        people.breaths_per_min[person], people.skin_cel[person], people.body_cel[person],
    ])  # fmt: skip
    before = np.broadcast_to(rest, (fault.minutes, VITAL_COUNT))
    place = Place(
        size=fault.size,
        draw=np.random.default_rng(0),
        values=before.copy(),
        steps=np.zeros(fault.minutes),
        motion=np.full(fault.minutes, _RESTING_G),
        worn=np.ones(fault.minutes, dtype=np.int64),
    )
    fault.apply(place)
    proportional: Bools = np.isin(np.arange(VITAL_COUNT), list(_PROPORTIONAL))
    added = np.where(proportional, np.log(place.values / before), place.values - before)
    return Onset(
        name=name,
        person=person,
        begins_min=begins_min,
        added=added,
        steps=place.steps,
        motion=place.motion - _RESTING_G,
    )
