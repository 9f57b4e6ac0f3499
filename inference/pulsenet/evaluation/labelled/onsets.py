"""Days on which people's symptoms began, and what their wearables told of the days around.

The model judges minutes; these people's wearables give one resting rate a day, so that the model itself has no estimate
here. What can be asked is whether the idea of its two-night rule holds: NightSignal's rule (Alavi et al., Nature
Medicine 2022), 4 bpm above the running median on two days running, on the wearable's own resting rate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np

from inference.pulsenet.evaluation.intervals import poisson, proportion
from inference.recordings.welltory import Participant, read

ABOVE_BPM: Final = 4.0
BEFORE_DAYS: Final = 7
"""So many earlier days with a value are asked for before one can be compared, and before the onset's own days."""
AROUND_DAYS: Final = (-7, 7)
"""Days from the onset that count as around it: what is found there is a hit."""
WHY_NOT_THE_MODEL: Final = (
    "no estimate, because these wearables give one resting rate a day: the model judges minutes, and its nights are "
    "made of minutes asleep"
)


@dataclass(frozen=True, slots=True)
class _Signal:
    days: int
    alerts: tuple[date, ...]


def told(folder: Path) -> dict[str, Any]:
    """Return how many onsets the rule finds, with the exact interval, and how often it speaks elsewhere.

    Raises:
        RecordingError: The folder holds no such recordings.
    """
    people = read(folder)
    ill = [one for one in people if one.onset is not None]
    usable = _asked(people)
    row: dict[str, Any] = {
        "data": "real",
        "model": WHY_NOT_THE_MODEL,
        "people": len(people),
        "with_onset": len(ill),
        "usable": len(usable),
    }
    if not usable:
        return row | {"no_estimate": "no estimate, because nobody has days before and around the onset"}
    found, elsewhere, days = 0, 0, 0
    for person, onset in usable:
        signal = _rule(person)
        around = [day for day in signal.alerts if _around(day, onset)]
        found += bool(around)
        elsewhere += len(signal.alerts) - len(around)
        days += sum(not _around(day, onset) for day, _ in _resting(person)[BEFORE_DAYS:])
    low, high = proportion(found, len(usable))
    rate_low, rate_high = poisson(elsewhere, days) if days else (float("nan"), float("nan"))
    return row | {
        "found": found,
        "found_ci95": [round(low, 3), round(high, 3)],
        "elsewhere": elsewhere,
        "elsewhere_days": days,
        "elsewhere_a_day_ci95": [round(rate_low, 3), round(rate_high, 3)] if days else None,
        "by_chance": round(_by_chance(usable, elsewhere / days), 1) if days else None,
    }


def looked_at(folder: Path) -> list[str]:
    """Return the names of those whose onset is looked for.

    Raises:
        RecordingError: The folder holds no such recordings.
    """
    return [one.name for one, _ in _asked(read(folder))]


def _asked(people: Sequence[Participant]) -> list[tuple[Participant, date]]:
    return [(one, one.onset) for one in people if one.onset is not None and _usable(one, one.onset)]


def _by_chance(people: Sequence[tuple[Participant, date]], rate: float) -> float:
    """Return how many of the people the rule would find if it spoke around onsets as often as elsewhere."""
    days = [sum(_around(day, onset) for day, _ in _resting(person)) for person, onset in people]
    return float(np.sum(1.0 - np.exp(-rate * np.array(days))))


def _around(day: date, onset: date) -> bool:
    return AROUND_DAYS[0] <= (day - onset).days <= AROUND_DAYS[1]


def _usable(person: Participant, onset: date) -> bool:
    """Whether there are days to compare with, and two days running to be compared, around the onset."""
    days = [day for day, _ in _resting(person)]
    before = sum((day - onset).days < AROUND_DAYS[0] for day in days)
    around = {day for day in days if _around(day, onset)}
    return before >= BEFORE_DAYS and any(day + timedelta(days=1) in around for day in around)


def _resting(person: Participant) -> Sequence[tuple[date, float]]:
    return [
        (one.day, one.resting_heart_rate_bpm) for one in person.days if np.isfinite(one.resting_heart_rate_bpm)
    ]  # fmt: skip


def _rule(person: Participant) -> _Signal:
    """Return the days on which it begins to speak: the second of two running that are 4 bpm above all days before."""
    told_days = _resting(person)
    above: dict[date, bool] = {}
    alerts: list[date] = []
    standing = False
    for place, (day, rate) in enumerate(told_days):
        before = [value for _, value in told_days[:place]]
        above[day] = len(before) >= BEFORE_DAYS and rate >= float(np.median(before)) + ABOVE_BPM
        speaks = above[day] and above.get(day - timedelta(days=1), False)
        if speaks and not standing:
            alerts.append(day)
        standing = speaks
    return _Signal(len(told_days), tuple(alerts))
