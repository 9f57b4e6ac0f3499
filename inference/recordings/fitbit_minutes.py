"""Minutes of a Fitbit: heart rate and steps.

Columns `user`, `time` (wall clock, YYYY-MM-DD HH:MM:SS), `hr` (1/min), `steps`. The column `intensity` is never read:
at rest it is a function of the heart rate, so that a model which sees it has been told the answer. In these files the
gaps in which nobody wore the watch are filled with equal heart rates and 0 steps; they stay as they are, and are found
by the gate for values that repeat themselves, as they are in live data. Minutes without a row are not measured.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from inference.pulsenet.series import Series
from inference.recordings.fitbit import UTC_OFFSET_MIN, by_wearer, series
from inference.recordings.tables import Row, read_rows

_COLUMNS: Final = ("user", "time", "hr", "steps")


def read(path: Path) -> list[Series]:
    """Return one series a wearer, in the order in which the file names them; the file may be gzipped.

    Raises:
        RecordingError: The file is not of this format; the message says where.
    """
    return [_series(path, wearer, rows) for wearer, rows in by_wearer(read_rows(path, _COLUMNS)).items()]


def _series(path: Path, wearer: str, rows: Sequence[Row]) -> Series:
    told: dict[int, tuple[float, float]] = {}
    for row in rows:
        minute = row.seconds(1, name="time") // 60
        values = (row.number_or_nan(2, name="hr"), row.number_or_nan(3, name="steps"))
        if not 0 <= values[1] <= 1_000 and row.cells[3]:  # noqa: PLR2004 - no leg is faster
            raise row.wrong(f"nobody makes {values[1]:g} steps in a minute")
        if minute in told:
            raise row.wrong(f"wearer {wearer} has this minute twice")
        told[minute] = values
    table = np.array(list(told.values()), dtype=np.float64)
    utc_minute = np.array(list(told), dtype=np.int64) - UTC_OFFSET_MIN
    made, place = series(path, wearer, utc_minute=utc_minute, heart_rate_bpm=table[:, 0])
    made.steps[place] = table[:, 1]
    return made
