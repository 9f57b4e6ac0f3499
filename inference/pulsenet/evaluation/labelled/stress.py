"""Stress tasks of people on whom nothing was learned: how often the model speaks during them, and without them.

Stress is no anomaly that must alarm, and not one that must not: what is told is how often.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from inference.pulsenet.calibration import TIER_RATES
from inference.pulsenet.evaluation.detectors.engine import Engine
from inference.pulsenet.evaluation.intervals import poisson
from inference.pulsenet.series import HEART_RATE
from inference.recordings.stress_predict import Person, people
from inference.slots import Bools

_MINUTE_S = 60
_HOUR_MIN = 60


def told(engine: Engine, folder: Path, *, learned: Sequence[str]) -> dict[str, Any]:
    """Return alerts in minutes of stress tasks and in the others, of whoever is not among `learned`.

    Raises:
        RecordingError: The folder holds no such recordings.
    """
    chosen = _chosen(folder, learned)
    if not chosen:
        return {"data": "real", "no_estimate": "no estimate, because nobody with labels is there who taught nothing"}
    given = [one.series for one in chosen]
    judged, alerts = engine.judge(given), engine.alerts(given)
    stressed = [_stressed(one) for one in chosen]
    scored = [np.isfinite(one.scores.high) for one in judged]
    beyond = [one.scores.high >= one.thresholds[TIER_RATES[0]].high for one in judged]
    opened = [np.concatenate([np.asarray(at, dtype=np.int64) for at in one.values()]) for one in alerts]
    rows = {}
    for name, side in (("stress task", True), ("baseline and rest", False)):
        within = [where == side for where in stressed]
        minutes = sum(int((own & has).sum()) for own, has in zip(within, scored, strict=True))
        count = sum(int(own[at].sum()) for own, at in zip(within, opened, strict=True))
        low, high = poisson(count, minutes / _HOUR_MIN) if minutes else (float("nan"), float("nan"))
        rates = np.concatenate([
            one.series.values[own, HEART_RATE] for one, own in zip(chosen, within, strict=True)
        ])  # fmt: skip
        rows[name] = {
            "minutes": sum(int(own.sum()) for own in within),
            "judged_min": minutes,
            "heart_rate_bpm": round(float(np.nanmedian(rates)), 1) if np.isfinite(rates).any() else None,
            "alerts": count,
            "alerts_an_hour_ci95": [round(low, 3), round(high, 3)] if minutes else None,
            "minutes_beyond": sum(int((own & over).sum()) for own, over in zip(within, beyond, strict=True)),
        }
    return {"data": "real", "people": [one.name for one in given], "during": rows}


def looked_at(folder: Path, *, learned: Sequence[str]) -> list[str]:
    """Return the names of those of whom `told` tells.

    Raises:
        RecordingError: The folder holds no such recordings.
    """
    return [one.series.name for one in _chosen(folder, learned)]


def _chosen(folder: Path, learned: Sequence[str]) -> list[Person]:
    return [one for one in people(folder) if one.series.name not in learned and one.labels is not None]


def _stressed(person: Person) -> Bools:
    """Return of each minute whether most of its labelled seconds are of a stress task, shape (T,)."""
    labels = person.labels
    if labels is None:
        return np.zeros(person.series.minutes, dtype=np.bool_)
    place = labels.time_s // _MINUTE_S - person.series.first_minute
    inside = (place >= 0) & (place < person.series.minutes)
    told_s = np.bincount(place[inside], minlength=person.series.minutes)
    stress_s = np.bincount(place[inside], weights=labels.stress[inside], minlength=person.series.minutes)
    most: Bools = 2 * stress_s > told_s
    return most
