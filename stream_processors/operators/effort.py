"""How much work a record leaves to be done, told before it is done: a host does long work beside its loop.

Counted is what takes time: the waves of bins and of minutes, since each is a step of every operator, and the bins,
minutes and changes in them. What each takes was measured; it may be wrong twofold, not tenfold.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from inference.slots import Ints
from schemas.scores import BIN_MS
from stream_processors.operators.pending import FACT, Pending

_WAVE_MS: Final = 0.6
_BIN_MS: Final = 0.01
_MINUTE_WAVE_MS: Final = 3.0
_MINUTE_MS: Final = 0.01
_CHANGE_MS: Final = 0.06
_LOOK_MS: Final = 0.01
"""Milliseconds of one core for each, on a busy machine; `pulsera bench holds` shows whether they still tell enough."""

_MINUTE: Final = 60_000
_COUNTED_MOST: Final = 8


@dataclass(frozen=True, slots=True)
class Begun:
    """A record that was taken in: whose frontiers moved, which rows close for wearers and streams, receipts (ms)."""

    moved: Ints
    by_wearer: Ints
    by_stream: Ints
    received_ms: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Effort:
    """What is to be done.

    Attributes:
        bins: Bins that close.
        waves: Most of them of one wearer or stream: they follow one another.
        minutes: Minutes that are complete.
        minute_waves: Most of them of one wearer.
        changes: Episodes that something may be told of.
        looked_at: Wearers among whom it is looked for who is forgotten.
    """

    bins: int = 0
    waves: int = 0
    minutes: int = 0
    minute_waves: int = 0
    changes: int = 0
    looked_at: int = 0

    @property
    def ms(self) -> float:
        """About how long that takes."""
        return (
            self.waves * _WAVE_MS
            + self.bins * _BIN_MS
            + self.minute_waves * _MINUTE_WAVE_MS
            + self.minutes * _MINUTE_MS
            + self.changes * _CHANGE_MS
            + self.looked_at * _LOOK_MS
        )


def left(
    begun: Begun,
    pending: Pending,
    tiers: npt.NDArray[np.int8],
    *,
    moves_ms: tuple[Ints, Ints],
    silent: int,
    told: int,
    looked_at: int,
) -> Effort:
    """Return what a record leaves to be done.

    `tiers` are those of open episodes, by wearer and condition, -1 for none. `moves_ms` are the frontiers of the
    wearers that moved, before and now; `silent` minutes end because nothing comes of their wearers, and `told` episodes
    may change though no bin closes.
    """
    bins, waves, span_ms = _bins(pending, begun.by_wearer, "wearer")
    if begun.by_stream is not begun.by_wearer:
        own, own_waves, _ = _bins(pending, begun.by_stream, "stream")
        bins, waves = max(bins, own), max(waves, own_waves)
    rows_of = np.bincount(pending.facts[begun.by_wearer, FACT["wearer"]])
    wearers = np.flatnonzero(rows_of)
    open_rows = rows_of[wearers][(tiers[wearers] >= 0).any(axis=1)]
    before, now = moves_ms
    # A frontier may pass many minutes without data: of a wearer no more end than begin with these bins, and one before.
    ended = np.minimum(now // _MINUTE - before // _MINUTE, min(waves, span_ms // _MINUTE + 1) + 1)
    return Effort(
        bins=bins,
        waves=waves,
        minutes=int(ended.sum()) + silent,
        minute_waves=max(int(ended.max(initial=0)), min(silent, 1)),
        changes=told + min(bins, int(open_rows.sum())),
        looked_at=looked_at,
    )


def _bins(pending: Pending, rows: Ints, lane_name: str) -> tuple[int, int, int]:
    """Return how many bins rows lie in, the most of them in one lane, and from the first's end to the last's (ms)."""
    if len(rows) == 0:
        return 0, 0, 0
    lane, end_ms = pending.facts[rows, FACT[lane_name]], pending.facts[rows, FACT["end_ms"]]
    number = (end_ms - end_ms.min()) // BIN_MS
    width = int(number.max()) + 1
    keys = lane * width + number
    # Counted where that is little more than the rows themselves, as it is but after an outage: half the time.
    cells = (int(lane.max()) + 1) * width
    keys = np.flatnonzero(np.bincount(keys)) if cells <= _COUNTED_MOST * len(rows) else np.unique(keys)
    most = int(np.bincount(keys // width).max())
    return len(keys), most, int(end_ms.max() - end_ms.min())
