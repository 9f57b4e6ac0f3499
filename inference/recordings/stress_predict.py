"""The Stress-Predict recordings: people who wore an Empatica E4 through an hour of stress tasks and rest.

Iqbal et al., "Stress Monitoring Using Wearable Sensors: A Pilot Study and Stress-Predict Dataset", Sensors 22 (2022)
8135. A folder a person in the layout of `e4`, and beside them `labels_1hz.csv` (`person`, `time_unix_s`,
`respiratory_rate` in 1/min, read off the optical pulse wave by the authors, `stress` 0 or 1), which may be absent.
The respiratory rates are labels, not measurements: they are in no series. The wristband counts no steps.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from inference.hrv.beats import Beats, judge
from inference.hrv.measures import Hrv, five_minutes
from inference.pulsenet.series import HEART_RATE, HRV_RMSSD, SKIN_TEMPERATURE, Series
from inference.recordings.e4 import Recording, read_e4
from inference.recordings.minutes import empty, means
from inference.recordings.tables import find, read_rows
from inference.slots import Floats, Ints
from schemas.errors import RecordingError

_LABELS: Final = "labels_1hz"
_COLUMNS: Final = ("person", "time_unix_s", "respiratory_rate", "stress")
_MINUTE_S: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What the authors tell of each second.

    Attributes:
        time_s: Unix seconds, rising, shape (seconds,).
        respiratory_rate: Breaths a minute, NaN where none is told, shape (seconds,).
        stress: 1 during a stress task, 0 at baseline and rest, shape (seconds,).
    """

    time_s: Ints
    respiratory_rate: Floats
    stress: Ints


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """One person's recording.

    Attributes:
        series: Minutes; `hrv_rmssd` over the 5 min that end with the minute.
        recording: Seconds.
        beats: The judged beats, which end at `beat_ends_s` (Unix seconds).
        hrv: All measures over the 5 min before the end of each minute of `series`.
        labels: None where the folder has none of this person.
    """

    series: Series
    recording: Recording
    beats: Beats
    beat_ends_s: Floats
    hrv: Hrv
    labels: Labels | None


def read(folder: Path) -> list[Series]:
    """Return the series of all people in a folder, by name.

    Raises:
        RecordingError: The folder holds no E4 recording, or one that cannot be read; the message names the file.
    """
    return [person.series for person in people(folder)]


def people(folder: Path) -> list[Person]:
    """Return all people in a folder with beats and labels, by name.

    Raises:
        RecordingError: As `read`.
    """
    if not folder.is_dir():
        raise RecordingError(f"There is no folder {folder}.")
    folders = [entry for entry in sorted(folder.iterdir()) if entry.is_dir() and not entry.name.startswith(".")]
    if not folders:
        raise RecordingError(
            f"{folder} holds no folder: expected one a person (S01, S02, ...) with HR.csv, IBI.csv, ..."
        )
    told = _labels(folder)
    return [_person(read_e4(one), told) for one in folders]


def _person(recording: Recording, told: Mapping[str, Labels]) -> Person:
    start_s = recording.start_ms / 1000
    rows = _last_told(recording) + 1
    # Row k is the second that ends k + 1 s after the start: it belongs to the minute that holds most of it.
    minute = np.floor((start_s + np.arange(rows) + 0.5) / _MINUTE_S).astype(np.int64)
    first, minutes = int(minute[0]), int(minute[-1] - minute[0]) + 1
    series = empty(name=recording.name, data="real", first_minute=first, minutes=minutes, utc_offset_min=0)
    place = minute - first
    for column, name in ((HEART_RATE, "heart_rate"), (SKIN_TEMPERATURE, "skin_temperature")):
        series.values[:, column] = means(place, recording.vitals[name][:rows], minutes=minutes)
    series.motion[:] = means(place, recording.vitals["motion"][:rows], minutes=minutes)
    beats = judge(recording.beats_ms, ends_s=recording.beat_ends_s)
    ends_s = recording.beat_ends_s + start_s
    until_s = np.arange(first + 1, first + minutes + 1, dtype=np.float64) * _MINUTE_S
    hrv = five_minutes(beats, ends_s, until_s)
    series.values[:, HRV_RMSSD] = hrv.rmssd_ms
    labels = told.get(recording.name)
    return Person(series=series, recording=recording, beats=beats, beat_ends_s=ends_s, hrv=hrv, labels=labels)


def _last_told(recording: Recording) -> int:
    """Return the last second in which anything was measured, 0 where nothing ever was."""
    known = np.isfinite(np.stack(list(recording.vitals.values()))).any(axis=0) | (np.diff(recording.beat_starts) > 0)
    told = np.flatnonzero(known)
    return int(told[-1]) if len(told) else 0


def _labels(folder: Path) -> dict[str, Labels]:
    if not any(folder.glob(f"{_LABELS}.csv*")):
        return {}
    found: dict[str, list[tuple[float, float, float]]] = {}
    for row in read_rows(find(folder, _LABELS), _COLUMNS):
        stress = row.number(3, name="stress")
        if stress not in {0.0, 1.0}:
            raise row.wrong(f"stress must be 0 or 1, found {row.cells[3]!r}")
        told = (row.number(1, name="time_unix_s"), row.number_or_nan(2, name="respiratory_rate"), stress)
        found.setdefault(row.cells[0], []).append(told)
    return {person: _sorted(np.array(rows)) for person, rows in found.items()}


def _sorted(rows: Floats) -> Labels:
    rows = rows[np.argsort(rows[:, 0], kind="stable")]
    return Labels(time_s=rows[:, 0].astype(np.int64), respiratory_rate=rows[:, 1], stress=rows[:, 2].astype(np.int64))
