"""The values that the load sends: a table drawn from the seed, and each row's JSON, made once."""

import json
from functools import cache
from typing import Final

import numpy as np
import numpy.typing as npt

VITALS: Final = ("heart_rate", "spo2", "respiratory_rate", "skin_temperature", "acceleration", "motion")
ALL: Final = 0b111111
"""Every vital; HALVES are the two messages of a reading that is split."""
HALVES: Final = (0b000011, 0b111100)
CALM: Final = 2048
"""Rows of people who move a little and are well; the rows behind them race at rest."""
RACING: Final = 64
_LOW: Final = (60.0, 95.0, 12.0, 32.0, 0.95, 0.2)
_HIGH: Final = (90.0, 99.0, 18.0, 34.5, 1.2, 0.4)
_RACING_LOW: Final = (203.0, 95.0, 18.0, 33.0, 0.99, 0.002)
_RACING_HIGH: Final = (212.0, 98.0, 22.0, 34.0, 1.01, 0.008)
_DECIMALS: Final = (1, 1, 1, 2, 3, 4)


def table_of_values(seed: int) -> npt.NDArray[np.float64]:
    """Return the values as they are sent, shape (CALM + RACING, vitals)."""
    draw = np.random.default_rng(seed)
    calm = draw.uniform(_LOW, _HIGH, (CALM, len(VITALS)))
    racing = draw.uniform(_RACING_LOW, _RACING_HIGH, (RACING, len(VITALS)))
    values = np.concatenate((calm, racing))
    return np.column_stack([np.round(values[:, at], places) for at, places in enumerate(_DECIMALS)])


class Texts:
    """The JSON of every row of the table."""

    def __init__(self, values: npt.NDArray[np.float64]) -> None:
        self._values = values
        self._tail = cache(self._made)

    def reading(self, time_ms: int, variant: int, mask: int) -> bytes:
        """Return a reading with those vitals of the row that the mask names."""
        return b'{"time":%d,%b' % (time_ms, self._tail(variant, mask))

    def _made(self, variant: int, mask: int) -> bytes:
        row = self._values[variant].tolist()
        named = {name: row[at] for at, name in enumerate(VITALS) if mask >> at & 1}
        common = {"source": "watch", "worn": True, "quality": 0.9}
        injected = {"injected": True} if variant >= CALM else {}
        return json.dumps({**common, **injected, **named}, separators=(",", ":")).encode()[1:]
