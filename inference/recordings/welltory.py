"""The Welltory recordings: spot measurements of heart rate variability, and days, of people with an infection.

Welltory/hrv-covid19 (CC0): `hrv_measurements.csv`, `wearables.csv` and `participants.csv` in one folder, each gzipped
or not. A spot measurement is 100 to 300 intervals between beats, taken with a phone's camera from a person at rest.
Times are on the wall clock of a place that is not told. A day's averages are those of the person's own wearable.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import numpy as np

from inference.recordings.tables import Row, find, read_rows
from inference.slots import Floats

_SPOTS: Final = ("user_code", "measurement_datetime", "rmssd", "sdnn", "rr_data")
_DAYS: Final = (
    "user_code", "day", "resting_pulse", "pulse_average", "pulse_min", "pulse_max", "average_spo2_value",
    "body_temperature_avg", "steps_count",
)  # fmt: skip
_PEOPLE: Final = ("user_code", "symptoms_onset")
_FIRST_CASES: Final = date(2019, 12, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spot:
    """One measurement.

    Attributes:
        local_s: Seconds since 1970 on the wall clock.
        intervals_ms: Between beats, in order, as measured, shape (n,).
        told_rmssd_ms: RMSSD as the app computed it; `told_sdnn_ms` its SDNN.
    """

    local_s: int
    intervals_ms: Floats
    told_rmssd_ms: float
    told_sdnn_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Day:
    """One day of a person's wearable; NaN where nothing is told."""

    day: date
    resting_heart_rate_bpm: float
    heart_rate_bpm: float
    lowest_heart_rate_bpm: float
    highest_heart_rate_bpm: float
    spo2_percent: float
    body_temperature_cel: float
    steps: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Participant:
    """One person.

    Attributes:
        name: The person's code.
        onset: The day on which symptoms began, None where none is told, or one that cannot be: some wrote their day of
            birth, or a day after the last of all measurements.
        spots: In order of time; `days` likewise.
    """

    name: str
    onset: date | None
    spots: tuple[Spot, ...]
    days: tuple[Day, ...]


def read(folder: Path) -> list[Participant]:
    """Return all people in the order of `participants.csv`.

    Raises:
        RecordingError: A file is missing or not of this format; the message names it and the line.
    """
    spots = _by_person(read_rows(find(folder, "hrv_measurements"), _SPOTS))
    days = _by_person(read_rows(find(folder, "wearables"), _DAYS))
    told = read_rows(find(folder, "participants"), _PEOPLE)
    names = {row.cells[0] for row in told}
    for rows in (*spots.values(), *days.values()):
        if rows[0].cells[0] not in names:
            raise rows[0].wrong(f"{rows[0].cells[0]!r} is nobody of participants.csv")
    found_spots = {name: _spots(rows) for name, rows in spots.items()}
    found_days = {name: _days(rows) for name, rows in days.items()}
    latest = _latest(found_spots, found_days)
    return [
        Participant(
            name=row.cells[0],
            onset=_onset(row, latest),
            spots=found_spots.get(row.cells[0], ()),
            days=found_days.get(row.cells[0], ()),
        )
        for row in told
    ]


def _by_person(rows: Sequence[Row]) -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.cells[0], []).append(row)
    return found


def _spots(rows: Sequence[Row]) -> tuple[Spot, ...]:
    found = [
        Spot(
            local_s=row.seconds(1, name="measurement_datetime"),
            intervals_ms=_intervals(row),
            told_rmssd_ms=row.number_or_nan(2, name="rmssd"),
            told_sdnn_ms=row.number_or_nan(3, name="sdnn"),
        )
        for row in rows
    ]
    return tuple(sorted(found, key=lambda spot: spot.local_s))


def _intervals(row: Row) -> Floats:
    try:
        intervals_ms = np.array([float(text) for text in row.cells[4].split(",")])
    except ValueError as error:
        raise row.wrong(f"rr_data must be numbers with commas between, found {row.cells[4][:40]!r}") from error
    if not (np.isfinite(intervals_ms) & (intervals_ms > 0)).all():
        raise row.wrong("rr_data must be positive")
    return intervals_ms


def _days(rows: Sequence[Row]) -> tuple[Day, ...]:
    found = [_of_day(row) for row in rows]
    return tuple(sorted(found, key=lambda day: day.day))


def _of_day(row: Row) -> Day:
    resting, mean, lowest, highest, spo2, temperature, steps = (
        row.number_or_nan(place, name=_DAYS[place]) for place in range(2, len(_DAYS))
    )
    return Day(
        day=_day(row),
        resting_heart_rate_bpm=resting,
        heart_rate_bpm=mean,
        lowest_heart_rate_bpm=lowest,
        highest_heart_rate_bpm=highest,
        spo2_percent=spo2,
        body_temperature_cel=temperature,
        steps=steps,
    )


def _day(row: Row) -> date:
    try:
        return date.fromisoformat(row.cells[1])
    except ValueError as error:
        raise row.wrong(f"day must be like 2020-04-26, found {row.cells[1]!r}") from error


def _latest(spots: Mapping[str, Sequence[Spot]], days: Mapping[str, Sequence[Day]]) -> date:
    seconds = max(spot.local_s for found in spots.values() for spot in found)
    return max(datetime.fromtimestamp(seconds, UTC).date(), *(day.day for found in days.values() for day in found))


def _onset(row: Row, latest: date) -> date | None:
    if not row.cells[1]:
        return None
    try:
        month, day, year = (int(part) for part in row.cells[1].split("/"))
        onset = date(year, month, day)
    except ValueError as error:
        raise row.wrong(f"symptoms_onset must be like 5/27/2020, found {row.cells[1]!r}") from error
    return onset if _FIRST_CASES <= onset <= latest else None
