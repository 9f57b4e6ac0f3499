"""Samples of a Fitbit's heart rate, every 5 to 15 s, brought to means of minutes; no steps are told.

Columns `id`, `time` (UTC, YYYY-MM-DD HH:MM:SS), `hr` (1/min).
"""

from pathlib import Path
from typing import Final

import numpy as np

from inference.pulsenet.series import Series
from inference.recordings.fitbit import by_wearer, series
from inference.recordings.tables import read_rows

_COLUMNS: Final = ("id", "time", "hr")


def read(path: Path) -> list[Series]:
    """Return one series a wearer, in the order in which the file names them; the file may be gzipped.

    Raises:
        RecordingError: The file is not of this format; the message says where.
    """
    read_series = []
    for wearer, rows in by_wearer(read_rows(path, _COLUMNS)).items():
        minute = np.array([row.seconds(1, name="time") // 60 for row in rows], dtype=np.int64)
        rate_bpm = np.array([row.number(2, name="hr") for row in rows])
        read_series.append(series(path, wearer, utc_minute=minute, heart_rate_bpm=rate_bpm)[0])
    return read_series
