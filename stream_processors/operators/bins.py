"""Readings become bins: identities merge, sums are whole thousandths, sources are chosen, bins go in waves."""

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.slots import Bools, Floats, Ints
from schemas.frame import OFFSET_UNKNOWN
from schemas.scores import BIN_MS
from schemas.vitals import VITALS
from stream_processors.operators.gates import HEART_RATE, counts
from stream_processors.operators.pending import FACT, Pending
from stream_processors.operators.readings import QUALITY, VITAL_COUNT

THOUSANDTHS: Final = 1_000
UNKNOWN_QUALITY: Final = -1
"""Ranks below every known quality: unknown is not good."""

_SUMMED: Final = np.array([vital.bin_with == "sum" for vital in VITALS])
_BIT: Final = 1 << np.arange(VITAL_COUNT, dtype=np.int64)
_NO_QUALITY: Final = -(10**6)
_NO_RATE: Final = -(10**9)

_ORDER: Final = [FACT[name] for name in ("wearer", "end_ms", "stream_id", "sent_ms", "arrival")]
_LARGEST: Final = [FACT["received_ms"], FACT["time_ms"], FACT["injected"], FACT["origin"], FACT["worn"]]


@dataclass(frozen=True, slots=True)
class Bins:
    """Closed bins in columns, ordered by (wearer, time): a wearer's, or, for the floor, each stream's own.

    Attributes:
        wearer: Wearer slot.
        stream: Stream slot; of a wearer's bin, the stream that ranked first.
        end_ms: End of the bin; it starts `BIN_MS` before.
        values: Vitals, float64, NaN where nothing counted, shape (n, VITAL_COUNT).
        readings: Number of identities, gated ones included.
        received_ms: Newest receipt; `newest_ms` the newest corrected time.
        injected: 1 where some reading was injected; `origin` the least live one (index into `ORIGINS`).
        worn: 0 unknown, NOT_WORN, WORN if any reading says so.
        quality: Lowest known quality among what counted (thousandths), `UNKNOWN_QUALITY` where none is known.
        vague: 1 where something counted without a known quality.
        varied: 1 where the heart rates within the bin differ.
        sources: Bit mask of source codes.
        cell: H3 index, 0 for none; `firmware` a code of the roster, -1 for none; `utc_offset_min` local time minus
            UTC, `OFFSET_UNKNOWN` where it was not told: all of the newest reading of the stream that ranks first, of
            those that tell cell and offset at all.
        doubted: Bit mask of vitals (bit = column) of which some value was not believed.
        length_ms: How long each is.
    """

    wearer: Ints
    stream: Ints
    end_ms: Ints
    values: Floats
    readings: Ints
    received_ms: Ints
    newest_ms: Ints
    injected: Ints
    origin: Ints
    worn: Ints
    quality: Ints
    vague: Ints
    varied: Ints
    sources: Ints
    cell: Ints
    firmware: Ints
    utc_offset_min: Ints
    doubted: Ints
    length_ms: int = BIN_MS

    @property
    def start_ms(self) -> Ints:
        """Start of each bin."""
        return self.end_ms - self.length_ms

    def __len__(self) -> int:
        return len(self.wearer)

    def take(self, rows: Ints) -> "Bins":
        """Return some of the bins."""
        return replace(self, **{name: getattr(self, name)[rows] for name in _COLUMNS})


_COLUMNS: Final = tuple(field.name for field in fields(Bins) if field.name != "length_ms")


def stream_bins(pending: Pending, rows: Ints) -> Bins:
    """Return the bins of each stream that these rows make, ordered by (wearer, end, stream id)."""
    keys = [pending.facts[rows, column] for column in _ORDER]
    order = np.lexsort(keys[::-1])
    same = [key[1:] == key[:-1] for key in (key[order] for key in keys[:-1])]
    same_bin = same[0] & same[1] & same[2]
    facts, numbers = pending.facts.take(rows[order], axis=0), pending.numbers.take(rows[order], axis=0)
    repeats = same_bin & same[3]
    if repeats.any():
        facts, numbers = _merge_identities(facts, numbers, _starts(~repeats))
        same_bin = same_bin[~repeats]
    return _reduce(facts, numbers, _starts(~same_bin))


def wearer_bins(cells: Bins) -> Bins:
    """Return the bins of each wearer: of each vital the value of the best stream that has one.

    Best is highest quality (unknown last), then newest, then the lower stream id.
    """
    same = (cells.wearer[1:] == cells.wearer[:-1]) & (cells.end_ms[1:] == cells.end_ms[:-1])
    if not same.any():
        return cells
    # The order by stream id is kept by the stable sort as the last tie-break.
    ranked = cells.take(np.lexsort((-cells.newest_ms, -cells.quality, cells.end_ms, cells.wearer)))
    starts = _starts((ranked.wearer[1:] != ranked.wearer[:-1]) | (ranked.end_ms[1:] != ranked.end_ms[:-1]))
    known = np.where(ranked.quality == UNKNOWN_QUALITY, THOUSANDTHS + 1, ranked.quality)
    quality = np.minimum.reduceat(known, starts)
    largest = np.maximum.reduceat
    return Bins(
        wearer=ranked.wearer[starts],
        stream=ranked.stream[starts],
        end_ms=ranked.end_ms[starts],
        values=_first_known(ranked.values, starts),
        readings=np.add.reduceat(ranked.readings, starts),
        received_ms=largest(ranked.received_ms, starts),
        newest_ms=largest(ranked.newest_ms, starts),
        injected=largest(ranked.injected, starts),
        origin=largest(ranked.origin, starts),
        worn=largest(ranked.worn, starts),
        quality=np.where(quality > THOUSANDTHS, UNKNOWN_QUALITY, quality),
        vague=largest(ranked.vague, starts),
        varied=largest(ranked.varied, starts),
        sources=np.bitwise_or.reduceat(ranked.sources, starts),
        cell=_first_told(ranked.cell, starts, unknown=0),
        firmware=ranked.firmware[starts],
        utc_offset_min=_first_told(ranked.utc_offset_min, starts, unknown=OFFSET_UNKNOWN),
        doubted=np.bitwise_or.reduceat(ranked.doubted, starts),
    )


def waves(lane: Ints) -> Iterator[Ints | None]:
    """Yield the rows of the first bin of each lane, then of the second, ...; None is "all rows at once"."""
    count = len(lane)
    if count == 0:
        return
    order = np.argsort(lane, kind="stable")
    changes = lane[order[1:]] != lane[order[:-1]]
    if changes.all():
        yield None
        return
    starts = _starts(changes)
    sizes = np.diff(np.r_[starts, count])
    rank = np.empty(count, dtype=np.int64)
    rank[order] = np.arange(count) - np.repeat(starts, sizes)
    by_rank = np.argsort(rank, kind="stable")
    yield from np.split(by_rank, np.cumsum(np.bincount(rank))[:-1])


def in_waves(bins: Bins | None, lane: str) -> list[Bins]:
    """Return the bins wave by wave, of each `lane` (wearer or stream) at most one in a wave."""
    if bins is None:
        return []
    return [bins if rows is None else bins.take(rows) for rows in waves(getattr(bins, lane))]


def _starts(changes: Bools) -> Ints:
    """Return where segments start, given where a row differs from the one before."""
    return np.concatenate(([0], np.flatnonzero(changes) + 1))


def _merge_identities(
    facts: Ints, numbers: npt.NDArray[np.float32], starts: Ints
) -> tuple[Ints, npt.NDArray[np.float32]]:
    """Merge rows of one (wearer, stream, time as sent): of each field the first known value in order of arrival."""
    merged, first = facts.take(starts, axis=0), numbers.take(starts, axis=0)
    several = np.diff(np.r_[starts, len(facts)]) > 1
    rows, within = _segments(starts, several, len(facts))
    repeated, told = facts[rows], merged[several]
    told[:, _LARGEST[0]] = np.maximum.reduceat(repeated[:, _LARGEST[0]], within)
    for name, unknown in (("worn", 0), ("cell", 0), ("firmware", -1)):
        told[:, FACT[name]] = _first_told(repeated[:, FACT[name]], within, unknown=unknown)
    told[:, FACT["injected"]] = np.maximum.reduceat(repeated[:, FACT["injected"]], within)
    merged[several] = told
    first[several] = _first_known(numbers[rows], within)
    return merged, first


def _segments(starts: Ints, wanted: Bools, count: int) -> tuple[Ints, Ints]:
    """Return the rows of the wanted segments of `count` rows, and where among these rows each of them starts."""
    sizes = np.diff(np.r_[starts, count])
    rows = np.flatnonzero(np.repeat(wanted, sizes))
    return rows, np.cumsum(np.r_[0, sizes[wanted]])[:-1]


def _first_known(values: npt.NDArray[Any], starts: Ints) -> npt.NDArray[Any]:
    """Return, for each segment and column, the first value that is not NaN, shape (segments, columns)."""
    first = values[starts]
    sizes = np.diff(np.r_[starts, len(values)])
    for place in range(1, int(sizes.max())):
        rows = np.flatnonzero(sizes > place)
        later = values[starts[rows] + place]
        first[rows] = np.where(np.isnan(first[rows]), later, first[rows])
    return first


def _first_told(column: Ints, starts: Ints, *, unknown: int) -> Ints:
    """Return, for each segment, the first whole number that is not `unknown`, shape (segments,)."""
    known = np.where(column == unknown, np.nan, np.arange(len(column)))
    first = _first_known(known[:, None], starts)[:, 0]
    told: Ints = np.where(np.isnan(first), unknown, column[np.nan_to_num(first).astype(np.int64)])
    return told


def _reduce(facts: Ints, numbers: npt.NDArray[np.float32], starts: Ints) -> Bins:
    quality = numbers[:, QUALITY]
    counting = counts(facts[:, FACT["worn"]], quality)
    trusted = counting[:, HEART_RATE]
    known = trusted & ~np.isnan(quality)
    vitals = numbers[:, :VITAL_COUNT].astype(np.float64)
    present = ~np.isnan(vitals) & counting
    whole = np.rint(np.where(present, vitals, 0.0) * THOUSANDTHS).astype(np.int64)
    sums = np.add.reduceat(whole, starts, axis=0)
    present_count = np.add.reduceat(present.astype(np.int64), starts, axis=0)
    divisor = np.where(_SUMMED, 1, present_count) * float(THOUSANDTHS)
    values = np.where(present_count > 0, sums / np.where(divisor == 0, 1.0, divisor), np.nan)
    lowest = np.where(known, np.rint(-THOUSANDTHS * np.where(known, quality, 0)), _NO_QUALITY).astype(np.int64)
    rate = np.where(present[:, HEART_RATE], whole[:, HEART_RATE], _NO_RATE)
    mirrored = np.where(present[:, HEART_RATE], -whole[:, HEART_RATE], _NO_RATE)
    extremes = np.column_stack((facts[:, _LARGEST], lowest, trusted & ~known, rate, mirrored))
    largest = np.maximum.reduceat(extremes, starts, axis=0)
    last = np.r_[starts[1:], len(facts)] - 1
    head = facts[starts]
    return Bins(
        wearer=head[:, FACT["wearer"]],
        stream=head[:, FACT["stream"]],
        end_ms=head[:, FACT["end_ms"]],
        values=values,
        readings=last - starts + 1,
        received_ms=largest[:, 0],
        newest_ms=largest[:, 1],
        injected=largest[:, 2],
        origin=largest[:, 3],
        worn=largest[:, 4],
        quality=np.where(largest[:, 5] == _NO_QUALITY, UNKNOWN_QUALITY, -largest[:, 5]),
        vague=largest[:, 6],
        varied=(largest[:, 7] + largest[:, 8] > 0).astype(np.int64),
        sources=1 << (head[:, FACT["stream_id"]] & 255),
        cell=facts[last, FACT["cell"]],
        firmware=facts[last, FACT["firmware"]],
        utc_offset_min=facts[last, FACT["utc_offset_min"]],
        doubted=_doubted(vitals, counting, starts),
    )


def _doubted(vitals: Floats, counting: Bools, starts: Ints) -> Ints:
    if counting.all():
        return np.zeros(len(starts), dtype=np.int64)
    refused = np.where(~np.isnan(vitals) & ~counting, _BIT, 0)
    whole: Ints = np.bitwise_or.reduceat(np.bitwise_or.reduce(refused, axis=1), starts)
    return whole
