"""What one closed bin of five minutes tells of each wearer, and its sums by cell."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.slots import Bools, Floats, Ints
from inference.zones.flagged import Counted
from inference.zones.scan import MILLION

DEVIATE_MOST: Final = 4.0
"""One wearer far off is that wearer's alert and moves a common shift by no more."""
COLUMNS: Final = 6
"""Flags, expected flags, deviates, wearers with a deviate, flagged people, wearers who report.

Of flagged people each is in the newest bin in which a flag of theirs counts and in no other: summed over a window and
region that is no more than how many different people were flagged there.
"""
PEOPLE: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedBin:
    """One row a wearer who was watched in the bin, or whose data came late; each column of shape (n,).

    Watched is of whom the model expected something, and so could flag, in most of what a worn device reported.

    Attributes:
        start_ms: Start of the bin, Unix milliseconds, event time.
        wearer: A number for the wearer, the same in every bin.
        cell: H3 cell of resolution 8.
        flag: The tier-0 flag was raised in the bin.
        rate: Share of clean bins in which that flag is raised, 0 to 1; of a bin watched in part as much less.
        deviate: Mean PIT-normal score of the bin, NaN where nothing was judged.
        moving: Not at rest.
        firmware: A number for the firmware, -1 unknown.
        backfill: The bin's data came late; such rows are in no count.
        offset_min: The wearer's offset from UTC in minutes, `OFFSET_UNKNOWN` where the device did not tell.
    """

    start_ms: int
    wearer: Ints
    cell: Ints
    flag: Bools
    rate: Floats
    deviate: Floats
    moving: Bools
    firmware: Ints
    backfill: Bools
    offset_min: Ints


def by_cell(closed: ClosedBin, rows: Ints, cells: int, *, counted: Counted, ratio: float, shift: float) -> Floats:
    """Return the sums of the bin by cell, shape (cells, COLUMNS), in whole numbers and millionths.

    Args:
        closed: The bin.
        rows: Row of each wearer's cell.
        cells: Number of known cells.
        counted: Whose flags count.
        ratio: Flags that there are for each that is expected, at this hour in the whole area.
        shift: Usual mean of the deviates at this hour in the whole area.
    """
    live = ~closed.backfill
    judged = live & ~np.isnan(closed.deviate)
    deviate = np.clip(np.where(judged, closed.deviate - shift, 0.0), -DEVIATE_MOST, DEVIATE_MOST)
    flags = np.zeros(len(rows), dtype=np.bool_)
    flags[counted.rows] = True
    weights = (
        flags,
        np.round(np.where(live, closed.rate * ratio, 0.0) * MILLION),
        np.round(deviate * MILLION),
        judged,
        flags,
        live,
    )
    return np.stack([np.bincount(rows, weights=weight, minlength=cells) for weight in weights], axis=1)
