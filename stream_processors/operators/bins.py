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
_WHOLE_BITS: Final = 63
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
    order, new_bin, new_identity = _grouped(keys)
    ordered = rows[order]
    if new_identity.all():
        return _reduce(pending.facts, pending.numbers, ordered, _starts(new_bin))
    facts, numbers = pending.facts.take(ordered, axis=0), pending.numbers.take(ordered, axis=0)
    facts, numbers = _merge_identities(facts, numbers, _starts(new_identity))
    return _reduce(facts, numbers, np.arange(len(facts)), _starts(new_bin[new_identity]))


def _grouped(keys: list[Ints]) -> tuple[Ints, Bools, Bools]:
    """Return the order of (wearer, end, stream id, sent, arrival), and where a bin and an identity begin after a row.

    Where the five fit into 63 bits, as they do but after a long outage, one number stands for them: half the time.
    """
    least = [int(key.min()) for key in keys]
    bits = [(int(key.max()) - low).bit_length() for key, low in zip(keys, least, strict=True)]
    if sum(bits) > _WHOLE_BITS:
        order = np.lexsort(keys[::-1])
        changes = [key[1:] != key[:-1] for key in (key[order] for key in keys[:-1])]
        new_bin = changes[0] | changes[1] | changes[2]
        return order, new_bin, new_bin | changes[3]
    whole = keys[0] - least[0]
    for key, low, width in zip(keys[1:], least[1:], bits[1:], strict=True):
        whole = whole << width | key - low
    order = np.argsort(whole)
    identity = whole[order] >> bits[4]
    group = identity >> bits[3]
    return order, group[1:] != group[:-1], identity[1:] != identity[:-1]


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


def _reduce(facts: Ints, numbers: npt.NDArray[np.float32], rows: Ints, starts: Ints) -> Bins:
    """Return the bins of these rows of a pool, each of them from one of `starts` on."""
    quality = numbers[rows, QUALITY]
    counting = counts(facts[rows, FACT["worn"]], quality)
    trusted = counting[:, HEART_RATE]
    known = trusted & ~np.isnan(quality)
    # One row a column: a segment of it lies in one piece.
    vitals = np.ascontiguousarray(numbers.take(rows, axis=0)[:, :VITAL_COUNT].T)
    told = ~np.isnan(vitals)
    some = np.flatnonzero(told.any(axis=1))
    present = told[some] & counting.T[some]
    whole = np.rint(np.where(present, vitals[some], np.float32(0.0)).astype(np.float64) * THOUSANDTHS).astype(np.int64)
    values = np.full((len(starts), VITAL_COUNT), np.nan)
    values[:, some] = _means(whole, present, starts, summed=_SUMMED[some]).T
    lowest = np.where(known, np.rint(-THOUSANDTHS * np.where(known, quality, 0)), _NO_QUALITY).astype(np.int64)
    columns = (*(facts[rows, column] for column in _LARGEST), lowest, (trusted & ~known).astype(np.int64))
    received, newest, injected, origin, worn, worst, vague = (np.maximum.reduceat(one, starts) for one in columns)
    last = np.append(starts[1:], len(rows)) - 1
    head, tail = facts[rows[starts]], facts[rows[last]]
    return Bins(
        wearer=head[:, FACT["wearer"]],
        stream=head[:, FACT["stream"]],
        end_ms=head[:, FACT["end_ms"]],
        values=values,
        readings=last - starts + 1,
        received_ms=received,
        newest_ms=newest,
        injected=injected,
        origin=origin,
        worn=worn,
        quality=np.where(worst == _NO_QUALITY, UNKNOWN_QUALITY, -worst),
        vague=vague,
        varied=_varied(whole, present, np.flatnonzero(some == HEART_RATE), starts),
        sources=1 << (head[:, FACT["stream_id"]] & 255),
        cell=tail[:, FACT["cell"]],
        firmware=tail[:, FACT["firmware"]],
        utc_offset_min=tail[:, FACT["utc_offset_min"]],
        doubted=_doubted(told, counting, starts),
    )


def _means(whole: Ints, present: Bools, starts: Ints, *, summed: Bools) -> Floats:
    """Return mean or sum of thousandths of each column and segment, NaN where nothing is, shape (columns, segments)."""
    sums = np.add.reduceat(whole, starts, axis=1)
    count = np.add.reduceat(present, starts, axis=1, dtype=np.int64)
    divisor = np.where(summed[:, None], 1, np.maximum(count, 1)) * float(THOUSANDTHS)
    return np.where(count > 0, sums / divisor, np.nan)


def _varied(whole: Ints, present: Bools, rate: Ints, starts: Ints) -> Ints:
    """Return 1 for segments whose heart rates differ; `rate` is its row, none where no heart rate was told."""
    if not len(rate):
        return np.zeros(len(starts), dtype=np.int64)
    told, here = whole[rate[0]], present[rate[0]]
    highest = np.maximum.reduceat(np.where(here, told, _NO_RATE), starts)
    lowest = np.minimum.reduceat(np.where(here, told, -_NO_RATE), starts)
    differ: Ints = (highest > lowest).astype(np.int64)
    return differ


def _doubted(told: Bools, counting: Bools, starts: Ints) -> Ints:
    if counting.all():
        return np.zeros(len(starts), dtype=np.int64)
    refused = np.where(told.T & ~counting, _BIT, 0)
    whole: Ints = np.bitwise_or.reduceat(np.bitwise_or.reduce(refused, axis=1), starts)
    return whole
