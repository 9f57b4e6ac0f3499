"""What the classes of a few sets of cells say together of how many wearers are in any union of their parts."""

import functools
import itertools
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

import numpy as np
from scipy.optimize import linprog

from inference.zones.disclosure import FAIR, FEW, GOOD, LEAST

Bounds = tuple[float, float]
CLASSES: Final = ("too_few", "thin", "fair", "good")
ENDLESS: Final = 1e9


def bounds_of(coverage: str, least: int = LEAST) -> Bounds:
    """Return how few and how many wearers a class of coverage may stand for."""
    ends = (0, least, FAIR, GOOD, ENDLESS)
    at = CLASSES.index(coverage)
    return ends[at], ends[at + 1] - 1


def class_of(count: int, least: int = LEAST) -> str:
    """Return the class of a count, were zones told of from `least` wearers on."""
    return CLASSES[int(np.searchsorted((least, FAIR, GOOD), count, side="right"))]


def pinned(bounds: Bounds) -> bool:
    """Say whether it is known that somebody is there, and that these are at most ten."""
    return bounds[0] >= 1 and bounds[1] < FEW


def parts(zones: Sequence[AbstractSet[int]]) -> tuple[tuple[bool, ...], ...]:
    """Return the parts that sets of cells cut one another into: of each, which sets it lies in."""
    cells = sorted(set().union(*zones))
    return tuple(sorted({tuple(cell in zone for zone in zones) for cell in cells}))


@functools.cache
def told_of(cut: tuple[tuple[bool, ...], ...], bounds: tuple[Bounds, ...], chosen: tuple[bool, ...]) -> Bounds:
    """Return how few and how many may be in the chosen parts, by a linear programme over what is told of the sets.

    Raises:
        ValueError: No counts are told of so.
    """
    sums = np.array(cut, dtype=np.float64).T
    low, high = np.array(bounds).T
    limits, ends = np.vstack([sums, -sums]), np.concatenate([high, -low])
    goal = np.array(chosen, dtype=np.float64)
    least, most = (linprog(sign * goal, A_ub=limits, b_ub=ends, bounds=(0, ENDLESS)) for sign in (1, -1))
    if not (least.success and most.success):
        raise ValueError("No counts have these classes.")
    return float(np.ceil(least.fun - 1e-6)), float(np.floor(-most.fun + 1e-6))


def all_told(zones: Sequence[AbstractSet[int]], bounds: Sequence[Bounds]) -> Iterator[Bounds]:
    """Yield what is known of every union of parts."""
    cut = parts(zones)
    for chosen in itertools.product((False, True), repeat=len(cut)):
        if any(chosen):
            yield told_of(cut, tuple(bounds), chosen)
