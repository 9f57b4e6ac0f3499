"""What the two Fitbit formats share: the zone in which their wearers lived, and how a table becomes series.

Furberg et al., "Crowd-sourced Fitbit datasets" (2016), as exported by Fitabase. Their wearers' minutes are on the wall
clock, four hours behind UTC; the 5 s samples are in UTC: shifted by 240 min the two agree within 0.25 bpm.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from inference.pulsenet.series import HEART_RATE, Series
from inference.recordings.minutes import empty, grid, means, plausible
from inference.recordings.tables import Row
from inference.slots import Floats, Ints

UTC_OFFSET_MIN: Final = -240
"""Eastern daylight time. In a file from elsewhere the hours of UTC are then wrong, those of the day are right."""


def by_wearer(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Return each wearer's rows; the wearer is the first cell.

    Raises:
        RecordingError: A row names nobody.
    """
    found: dict[str, list[Row]] = {}
    for row in rows:
        if not row.cells[0]:
            raise row.wrong("it names no wearer")
        found.setdefault(row.cells[0], []).append(row)
    return found


def series(path: Path, wearer: str, *, utc_minute: Ints, heart_rate_bpm: Floats) -> tuple[Series, Ints]:
    """Return a wearer's minutes with the means of the heart rate, and each sample's place in the grid.

    Raises:
        RecordingError: The times lie too far apart.
    """
    first = int(utc_minute.min())
    minutes = grid(first, int(utc_minute.max()), name=f"{path}, wearer {wearer}")
    place = utc_minute - first
    made = empty(name=wearer, data="real", first_minute=first, minutes=minutes, utc_offset_min=UTC_OFFSET_MIN)
    made.values[:, HEART_RATE] = means(place, plausible("heart_rate", heart_rate_bpm), minutes=minutes)
    return made, np.asarray(place, dtype=np.int64)
