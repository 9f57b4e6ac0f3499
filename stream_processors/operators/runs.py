"""Runs: stretches of bins that agree, and what must be known of them when one becomes an episode."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.slots import NEVER, Bools, Column, Floats, Ints, Table
from stream_processors.operators.bins import UNKNOWN_QUALITY, Bins
from stream_processors.operators.rest import Activity


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run as plain numbers; `quality` in thousandths, `origin` an index into `ORIGINS`."""

    start_ms: int
    last_ms: int
    bins: int
    extreme: float
    quality: int
    vague: int
    injected: int
    origin: int
    assumed: int
    sources: int


class Runs:
    """For each lane and each of `width` rules the present run of agreeing bins; `bins` is 0 where there is none."""

    def __init__(self, signs: Floats) -> None:
        width = len(signs)
        self._signs: Final = signs
        self.table = Table({
            "start_ms": Column("i8", NEVER, width),
            "last_ms": Column("i8", NEVER, width),
            "bins": Column("i4", 0, width),
            "extreme": Column("f8", np.nan, width),
            "quality": Column("i2", UNKNOWN_QUALITY, width),
            "vague": Column("i1", 0, width),
            "injected": Column("i1", 0, width),
            "origin": Column("i1", 0, width),
            "assumed": Column("i1", 0, width),
            "sources": Column("i8", 0, width),
        })  # fmt: skip

    def running(self, lane: Ints) -> Bools:
        """Return where a run is under way, shape (n, width)."""
        under_way: Bools = self.table["bins"].take(lane, axis=0) > 0
        return under_way

    def follow(self, lane: Ints, bins: Bins, values: Floats, activity: Activity, *, agree: Bools, ends: Bools) -> None:
        """Take one bin of each lane: `agree` joins it to the run, `ends` ends what ran before it, shapes (n, width).

        Only where a bin agrees or a run is under way is anything looked at: that is nearly nowhere.
        """
        table = self.table
        row, rule = np.nonzero(agree | self.running(lane))
        if len(row) == 0:
            return
        key = lane[row], rule
        agree, values = agree[row, rule], values[row, rule]
        goes_on = (table["bins"][key] > 0) & ~ends[row, rule]
        before = table["extreme"][key]
        further = (values - before) * self._signs[rule] > 0
        start = np.where(goes_on, table["start_ms"][key], np.where(agree, bins.start_ms[row], NEVER))
        last = np.where(agree, bins.end_ms[row], np.where(goes_on, table["last_ms"][key], NEVER))
        table["extreme"][key] = np.where(agree & (further | ~goes_on), values, np.where(goes_on, before, np.nan))
        table["bins"][key] = np.where(goes_on, table["bins"][key], 0) + agree
        table["start_ms"][key], table["last_ms"][key] = start, last
        kept = np.where(goes_on, table["quality"][key], UNKNOWN_QUALITY)
        quality = bins.quality[row]
        lower = (kept == UNKNOWN_QUALITY) | ((quality != UNKNOWN_QUALITY) & (quality < kept))
        table["quality"][key] = np.where(agree & lower, quality, kept)
        facts = {"vague": bins.vague, "injected": bins.injected, "origin": bins.origin, "assumed": activity.unknown}
        for name, fact in facts.items():
            kept = np.where(goes_on, table[name][key], 0)
            table[name][key] = np.where(agree, np.maximum(kept, fact[row]), kept)
        kept = np.where(goes_on, table["sources"][key], 0)
        table["sources"][key] = np.where(agree, kept | bins.sources[row], kept)

    def end(self, lane: int, rule: int) -> None:
        """End one run."""
        self.table["bins"][lane, rule] = 0

    def run(self, lane: int, rule: int) -> Run:
        """Return one run."""
        return Run(**{name: self.table[name][lane, rule].item() for name in self.table.dump()})

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return the state."""
        return self.table.dump()
