"""A plain table of readings: `time`, any vital signs of the registry by name, and `wearer` where it holds several.

Times are RFC 3339 with an offset or Unix milliseconds, and rise from row to row of a wearer. An empty cell was not
measured; what no living person's sensor reports is left out and counted.
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import numpy as np

from inference.recordings.tables import Row, head, read_rows
from inference.recordings.track import Track
from schemas.errors import RecordingError
from schemas.vitals import BY_NAME, NAMES

TIME: Final = "time"
WEARER: Final = "wearer"
EXAMPLE: Final = "time,heart_rate,spo2"

_FIRST_MS: Final = 0
_LAST_MS: Final = 253_402_300_799_000
"""The end of the year 9999."""


def read(path: Path) -> list[Track]:
    """Return one track a wearer, in the order in which the file names them; the file may be gzipped.

    Raises:
        RecordingError: The file is not of this format; the message names line and column.
    """
    columns = _columns(path)
    by_wearer: dict[str, list[Row]] = {}
    for row in read_rows(path, columns):
        name = row.cells[columns.index(WEARER)] if WEARER in columns else path.name.partition(".")[0]
        if not name:
            raise row.wrong(f"column {WEARER} is empty")
        by_wearer.setdefault(name, []).append(row)
    return [_track(name, rows, columns) for name, rows in by_wearer.items()]


def _columns(path: Path) -> list[str]:
    columns = head(path)
    if TIME not in columns:
        raise RecordingError(f"{path}, line 1: there is no column {TIME}; begin with a line such as {EXAMPLE}.")
    for name in columns:
        if name == "hrv":
            raise RecordingError(f"{path}, line 1: hrv does not say which; write hrv_rmssd or hrv_sdnn.")
        if name not in {TIME, WEARER, *NAMES}:
            known = ", ".join(NAMES)
            raise RecordingError(f"{path}, line 1: no vital sign is called {name!r}; there are {known}.")
    if len(set(columns)) != len(columns):
        raise RecordingError(f"{path}, line 1: a column is there twice.")
    if not set(columns) & set(NAMES):
        raise RecordingError(f"{path}, line 1: there is no vital sign beside {TIME}; write a line such as {EXAMPLE}.")
    return columns


def _track(name: str, rows: Sequence[Row], columns: Sequence[str]) -> Track:
    at = columns.index(TIME)
    times_ms, offsets_min = np.empty(len(rows), dtype=np.int64), list[int | None]()
    for place, row in enumerate(rows):
        times_ms[place], offset = _time(row, at)
        offsets_min.append(offset)
        if place and times_ms[place] <= times_ms[place - 1]:
            raise row.wrong(f"column {TIME} does not rise: {row.cells[at]!r} is not after the row before")
    vitals, left_out = {}, {}
    for place, vital in enumerate(columns):
        if vital in BY_NAME:
            told = np.array([row.number_or_nan(place, name=f"column {vital}") for row in rows])
            lowest, highest = BY_NAME[vital].plausible
            vitals[vital] = np.where((told >= lowest) & (told <= highest), told, np.nan)
            left_out[vital] = int(np.isnan(vitals[vital]).sum() - np.isnan(told).sum())
    known = [offset for offset in offsets_min if offset is not None]
    # Milliseconds do not tell where the wearer lives.
    local = times_ms + np.array(known) * 60_000 if len(known) == len(rows) else None
    return Track(
        name=name,
        start_ms=int(times_ms[0]) - 1000,
        times_ms=times_ms,
        local_ms=local,
        vitals=vitals,
        left_out=left_out,
    )


def _time(row: Row, column: int) -> tuple[int, int | None]:
    """Return a time in Unix milliseconds, and the minutes by which the clock on the wall was ahead of UTC."""
    cell = row.cells[column]
    if cell.isascii() and cell.isdigit():
        milliseconds, offset = int(cell), None
    else:
        try:
            moment = datetime.fromisoformat(cell)
        except ValueError as error:
            example = "2026-11-21T08:00:00+01:00 or Unix milliseconds"
            raise row.wrong(f"column {TIME} must be like {example}, found {cell!r}") from error
        if (ahead := moment.utcoffset()) is None:
            raise row.wrong(f"column {TIME} needs an offset such as Z or +01:00, found {cell!r}")
        milliseconds, offset = round(moment.timestamp() * 1000), round(ahead.total_seconds() / 60)
    if not _FIRST_MS < milliseconds <= _LAST_MS:
        raise row.wrong(f"column {TIME} is out of range: {cell!r}")
    return milliseconds, offset
