"""What must alarm and what must not, put into made people who have every vital."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from inference.physiology.faults import BY_NAME, FAULTS, Fault, inject, shows
from inference.pulsenet.evaluation.alarms import GRACE_MIN
from inference.pulsenet.evaluation.days import days_of
from inference.pulsenet.evaluation.detectors.engine import Engine
from inference.pulsenet.evaluation.grid import DAY_MIN, believed, moving
from inference.pulsenet.series import Series
from inference.slots import Bools

TRIES: Final = 60
BEFORE_MIN: Final = 15
_DAY: Final = (9 * 60, 17 * 60)
_STILL_SHARE: Final = 0.8
_LONG_MIN: Final = DAY_MIN
_LASTING_MIN: Final = 60


@dataclass(frozen=True, slots=True)
class Put:
    """One fault in one copy.

    Attributes:
        copy: Place of the recording among the copies.
        fault: The row of the library.
        onset: First changed minute.
        end: First minute after.
    """

    copy: int
    fault: Fault
    onset: int
    end: int


def put_in(people: Sequence[Series], *, seed: int) -> tuple[list[Series], list[Put]]:
    """Every fault once into every person whose device measures what it needs, one a test day, long ones alone."""
    copies: list[Series] = []
    puts: list[Put] = []
    for person in people:
        long = [fault for fault in FAULTS if fault.minutes > _LONG_MIN]
        short = [fault for fault in FAULTS if fault.minutes <= _LONG_MIN]
        for chosen in (short[0::2], short[1::2], *([fault] for fault in long)):
            made, found = _one_copy(person, chosen, seed=seed)
            puts += [Put(len(copies), *one) for one in found]
            copies.append(made)
    return copies, puts


def row(engine: Engine, people: Sequence[Series], *, seed: int) -> dict[str, dict[str, Any]]:
    """By fault: of how many, how many raised one of its conditions, and the alerts that opened during them."""
    copies, puts = put_in(people, seed=seed)
    alerts = engine.alerts(copies)
    told: dict[str, dict[str, Any]] = {}
    for put in puts:
        entry = told.setdefault(
            put.fault.name,
            {"data": "simulated", "must_alarm": put.fault.alarms, "events": 0, "found": 0, "alerts": 0},
        )
        opened = {
            condition: int(((minutes >= put.onset) & (minutes <= put.end + GRACE_MIN)).sum())
            for condition, minutes in alerts[put.copy].items()
        }
        entry["events"] += 1
        entry["found"] += any(opened[condition] for condition in put.fault.conditions)
        entry["alerts"] += sum(opened.values())
    return told


def _one_copy(person: Series, faults: Sequence[Fault], *, seed: int) -> tuple[Series, list[tuple[Fault, int, int]]]:
    days = np.flatnonzero(days_of(person).test)
    made, found = person, []
    for fault, day in zip(faults, days, strict=False):
        onset = onset_of(person, fault.name, int(day), seed=seed)
        if onset is not None:
            made, truth = inject(made, fault.name, onset=onset, seed=seed)
            found.append((fault, truth.onset, truth.end))
    return made, found


def onset_of(person: Series, name: str, day: int, *, seed: int) -> int | None:
    """A seeded place by day, worn, still where that decides, at which the device measures what the fault needs."""
    fault = BY_NAME[name]
    rng = np.random.default_rng([seed, zlib.crc32(person.name.encode()), zlib.crc32(fault.name.encode())])
    first = person.first_minute + person.utc_offset_min
    midnight = (first // DAY_MIN + day) * DAY_MIN - first
    still = _still(person)
    for place in midnight + rng.integers(*_DAY, TRIES):
        onset, end = int(place), int(place) + fault.minutes
        inside = onset >= BEFORE_MIN and end <= person.minutes
        if inside and shows(person, name, onset=onset) and _quiet(still, onset, end):
            return onset
    return None


def _quiet(still: Bools, onset: int, end: int) -> bool:
    """Whether it begins at rest, and, if it is short, stays at it."""
    at_rest = bool(still[onset - BEFORE_MIN : onset].mean() >= _STILL_SHARE)
    return at_rest and (end - onset > _LASTING_MIN or bool(still[onset:end].mean() >= _STILL_SHARE))


def _still(person: Series) -> Bools:
    """Minutes without movement and with a believed heart rate."""
    return np.isfinite(believed(person)) & ~moving(person)
