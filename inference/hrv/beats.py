"""Which intervals between beats are believed, and which two follow directly on one another.

No interval is ever corrected or put in: an interval that is not believed leaves the differences to both its neighbours
out. Not believed is what lies outside `PLAUSIBLE_MS`, and what differs by more than `CHANGE` of it from the median of
the plausible intervals just before: a beat that was missed doubles an interval, one seen twice halves it, a premature
beat shortens one and lengthens the next. The limit of 20 % is that of Malik et al. (1989); their reference is the
interval before, which one wrong interval spoils; the median is not. Only what lies before is looked at, so that a beat
is judged once, when it comes, and a stream and a whole recording give the same.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from inference.slots import Bools, Floats, Ints

PLAUSIBLE_MS: Final = (300.0, 2000.0)
"""200 to 30 beats a minute."""
CHANGE: Final = 0.2
CONTEXT: Final = 8
"""Plausible intervals before, of which the median is taken."""
LEAST_CONTEXT: Final = 4
"""With fewer before, at a sequence's beginning, the median is that of its first `CONTEXT` + 1 plausible intervals."""
HOLE_S: Final = 0.05
"""Beats whose times and interval differ by more did not follow on one another; wristbands tell times in 1/64 s."""

US_PER_MS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Beats:
    """Judged beats of many sequences, one after the other.

    Attributes:
        interval_us: Intervals in whole microseconds, shape (n,).
        believed: Whether the interval is believed, shape (n,).
        paired: Whether the difference to the interval before it counts: both believed, nothing between, shape (n,).
        starts: Sequence k is `starts[k]:starts[k + 1]`, shape (sequences + 1,).
    """

    interval_us: Ints
    believed: Bools
    paired: Bools
    starts: Ints

    def __len__(self) -> int:
        return len(self.interval_us)


def judge(intervals_ms: npt.ArrayLike, *, starts: npt.ArrayLike | None = None, ends_s: Floats | None = None) -> Beats:
    """Return the judged beats of one sequence of intervals, or of many that `starts` separates.

    `ends_s` says when each interval ends; without it every interval follows on the one before.

    Raises:
        ValueError: An interval is not a positive finite number, or the shapes do not fit.
    """
    interval_ms = np.asarray(intervals_ms, dtype=np.float64)
    bounds = np.asarray([0, len(interval_ms)] if starts is None else starts, dtype=np.int64)
    if bounds[0] != 0 or bounds[-1] != len(interval_ms) or (np.diff(bounds) < 0).any():
        raise ValueError("The starts of sequences must rise from 0 to the number of intervals.")
    if not (np.isfinite(interval_ms) & (interval_ms > 0)).all():
        raise ValueError("Intervals must be positive and finite.")
    follows = np.ones(len(interval_ms), dtype=np.bool_)
    if ends_s is not None:
        follows[1:] = np.abs(np.diff(ends_s) - interval_ms[1:] / 1000) <= HOLE_S
    follows[bounds[:-1][np.diff(bounds) > 0]] = False
    believed = believe(interval_ms, bounds)
    return Beats(
        interval_us=np.rint(interval_ms * US_PER_MS).astype(np.int64),
        believed=believed,
        paired=follows & believed & np.concatenate(([False], believed[:-1]))[: len(believed)],
        starts=bounds,
    )


def believe(interval_ms: Floats, starts: Ints, *, known: int = 0) -> Bools:
    """Return which intervals are believed; sequence k is `starts[k]:starts[k + 1]`.

    The first `known` of each sequence are there for those after them; nothing is said of them.
    """
    plausible = (interval_ms >= PLAUSIBLE_MS[0]) & (interval_ms <= PLAUSIBLE_MS[1])
    value = interval_ms[plausible]
    counted = np.concatenate(([0], np.cumsum(plausible)))
    first = np.repeat(counted[starts[:-1]], np.diff(counted[starts]))
    after = np.repeat(counted[starts[1:]], np.diff(counted[starts]))
    place = np.arange(len(value))
    young = place - first < LEAST_CONTEXT
    begin = np.where(young, first, np.maximum(place - CONTEXT, first))
    end = np.where(young, np.minimum(first + CONTEXT + 1, after), place)
    asked = plausible.copy()
    if known:
        asked[(starts[:-1, None] + np.arange(known)).ravel()] = False
    rows = np.flatnonzero(asked[plausible])
    usual = _medians(value, begin[rows], end[rows])
    believed = np.zeros(len(interval_ms), dtype=np.bool_)
    believed[asked] = np.abs(value[rows] - usual) <= CHANGE * usual
    return believed


def _medians(value: Floats, begin: Ints, end: Ints) -> Floats:
    """Return the median of each `value[begin:end]`, none of which is empty or longer than `CONTEXT` + 1."""
    if not len(begin):
        return np.empty(0)
    places = begin[:, None] + np.arange(CONTEXT + 1)
    inside = places < end[:, None]
    around = np.sort(np.where(inside, value[np.minimum(places, len(value) - 1)], np.inf), axis=1)
    count = end - begin
    rows = np.arange(len(begin))
    middle: Floats = (around[rows, (count - 1) // 2] + around[rows, count // 2]) / 2
    return middle
