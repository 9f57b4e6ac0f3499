"""Many recordings as one matrix, what of it is believed, and how long nobody has walked."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.pulsenet.series import HEART_RATE, Series
from inference.slots import Bools, Floats, Ints

LOWEST_BPM: Final = 25.0
HIGHEST_BPM: Final = 230.0
FROZEN_FROM_MIN: Final = 4
"""A run of equal minutes is not believed from this minute of it on."""
LONG_FREEZE_MIN: Final = 10
AFTER_FREEZE_MIN: Final = 5
LONG_GAP_MIN: Final = 60
AFTER_GAP_MIN: Final = 15
DAY_MIN: Final = 1440
MOVING_G: Final = 0.1
"""Wrists of seated people stay below (Stress-Predict: 99 % of minutes under 0.09 g), walking ones swing with 0.2 g."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Grid:
    """Recordings side by side, padded at the end to the longest.

    Attributes:
        rate: Believed heart rate in bpm, NaN elsewhere, shape (N, T).
        steps: Steps a minute, 0 where unknown, shape (N, T).
        step_free: Minutes without steps, or motion where steps are not counted, up to and with this one, shape (N, T).
        local_min: Minute of the wearer's day, shape (N, T).
        lengths: Minutes of each recording, shape (N,).
    """

    rate: Floats
    steps: Floats
    step_free: Ints
    local_min: Ints
    lengths: Ints


def grid(series: Sequence[Series]) -> Grid:
    """Lay recordings side by side."""
    lengths = np.array([one.minutes for one in series], dtype=np.int64)
    longest = int(lengths.max(initial=0))
    rate = np.full((len(series), longest), np.nan)
    steps = np.zeros((len(series), longest))
    moved = np.zeros((len(series), longest), dtype=np.bool_)
    local = np.zeros((len(series), longest), dtype=np.int64)
    for row, one in enumerate(series):
        rate[row, : one.minutes] = believed(one)
        steps[row, : one.minutes] = np.nan_to_num(one.steps)
        moved[row, : one.minutes] = moving(one)
        local[row] = (one.first_minute + one.utc_offset_min + np.arange(longest)) % DAY_MIN
    return Grid(rate=rate, steps=steps, step_free=since(moved), local_min=local, lengths=lengths)


def believed(series: Series) -> Floats:
    """The heart rate with NaN where it is impossible, off the wrist, repeating itself or just back, shape (T,).

    Some recorders fill wear gaps with the last value: a run of equal minutes is masked from its fourth minute, the
    5 minutes after a run of 10 or more, and the first 15 minutes after an hour or more without a believed value.
    """
    rate = series.values[:, HEART_RATE]
    with np.errstate(invalid="ignore"):
        good = (rate >= LOWEST_BPM) & (rate <= HIGHEST_BPM) & (series.worn >= 0)
    clean = np.where(good, rate, np.nan)
    run = 1 + since(np.diff(clean, prepend=np.nan) != 0.0)
    good &= run < FROZEN_FROM_MIN
    long_freeze_ends = np.flatnonzero((run[:-1] >= LONG_FREEZE_MIN) & (run[1:] == 1)) + 1
    good &= ~_following(long_freeze_ends, len(rate), AFTER_FREEZE_MIN)
    silent = since(good)
    back = np.flatnonzero(good & (np.concatenate([[LONG_GAP_MIN], silent[:-1]]) >= LONG_GAP_MIN))
    good &= ~_following(back, len(rate), AFTER_GAP_MIN)
    return np.where(good, rate, np.nan)


def moving(series: Series) -> Bools:
    """Minutes with steps, or, where no sensor counts them, with motion; shape (T,)."""
    with np.errstate(invalid="ignore"):
        return np.where(np.isnan(series.steps), series.motion >= MOVING_G, series.steps > 0)


def since(happened: Bools) -> Ints:
    """Minutes since it last happened, 0 where it does; before it ever did, since the start; along the last axis."""
    index = np.arange(1, happened.shape[-1] + 1)
    last: Ints = np.maximum.accumulate(np.where(happened, index, 0), axis=-1)
    return index - last


def _following(starts: Ints, minutes: int, length: int) -> Bools:
    edge = np.zeros(minutes + 1, dtype=np.int64)
    np.add.at(edge, starts, 1)
    np.add.at(edge, np.minimum(starts + length, minutes), -1)
    return np.cumsum(edge[:-1]) > 0
