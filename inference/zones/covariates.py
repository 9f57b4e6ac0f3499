"""What besides illness may lie behind an excess: movement, one firmware, data that came late, a change of the clock.

Rows that came late are in no count. The rest is no veto but a label: whoever reads the alert is told of it.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from inference.slots import Bools, Ints
from inference.zones.bins import ClosedBin
from inference.zones.scan import BINS_KEPT

Label = Literal["activity", "firmware", "backfill", "clock_change"]
MOVING_SHARE: Final = 0.5
SAME_FIRMWARE_SHARE: Final = 0.8
ELSEWHERE_RATIO: Final = 3.0
"""One firmware that raises three times the flags expected of it outside the region as well is the firmware's doing."""
BACKFILL_SHARE: Final = 0.3
CLOCK_CHANGE_MS: Final = 86_400_000
CLOCK_CHANGE_SHARE: Final = 0.5


@dataclass(frozen=True, slots=True)
class _Told:
    """What a bin told that labels need: all rows' cells, and what they were like."""

    cell: Ints
    flag: Bools
    moving: Bools
    firmware: Ints
    backfill: Bools
    rate_millionths: Ints


class Recent:
    """The rows of the last two hours, and when the wearers' offset from UTC last changed."""

    def __init__(self) -> None:
        self._bins: list[_Told] = []
        self._offset_min: int | None = None
        self._changed_ms: int | None = None

    def take(self, closed: ClosedBin) -> None:
        """Take the next bin."""
        rate = np.round(closed.rate * 1e6).astype(np.int64)
        told = _Told(closed.cell, closed.flag, closed.moving, closed.firmware, closed.backfill, rate)
        self._bins = [told, *self._bins][:BINS_KEPT]
        if len(closed.offset_min) == 0:
            return
        values, counts = np.unique(closed.offset_min, return_counts=True)
        offset = int(values[counts.argmax()])
        if counts.max() < CLOCK_CHANGE_SHARE * len(closed.offset_min):
            return
        if self._offset_min is not None and offset != self._offset_min:
            self._changed_ms = closed.start_ms
        self._offset_min = offset

    def labels(self, cells: Ints, window_bins: int, now_ms: int) -> tuple[Label, ...]:
        """Return what may lie behind an excess in these cells over the window."""
        bins = self._bins[:window_bins]
        inside = [np.isin(told.cell, cells) for told in bins]
        moving = np.concatenate([told.moving[here] for told, here in zip(bins, inside, strict=True)])
        late = np.concatenate([told.backfill[here] for told, here in zip(bins, inside, strict=True)])
        found: list[Label] = []
        if len(moving) and moving.mean() >= MOVING_SHARE:
            found.append("activity")
        if self._one_firmware(bins, inside):
            found.append("firmware")
        if len(late) and late.mean() >= BACKFILL_SHARE:
            found.append("backfill")
        if self._changed_ms is not None and now_ms - self._changed_ms < CLOCK_CHANGE_MS:
            found.append("clock_change")
        return tuple(found)

    @staticmethod
    def _one_firmware(bins: list[_Told], inside: list[Bools]) -> bool:
        flagged = [told.firmware[here & told.flag] for told, here in zip(bins, inside, strict=True)]
        firmware = np.concatenate(flagged) if flagged else np.empty(0, dtype=np.int64)
        firmware = firmware[firmware >= 0]
        if len(firmware) == 0:
            return False
        values, counts = np.unique(firmware, return_counts=True)
        common = values[counts.argmax()]
        if counts.max() < SAME_FIRMWARE_SHARE * len(firmware):
            return False
        with_it = [~here & (told.firmware == common) for told, here in zip(bins, inside, strict=True)]
        raised = sum(int((told.flag & rows).sum()) for told, rows in zip(bins, with_it, strict=True))
        expected = sum(int(told.rate_millionths[rows].sum()) for told, rows in zip(bins, with_it, strict=True)) / 1e6
        return expected > 0 and raised >= ELSEWHERE_RATIO * expected
