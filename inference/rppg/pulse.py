"""POS and CHROM: the pulse from the mean colour of skin, by sliding windows of 1.6 s added where they overlap.

- POS: Wang, den Brinker, Stuijk, de Haan, "Algorithmic principles of remote PPG", IEEE Transactions on Biomedical
  Engineering 64 (2017) 1479-1491. With each channel divided by its mean over the window: S1 = G - B,
  S2 = -2R + G + B, h = S1 + (sd S1 / sd S2) S2.
- CHROM: de Haan and Jeanne, "Robust pulse rate from chrominance-based rPPG", IEEE Transactions on Biomedical
  Engineering 60 (2013) 2878-2886: X = 3R - 2G, Y = 1.5R + G - 1.5B, S = X - (sd X / sd Y) Y, weighted by Hann. Here
  every frame begins a window, and a window's band is what 1.6 s and the mean taken off leave.

Both give an amplitude relative to the mean colour; more blood gives a lower green, so that a beat points up in -S.
Here it is turned so that more blood is up. A sample is ready when all windows that hold it are: 47 frames after it.
"""

from typing import Final, Self

import numpy as np
import numpy.typing as npt

from inference.rppg.samples import COLOURS
from inference.slots import Floats

GRID_HZ: Final = 30
WINDOW: Final = 48
"""1.6 s at 30 Hz: a window holds a whole beat down to 37.5 beats a minute."""
LAG: Final = WINDOW - 1
POS, CHROM = range(2)
METHODS: Final = 2

_WEIGHTS: Final = np.stack([np.ones(WINDOW), np.hanning(WINDOW + 2)[1:-1]])
_TINY: Final = 1e-12


class Projection:
    """POS and CHROM of several places at once, sample by sample; the state is what the last 47 samples left.

    Pieces of any size give what one call for all gives, but for the last bit: the estimator always hands in the same
    pieces.
    """

    def __init__(self, places: int) -> None:
        self._places = places
        self._recent: Floats = np.empty((places, 0, COLOURS))
        self._sums: Floats = np.zeros((places, METHODS, 0))
        self._count = 0

    def push(self, rgb: Floats) -> Floats:
        """Take colours, shape (places, k, 3), and return what became ready, shape (places, 2, up to k)."""
        rows = np.concatenate((self._recent, rgb), axis=1)
        self._recent = rows[:, max(rows.shape[1] - LAG, 0) :].copy()
        if rows.shape[1] < WINDOW:
            return np.empty((self._places, METHODS, 0))
        # Each colour by itself in a row: sums over a window then run through memory as it lies, 40 times as fast.
        columns = np.ascontiguousarray(rows.transpose(0, 2, 1))
        windows = np.lib.stride_tricks.sliding_window_view(columns, WINDOW, axis=2)
        added = _overlapped(_projected(windows))
        ready = added.shape[2] - LAG
        added[:, :, : self._sums.shape[2]] += self._sums
        self._sums = added[:, :, ready:].copy()
        first = self._count
        self._count += ready
        return added[:, :, :ready] / _weights(first, ready)

    def dump(self) -> dict[str, npt.NDArray[np.float64]]:
        """Return the state as arrays."""
        return {"recent": self._recent, "sums": self._sums, "count": np.array([float(self._count)])}

    @classmethod
    def load(cls, state: dict[str, npt.NDArray[np.float64]]) -> Self:
        """Return a projection that goes on where `dump` was asked."""
        made = cls(state["recent"].shape[0])
        made._recent = np.array(state["recent"])
        made._sums = np.array(state["sums"])
        made._count = int(state["count"][0])
        return made


def pulse(rgb: Floats) -> Floats:
    """Return POS and CHROM of a whole uniform trace at `GRID_HZ`, shape (2, n), each window by itself.

    The plain definition, one window after the other; `Projection` gives the same in pieces.
    """
    n = len(rgb)
    sums = np.zeros((METHODS, n))
    shares = np.zeros((METHODS, n))
    for first in range(n - WINDOW + 1):
        window = rgb[first : first + WINDOW]
        red, green, blue = (window / window.mean(axis=0)).T
        one, two = green - blue, -2 * red + green + blue
        x, y = 3 * red - 2 * green, 1.5 * red + green - 1.5 * blue
        pos = one + one.std() / max(two.std(), _TINY) * two
        chrom = x - x.std() / max(y.std(), _TINY) * y
        for method, h in enumerate((pos, -chrom)):
            sums[method, first : first + WINDOW] -= _WEIGHTS[method] * (h - h.mean())
            shares[method, first : first + WINDOW] += _WEIGHTS[method]
    return sums / np.maximum(shares, _TINY)


def _projected(windows: Floats) -> Floats:
    """Return each window's pulse with its mean taken off, weighted: (places, 3, k, 48) -> (places, 2, k, 48)."""
    mean = windows.mean(axis=3, keepdims=True)
    colour = windows / np.where(mean > 0, mean, 1.0) - 1.0
    red, green, blue = colour[:, 0], colour[:, 1], colour[:, 2]
    both = np.empty((len(windows), 2 * METHODS, *red.shape[1:]))
    np.subtract(green, blue, out=both[:, 0])
    np.add(green, blue, out=both[:, 1])
    both[:, 1] -= 2 * red
    np.subtract(3 * red, 2 * green, out=both[:, 2])
    np.add(1.5 * red, green, out=both[:, 3])
    both[:, 3] -= 1.5 * blue
    spread = np.sqrt(np.einsum("pmkl,pmkl->pmk", both, both) / WINDOW)[..., None]
    with np.errstate(over="ignore"):
        ratio = spread[:, 0::2] / np.maximum(spread[:, 1::2], _TINY)
    one, two = both[:, 0::2], both[:, 1::2] * ratio
    made = np.empty_like(one)
    np.add(one[:, POS], two[:, POS], out=made[:, POS])
    np.subtract(two[:, CHROM], one[:, CHROM], out=made[:, CHROM])
    made *= -_WEIGHTS[None, :, None, :]
    return made


def _overlapped(windows: Floats) -> Floats:
    """Return the sum of windows, each beginning one sample after the one before: (.., k, 48) -> (.., k + 47)."""
    places, methods, k, length = windows.shape
    width = k + length
    skewed = np.zeros((places, methods, k, width))
    skewed[..., :length] = windows
    skewed = skewed.reshape(places, methods, k * width)[..., : k * (width - 1)].reshape(places, methods, k, width - 1)
    total: Floats = skewed.sum(axis=2)
    return total


def _weights(first: int, count: int) -> Floats:
    """Return what the weights of all windows that hold a sample sum to, shape (2, count); the first have fewer."""
    if first >= LAG:
        total: Floats = _WEIGHTS.sum(axis=1, keepdims=True)
        return total
    full: Floats = np.cumsum(_WEIGHTS, axis=1)
    weights: Floats = full[:, np.minimum(np.arange(first, first + count), LAG)]
    return weights
