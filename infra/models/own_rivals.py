"""Pulsera's first detector, the fallback of the vitals family, as a row of the evaluation."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from inference.pulsenet.earlier import checkpoint
from inference.pulsenet.earlier.evaluated import NAME, EarlierInShadow, cases
from inference.pulsenet.earlier.network import EarlierNetwork
from inference.pulsenet.evaluation.detectors.rest import cut
from inference.pulsenet.evaluation.detectors.table import Rival
from inference.pulsenet.evaluation.grid import grid
from inference.pulsenet.evaluation.protocol import Sided
from inference.pulsenet.series import Series
from inference.slots import Floats, Ints
from schemas.scores import BIN_MS
from stream_processors.operators.bins import Bins
from stream_processors.operators.gates import HEART_RATE
from stream_processors.operators.readings import VITAL_COUNT
from stream_processors.operators.rest import Activity
from stream_processors.operators.score import RestingRate

_MINUTE_MS: Final = 60_000
_BINS: Final = _MINUTE_MS // BIN_MS


class FirstDetector:
    """The resting rate as it runs in the family, a minute told as twelve equal bins; thresholds as for its rivals."""

    name = RestingRate.name

    def scores(self, series: Sequence[Series]) -> Sequence[Sided]:
        """Smoothed deviation at the end of each minute."""
        laid = grid(series)
        model = RestingRate()
        model.extend(len(series))
        wearers = np.arange(len(series))
        said = np.full(laid.rate.shape, np.nan)
        for minute in range(laid.rate.shape[1]):
            rate = laid.rate[:, minute]
            known = np.isfinite(rate)
            if not known.any():
                continue  # it says nothing, and makes up for the gap at the next value
            activity = _activity(laid.step_free[:, minute])
            for part in range(_BINS):
                end_ms = minute * _MINUTE_MS + (part + 1) * BIN_MS
                told = model.score(_bins(wearers, end_ms, rate), activity, rate_usable=known, learn=known)
            said[:, minute] = told.sided
        return cut(said, -said, laid)


def own_rivals(beside: Path | None = None) -> Sequence[Rival]:
    """Rows that only this room can make, because it alone sees the stream processors and somebody's own files.

    `beside` is the file of a network of the earlier system.
    """
    return (
        Rival(
            name=FirstDetector.name,
            reads="heart rate and steps in 5 s bins, after 3 step-free min: the family's own first detector",
            make=lambda _people, _seed: FirstDetector(),
            slow=True,
        ),
        *(() if beside is None else (_earlier(beside),)),
    )


def _earlier(path: Path) -> Rival:
    return Rival(
        name=NAME,
        reads="all that was told, 0 for what was not, in the last 60 readings by count; one limit for everybody",
        make=lambda _people, _seed: EarlierInShadow(_network(path)),
        slow=True,
    )


def earlier_cases(path: Path, *, seed: int) -> Mapping[str, Mapping[str, float]]:
    """Return what a network of the earlier system says in the cases that show what is wrong with it."""
    return cases(_network(path), seed=seed)


def _network(path: Path) -> EarlierNetwork:
    return EarlierNetwork.read(path) if path.suffix == ".npz" else EarlierNetwork(checkpoint.read(path))


def _activity(step_free: Ints) -> Activity:
    moving = step_free == 0
    unsure = np.zeros(len(step_free), dtype=np.bool_)
    return Activity(at_rest=~moving, resting_ms=step_free * _MINUTE_MS, unknown=unsure, moving=moving)


def _bins(wearers: Ints, end_ms: int, rate: Floats) -> Bins:
    none = np.zeros(len(wearers), dtype=np.int64)
    values = np.full((len(wearers), VITAL_COUNT), np.nan)
    values[:, HEART_RATE] = rate
    ends = np.full(len(wearers), end_ms, dtype=np.int64)
    return Bins(
        wearer=wearers,
        stream=wearers,
        end_ms=ends,
        values=values,
        readings=none + 1,
        received_ms=ends,
        newest_ms=ends,
        injected=none,
        origin=none,
        worn=none,
        quality=none,
        vague=none,
        varied=none + 1,
        sources=none,
        cell=none,
        firmware=none,
        utc_offset_min=none,
        doubted=none,
    )
