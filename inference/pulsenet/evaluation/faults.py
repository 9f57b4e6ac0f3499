"""What must alarm and what must not, put into made people who have every vital."""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from inference.physiology.faults import BY_NAME, FAULTS, Fault, inject, shows
from inference.pulsenet.calibration import TIER_RATES
from inference.pulsenet.channels import CHANNELS
from inference.pulsenet.deviation import SETTLED_MIN
from inference.pulsenet.evaluation.alarms import GRACE_MIN
from inference.pulsenet.evaluation.days import days_of
from inference.pulsenet.evaluation.detectors.engine import Engine, Window
from inference.pulsenet.evaluation.grid import DAY_MIN, believed, moving, since
from inference.pulsenet.evaluation.summary import rate_row
from inference.pulsenet.series import Series
from inference.slots import Bools, Floats, Ints

DECOY_GRACE_MIN: Final = 60
"""What must not alarm must not do so in the hour after it either: a heart comes down from exercise at rest."""
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
        person: Place of the untouched one among the people.
        fault: The row of the library.
        onset: First changed minute.
        end: First minute after.
    """

    copy: int
    person: int
    fault: Fault
    onset: int
    end: int


def put_in(people: Sequence[Series], *, seed: int) -> tuple[list[Series], list[Put]]:
    """Every fault once into every person whose device measures what it needs, one a test day, long ones alone."""
    copies: list[Series] = []
    puts: list[Put] = []
    for number, person in enumerate(people):
        long = [fault for fault in FAULTS if fault.minutes > _LONG_MIN]
        short = [fault for fault in FAULTS if fault.minutes <= _LONG_MIN]
        for chosen in (short[0::2], short[1::2], *([fault] for fault in long)):
            made, found = _one_copy(person, chosen, seed=seed)
            puts += [Put(len(copies), number, *one) for one in found]
            copies.append(made)
    return copies, puts


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What an engine made of made people.

    Attributes:
        faults: By fault: of how many, how many raised one of its conditions, the alerts during them, and without them;
            of what must alarm and did not, each one with what held it back.
        untouched: Alerts of the same people without faults, from each one's eighth worn day on, by tier.
    """

    faults: dict[str, dict[str, Any]]
    untouched: dict[str, dict[str, Any]]


def row(engine: Engine, people: Sequence[Series], *, seed: int) -> dict[str, dict[str, Any]]:
    """By fault, as in `Told`, without the single ones that were missed."""
    told = examine(engine, people, seed=seed).faults
    return {name: {key: value for key, value in one.items() if key != "missed"} for name, one in told.items()}


def examine(engine: Engine, people: Sequence[Series], *, seed: int) -> Told:
    """Put every fault into everybody, and see what is found, and what is alerted without any."""
    copies, puts = put_in(people, seed=seed)
    windows = [Window(recording=put.copy, start=put.onset, end=put.end + GRACE_MIN) for put in puts]
    watched = engine.watch([*copies, *people], windows)
    struck, untouched = watched.alerts[0][: len(copies)], watched.alerts[0][len(copies) :]
    told: dict[str, dict[str, Any]] = {}
    for put, nearest in zip(puts, watched.nearest, strict=True):
        entry = told.setdefault(
            put.fault.name,
            {"data": "simulated", "must_alarm": put.fault.alarms, "events": 0, "found": 0, "alerts": 0, "untouched": 0,
             "missed": []},
        )  # fmt: skip
        opened = _during(put, struck[put.copy])
        entry["events"] += 1
        entry["untouched"] += sum(_during(put, untouched[put.person]).values())
        found = any(opened.get(condition, 0) for condition in put.fault.conditions)
        entry["found"] += found
        entry["alerts"] += sum(opened.values())
        if put.fault.alarms and not found:
            entry["missed"].append(_missed(put, copies[put.copy], nearest))
    return Told(faults=told, untouched=_unprovoked(people, [tier[len(copies) :] for tier in watched.alerts]))


def _missed(put: Put, copy: Series, nearest: Floats) -> dict[str, Any]:
    """Return whose, when, how long of it was at rest and measured, and how near to a threshold it came."""
    settled = since(moving(copy))[put.onset : put.end] >= SETTLED_MIN
    longest = int(np.max(since(~settled), initial=0))
    measured = np.isfinite(copy.values[put.onset : put.end][:, put.fault.vitals]).any(axis=1)
    own = [code for code, channel in enumerate(CHANNELS) if channel.condition in put.fault.conditions]
    best = max(own, key=lambda code: float(nearest[code]))
    local = (copy.first_minute + copy.utc_offset_min + put.onset) % DAY_MIN
    return {
        "person": put.person,
        "local_time": f"{local // 60:02d}:{local % 60:02d}",
        "minutes": put.end - put.onset,
        "at_rest": int(settled.sum()),
        "longest_at_rest": longest,
        "measured_at_rest": int((settled & measured).sum()),
        "nearest": None if np.isneginf(nearest[best]) else round(float(nearest[best]), 2),
        "channel": f"{CHANNELS[best].condition}, {CHANNELS[best].scale}",
    }


def _unprovoked(people: Sequence[Series], tiers: Sequence[Sequence[Mapping[str, Ints]]]) -> dict[str, dict[str, Any]]:
    days = [days_of(person) for person in people]
    counts = [
        sum(
            int((minutes >= day.test_from).sum())
            for day, own in zip(days, tier, strict=True)
            for minutes in own.values()
        )
        for tier in tiers
    ]
    total = sum(int(day.test.sum()) for day in days)
    return {
        f"{rate:g}": {"data": "simulated", **rate_row(rate, count, total)}
        for rate, count in zip(TIER_RATES, counts, strict=True)
    }


def _during(put: Put, alerts: Mapping[str, Ints]) -> dict[str, int]:
    grace = GRACE_MIN if put.fault.alarms else DECOY_GRACE_MIN
    return {
        condition: int(((minutes >= put.onset) & (minutes <= put.end + grace)).sum())
        for condition, minutes in alerts.items()
    }


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
