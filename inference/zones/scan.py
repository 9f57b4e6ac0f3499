"""The scan: each disc and each window of 5 to 120 min, its count against what was expected, and its common shift."""

from typing import Final

import numpy as np

from inference.slots import Bools, Floats

BIN_MIN: Final = 5
WINDOW_BINS: Final = np.array([1, 2, 3, 4, 6, 8, 12, 24])
"""Windows of 5, 10, 15, 20, 30, 40, 60 and 120 min that end with the newest bin."""
WINDOWS: Final = len(WINDOW_BINS)
BINS_KEPT: Final = int(WINDOW_BINS[-1])
LEAST_COUNT: Final = 4
LEAST_EXPECTED: Final = 0.2
"""The small-count guard: below, the tail of the score is heavier than any law fitted to it."""
LEAST_SHIFTED: Final = 11
"""Wearers (on average over the window) below which no common shift is judged."""
LEAST_PEOPLE: Final = 4
"""Different people behind a count: fewer are their own alerts."""
MILLION: Final = 1e6


def excess(count: Floats, expected: Floats, factor: Floats) -> Floats:
    """Return the log-likelihood ratio of more against as many as expected (Neill 2012), over the over-dispersion.

    F = (C ln(C / E) - (C - E)) / factor where C > E and the small-count guard holds, else 0; rounded to a millionth.
    """
    told = (count >= LEAST_COUNT) & (expected >= LEAST_EXPECTED) & (count > expected)
    found = np.zeros(count.shape)
    c, e = count[told], expected[told]
    found[told] = (c * np.log(c / e) - (c - e)) / factor[told]
    return np.round(found, 6).astype(np.float64)


def common_shift(shift: Floats, wearers: Floats, factor: Floats, bins: Floats) -> Floats:
    """Return Stouffer's z of the wearers' deviates, their variance being wearers * factor; rounded to a millionth.

    Only upwards, and 0 where fewer than `LEAST_SHIFTED` wearers are behind it.
    """
    told = wearers >= LEAST_SHIFTED * bins
    found = np.zeros(shift.shape)
    np.divide(shift, np.sqrt(wearers * factor, where=told, out=np.ones(shift.shape)), out=found, where=told)
    return np.asarray(np.round(np.maximum(found, 0.0), 6), dtype=np.float64)


def tellable(active: Floats, least: int) -> Bools:
    """Return which regions hold as many wearers as may be told of: now, and on average over the window.

    Args:
        active: Wearers who report, summed over the window; the windows are the last axis, the newest bin alone first.
        least: So many.
    """
    found: Bools = (active >= least * WINDOW_BINS) & (active[..., :1] >= least)
    return found


def windows_of(bins: Floats) -> Floats:
    """Return the sums over the windows that end with the newest bin.

    Args:
        bins: Shape (BINS_KEPT, cells, m), the newest first.

    Returns:
        Shape (cells, WINDOWS, m).
    """
    total = np.cumsum(bins, axis=0)
    found: Floats = np.ascontiguousarray(np.moveaxis(total[WINDOW_BINS - 1], 0, 1))
    return found


def enough(expected: Floats) -> Bools:
    """Return where a region teaches how much counts scatter."""
    found: Bools = expected >= LEAST_EXPECTED
    return found
