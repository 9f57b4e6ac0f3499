"""The clinical floor: limits that always pass when they are held for 2 min, whatever is usual for the wearer."""

from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.slots import Bools
from stream_processors.operators.bins import Bins
from stream_processors.operators.conditions import FLOOR_RULES
from stream_processors.operators.readings import NOT_WORN
from stream_processors.operators.rest import Activity
from stream_processors.operators.runs import Runs

HELD_MS: Final = 120_000
"""From the start of the first bin beyond the limit to the end of the last."""
GAP_MS: Final = 60_000
"""Cover: one bin a minute at least, from the end of one to the start of the next. A longer gap begins anew."""
BINS_LEAST: Final = 3

_VITAL: Final = np.array([rule.vital for rule in FLOOR_RULES])
_LIMIT: Final = np.array([rule.floor for rule in FLOOR_RULES], dtype=np.float64)
_SIGN: Final = np.array([1.0 if rule.side == "high" else -1.0 for rule in FLOOR_RULES])
_AT_REST: Final = np.array([rule.at_rest for rule in FLOOR_RULES])
_FREEZES: Final = np.array([rule.freezes for rule in FLOOR_RULES])


@dataclass(frozen=True, slots=True)
class FloorVerdict:
    """What the floor says of bins, each shape (n, number of rules).

    Attributes:
        beyond: The bin lies beyond the limit and counts.
        within: The vital was measured and lies within the limit.
        fires: Beyond it for 2 min.
        measured: The vital was measured, whether it counts or not.
    """

    beyond: Bools
    within: Bools
    fires: Bools
    measured: Bools


class Floor:
    """Follows, for each stream and rule of `FLOOR_RULES`, the run of bins beyond the limit."""

    def __init__(self) -> None:
        self.runs = Runs(_SIGN)

    def judge(self, bins: Bins, activity: Activity, *, frozen: Bools) -> FloorVerdict:
        """Take one bin of each stream, in order of time; a frozen heart rate counts for nothing."""
        values = bins.values[:, _VITAL]
        if frozen.any():
            values = np.where(frozen[:, None] & _FREEZES, np.nan, values)
        over = (values - _LIMIT) * _SIGN > 0
        measured = ~np.isnan(values)
        within = measured & ~over
        lane = bins.stream
        if not (over.any() or self.runs.running(lane).any()):
            return FloorVerdict(over, within, over, measured)
        allowed = activity.at_rest[:, None] | ~_AT_REST
        beyond = over & allowed
        broken = within | ~allowed | (bins.worn == NOT_WORN)[:, None]
        broken |= bins.start_ms[:, None] - self.runs.table["last_ms"][lane] > GAP_MS
        self.runs.follow(lane, bins, values, activity, agree=beyond, ends=broken)
        held = bins.end_ms[:, None] - self.runs.table["start_ms"][lane] >= HELD_MS
        fires = beyond & held & (self.runs.table["bins"][lane] >= BINS_LEAST)
        return FloorVerdict(beyond, within, fires, measured)
