"""What besides illness may lie behind an excess: movement, one firmware, data that came late, a change of the clock.

Rows that came late are in no count. The rest is no veto but a label: whoever reads the alert is told of it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, Self

import numpy as np

from inference.slots import Bools, Ints
from inference.zones.bins import ClosedBin
from inference.zones.scan import BINS_KEPT
from schemas.frame import OFFSET_UNKNOWN

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
    """What a bin told that labels need: sums over the rows of each cell and firmware, whole numbers."""

    cell: Ints
    firmware: Ints
    rows: Ints
    flagged: Ints
    moving: Ints
    late: Ints
    rate_millionths: Ints


_COLUMNS: Final = ("cell", "firmware", "rows", "flagged", "moving", "late", "rate_millionths")


class Recent:
    """What was told in the last two hours, and when the wearers' offset from UTC last changed."""

    def __init__(self) -> None:
        self._bins: list[_Told] = []
        self._offset_min: int | None = None
        self._changed_ms: int | None = None

    def take(self, closed: ClosedBin) -> None:
        """Take the next bin."""
        self._bins = [_told(closed), *self._bins][:BINS_KEPT]
        known = closed.offset_min[closed.offset_min != OFFSET_UNKNOWN]
        if len(known) == 0:
            return
        values, counts = np.unique(known, return_counts=True)
        offset = int(values[counts.argmax()])
        if counts.max() < CLOCK_CHANGE_SHARE * len(known):
            return
        if self._offset_min is not None and offset != self._offset_min:
            self._changed_ms = closed.start_ms
        self._offset_min = offset

    def labels(self, cells: Ints, window_bins: int, now_ms: int) -> tuple[Label, ...]:
        """Return what may lie behind an excess in these cells over the window."""
        bins = self._bins[:window_bins]
        inside = [np.isin(told.cell, cells) for told in bins]
        rows = _sum(told.rows[here] for told, here in zip(bins, inside, strict=True))
        moving = _sum(told.moving[here] for told, here in zip(bins, inside, strict=True))
        late = _sum(told.late[here] for told, here in zip(bins, inside, strict=True))
        found: list[Label] = []
        if rows and moving >= MOVING_SHARE * rows:
            found.append("activity")
        if self._one_firmware(bins, inside):
            found.append("firmware")
        if rows and late >= BACKFILL_SHARE * rows:
            found.append("backfill")
        if self._changed_ms is not None and now_ms - self._changed_ms < CLOCK_CHANGE_MS:
            found.append("clock_change")
        return tuple(found)

    @staticmethod
    def _one_firmware(bins: list[_Told], inside: list[Bools]) -> bool:
        flagged: dict[int, int] = {}
        for told, here in zip(bins, inside, strict=True):
            for firmware, count in zip(told.firmware[here].tolist(), told.flagged[here].tolist(), strict=True):
                if firmware >= 0:
                    flagged[firmware] = flagged.get(firmware, 0) + count
        if not any(flagged.values()):
            return False
        common = min(flagged, key=lambda firmware: (-flagged[firmware], firmware))
        if flagged[common] < SAME_FIRMWARE_SHARE * sum(flagged.values()):
            return False
        with_it = [~here & (told.firmware == common) for told, here in zip(bins, inside, strict=True)]
        raised = _sum(told.flagged[rows] for told, rows in zip(bins, with_it, strict=True))
        expected = _sum(told.rate_millionths[rows] for told, rows in zip(bins, with_it, strict=True)) / 1e6
        return expected > 0 and raised >= ELSEWHERE_RATIO * expected

    def dump(self) -> dict[str, Ints]:
        """Return the state."""
        known = [(-1, 0) if one is None else (1, one) for one in (self._offset_min, self._changed_ms)]
        found = {"clock": np.array(known, dtype=np.int64)}
        found["sizes"] = np.array([len(told.cell) for told in self._bins], dtype=np.int64)
        for name in _COLUMNS:
            columns = [getattr(told, name) for told in self._bins]
            found[name] = np.concatenate(columns) if columns else np.empty(0, dtype=np.int64)
        return found

    @classmethod
    def load(cls, state: Mapping[str, Ints]) -> Self:
        """Return what `dump` returned as it was."""
        found = cls()
        offset, changed = state["clock"].tolist()
        found._offset_min = offset[1] if offset[0] > 0 else None
        found._changed_ms = changed[1] if changed[0] > 0 else None
        ends = np.cumsum(state["sizes"])[:-1]
        pieces = [np.split(state[name], ends) for name in _COLUMNS]
        found._bins = [_Told(*one) for one in zip(*pieces, strict=True)][: len(state["sizes"])]
        return found


def _told(closed: ClosedBin) -> _Told:
    cells, cell = np.unique(closed.cell, return_inverse=True)
    firmwares, firmware = np.unique(closed.firmware, return_inverse=True)
    pairs, place = np.unique(cell * max(len(firmwares), 1) + firmware, return_inverse=True)
    count = len(pairs)
    rate = np.round(closed.rate * 1e6)
    weights = (np.ones(len(closed.cell)), closed.flag, closed.moving, closed.backfill, rate)
    sums = [np.bincount(place, weights=weight, minlength=count).astype(np.int64) for weight in weights]
    return _Told(cells[pairs // max(len(firmwares), 1)], firmwares[pairs % max(len(firmwares), 1)], *sums)


def _sum(parts: Iterable[Ints]) -> int:
    return sum(int(part.sum()) for part in parts)
