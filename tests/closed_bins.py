"""Closed bins for tests of the operators that judge them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from inference.slots import Floats
from schemas.scores import BIN_MS
from schemas.vitals import NAMES
from stream_processors.operators.bins import UNKNOWN_QUALITY, Bins
from stream_processors.operators.rest import Activity

T0_MS = 1_795_000_000_000


def values(count: int = 1, **vitals: float | Sequence[float]) -> Floats:
    """Return the vitals of `count` bins, NaN where not given."""
    matrix = np.full((count, len(NAMES)), np.nan)
    for name, given in vitals.items():
        matrix[:, NAMES.index(name)] = given
    return matrix


def bins(number: int, *, lane: int = 0, **vitals: Any) -> Bins:
    """Return one bin, the `number`-th after T0, of one wearer with one stream of the same slot."""
    whole: dict[str, npt.NDArray[np.int64]] = {
        name: np.array([given], dtype=np.int64)
        for name, given in {
            "wearer": lane, "stream": lane, "end_ms": end_ms(number), "readings": 5, "received_ms": end_ms(number),
            "newest_ms": end_ms(number) - 1, "injected": 0, "origin": 0, "worn": 0, "quality": UNKNOWN_QUALITY,
            "vague": 1, "varied": 1, "sources": 2, "cell": 0, "firmware": -1, "utc_offset_min": 0, "doubted": 0,
        }.items()
    }  # fmt: skip
    arguments: dict[str, Any] = {**whole, "values": values(**vitals)}
    return Bins(**arguments)


def end_ms(number: int) -> int:
    """Return the end of the `number`-th bin after T0."""
    return T0_MS + (number + 1) * BIN_MS


def activity(*, at_rest: bool = True, unknown: bool = False) -> Activity:
    """Return the activity of one bin."""
    resting = np.array([600_000 if at_rest else 0])
    return Activity(np.array([at_rest]), resting, np.array([unknown]), np.array([not at_rest]))
