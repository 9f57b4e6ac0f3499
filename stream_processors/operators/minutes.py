"""Bins become minutes: what is gathered of each wearer until no bin of the minute can come any more.

A minute is given out when the wearer's frontier has passed its end, before any bin of a later minute is taken; who
decides that is the log alone, so that the minutes do not depend on how readings came together in records.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.pulsenet.series import VITAL_COUNT as MODEL_VITALS
from inference.pulsenet.steps import Steps
from inference.slots import NEVER, Bools, Column, Ints, Table
from schemas.frame import OFFSET_UNKNOWN
from stream_processors.operators.bins import UNKNOWN_QUALITY, Bins
from stream_processors.operators.gates import HEART_RATE, MOTION, STEPS
from stream_processors.operators.readings import VITAL_COUNT
from stream_processors.operators.rest import Activity

MINUTE_MS: Final = 60_000
_DAY_MIN: Final = 1_440

_SUMMED: Final = np.array([*range(MODEL_VITALS), MOTION, STEPS])
_MOTION, _STEPS = MODEL_VITALS, MODEL_VITALS + 1
_BIT: Final = 1 << np.arange(MODEL_VITALS, dtype=np.int64)
_LAST: Final = ("stream", "utc_offset_min", "resting_ms", "at_rest", "unknown")
_LARGEST: Final = ("injected", "origin", "worn", "vague", "moving", "received_ms")
_FACTS: Final = (*_LAST, *_LARGEST, "quality", "sources", "doubted", "readings")
_AT: Final = {name: column for column, name in enumerate(_FACTS)}
_MOST: Final = slice(len(_LAST), len(_LAST) + len(_LARGEST))


@dataclass(frozen=True, slots=True)
class Minute:
    """One wave of minutes: for the model, and in the columns of bins for those who tell of them."""

    steps: Steps
    bins: Bins
    activity: Activity


class Minutes:
    """Gathers one minute of each wearer."""

    def __init__(self) -> None:
        self.table = Table({
            "minute": Column("i8", NEVER),
            "given": Column("i8", NEVER),
            "sums": Column("f8", 0.0, len(_SUMMED)),
            "counts": Column("i1", 0, len(_SUMMED)),
            "facts": Column("i8", 0, len(_FACTS)),
        })  # fmt: skip

    def before(self, bins: Bins) -> Ints:
        """Return the wearers of these bins of whom an earlier minute gathers."""
        gathers = self.table["minute"][bins.wearer]
        earlier: Ints = bins.wearer[(gathers > NEVER) & (gathers < bins.start_ms // MINUTE_MS)]
        return earlier

    def until(self, wearers: Ints, until_ms: Ints) -> Ints:
        """Return those of these wearers whose minute ends no later than `until_ms`."""
        gathers = self.table["minute"][wearers]
        over: Ints = wearers[(gathers > NEVER) & ((gathers + 1) * MINUTE_MS <= until_ms)]
        return over

    def gathering(self) -> tuple[Ints, Ints]:
        """Return the wearers of whom a minute gathers, and when it ends (event time)."""
        gathers = self.table["minute"][: self.table.rows]
        wearers = np.flatnonzero(gathers > NEVER)
        return wearers, (gathers[wearers] + 1) * MINUTE_MS

    def add(self, bins: Bins, activity: Activity, *, frozen: Bools) -> None:
        """Take one bin of each wearer; a bin of a minute that was given out already is left out."""
        minute = bins.start_ms // MINUTE_MS
        fresh = minute > self.table["given"][bins.wearer]
        if not fresh.all():
            rows = np.flatnonzero(fresh)
            bins, frozen, minute = bins.take(rows), frozen[rows], minute[rows]
            activity = activity.take(rows)
        table, slot = self.table, bins.wearer
        goes_on = table["minute"][slot] == minute
        values = bins.values.take(_SUMMED, axis=1)
        doubted = bins.doubted
        if frozen.any():
            values[frozen, HEART_RATE] = np.nan
            doubted = doubted | np.where(frozen, _BIT[HEART_RATE], 0)
        known = ~np.isnan(values)
        sums, counts = np.where(known, values, 0.0), known.astype(np.int8)
        facts = _facts(bins, activity, doubted)
        if goes_on.any():
            went_on = goes_on[:, None]
            sums += np.where(went_on, table["sums"].take(slot, axis=0), 0.0)
            counts += np.where(went_on, table["counts"].take(slot, axis=0), 0)
            facts = np.where(went_on, _joined(table["facts"].take(slot, axis=0), facts), facts)
        table["sums"][slot], table["counts"][slot], table["facts"][slot] = sums, counts, facts
        table["minute"][slot] = minute

    def give(self, wearers: Ints) -> Minute:
        """Give out the minutes of these wearers; nothing gathers of them afterwards."""
        table = self.table
        minute, facts = table["minute"][wearers], table["facts"].take(wearers, axis=0)
        counts = table["counts"].take(wearers, axis=0)
        table["minute"][wearers] = NEVER
        table["given"][wearers] = minute
        known = counts > 0
        sums = np.where(known, table["sums"].take(wearers, axis=0), np.nan)
        means = sums / np.maximum(counts, 1)
        gated = ~known[:, :MODEL_VITALS]
        gated &= (facts[:, _AT["doubted"], None] & _BIT) > 0
        steps = Steps(
            slot=wearers,
            minute=minute,
            local_min=(minute + facts[:, _AT["utc_offset_min"]]) % _DAY_MIN,
            values=means[:, :MODEL_VITALS],
            steps=sums[:, _STEPS],
            motion=means[:, _MOTION],
            gated=gated,
        )
        activity = Activity(
            facts[:, _AT["at_rest"]] > 0,
            facts[:, _AT["resting_ms"]],
            facts[:, _AT["unknown"]] > 0,
            facts[:, _AT["moving"]] > 0,
        )
        return Minute(steps, _as_bins(wearers, minute, means, facts), activity)

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return the state."""
        return self.table.dump()


def _facts(bins: Bins, activity: Activity, doubted: Ints) -> Ints:
    """Return the facts of bins as those of minutes that begin with them, shape (n, number of facts)."""
    facts = np.empty((len(bins), len(_FACTS)), dtype=np.int64)
    offset_min = np.where(bins.utc_offset_min == OFFSET_UNKNOWN, 0, bins.utc_offset_min)
    columns: tuple[npt.ArrayLike, ...] = (
        bins.stream, offset_min, activity.resting_ms, activity.at_rest, activity.unknown,
        bins.injected, bins.origin, bins.worn, bins.vague, activity.moving, bins.received_ms,
        bins.quality, bins.sources, doubted, bins.readings,
    )  # fmt: skip
    for number, column in enumerate(columns):
        facts[:, number] = column
    return facts


def _joined(before: Ints, more: Ints) -> Ints:
    """Return the facts of minutes with those of one more bin."""
    now = more.copy()
    now[:, _MOST] = np.maximum(more[:, _MOST], before[:, _MOST])
    quality, earlier = more[:, _AT["quality"]], before[:, _AT["quality"]]
    lowest = np.where(quality == UNKNOWN_QUALITY, earlier, np.minimum(quality, earlier))
    now[:, _AT["quality"]] = np.where(earlier == UNKNOWN_QUALITY, quality, lowest)
    now[:, _AT["sources"]] |= before[:, _AT["sources"]]
    now[:, _AT["doubted"]] |= before[:, _AT["doubted"]]
    now[:, _AT["readings"]] += before[:, _AT["readings"]]
    return now


def _as_bins(wearers: Ints, minute: Ints, means: npt.NDArray[np.float64], facts: Ints) -> Bins:
    values = np.full((len(wearers), VITAL_COUNT), np.nan)
    values[:, :MODEL_VITALS] = means[:, :MODEL_VITALS]
    values[:, MOTION], values[:, STEPS] = means[:, _MOTION], means[:, _STEPS]
    nothing = np.zeros(len(wearers), dtype=np.int64)
    end_ms = (minute + 1) * MINUTE_MS
    return Bins(
        wearer=wearers,
        end_ms=end_ms,
        newest_ms=end_ms - 1,
        values=values,
        varied=nothing,
        cell=nothing,
        firmware=nothing - 1,
        length_ms=MINUTE_MS,
        **{
            name: facts[:, _AT[name]]
            for name in ("stream", "utc_offset_min", "injected", "origin", "worn", "vague", "received_ms", "quality",
                         "sources", "doubted", "readings")
        },
    )  # fmt: skip
