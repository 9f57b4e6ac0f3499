"""Admitted readings as packed rows: 77 bytes a reading from admission to the frame, whatever it holds."""

import struct
from typing import Any, Final

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.vitals import NAMES

NUMBERS: Final = ("quality", "hrv_window_s", *NAMES)
"""The columns of 32-bit floats, in the order in which `schemas.device_protocol.Reading` ends; NaN is absent."""
WORN_UNKNOWN: Final = -1

ROW: Final = np.dtype(
    [
        ("seq", "<i8"), ("received_us", "<i8"), ("time_ms", "<i8"), ("utc_offset_min", "<i2"),
        ("source", "u1"), ("worn", "i1"), ("injected", "?"), *((name, "<f4") for name in NUMBERS),
    ]
)  # fmt: skip
"""One row; `time_ms` as the device sent it, cut to ms."""

PACK: Final = struct.Struct(f"<qqqhBb?{len(NUMBERS)}f").pack
"""Returns one row of the layout `ROW`; raises struct.error where a number is None."""


SHARED: Final = np.dtype(
    [
        ("number", "<i4"), ("offset_ms", "<i4"), ("correction_ms", "<i8"), ("origin", "i1"),
        ("cell", "<u8"), ("placed_ms", "<i8"),
    ]
)  # fmt: skip
"""What all rows of a session share, as numbers; a cell of 0 is none."""
NEVER_PLACED_MS: Final = 0
PACK_SHARED: Final = struct.Struct("<iiqbQq").pack
"""Returns one entry of the layout `SHARED`."""


class Rows(msgspec.Struct, frozen=True, gc=False):
    """Admitted readings of one message.

    Attributes:
        packed: `count` rows of the layout `ROW`.
        beats: Inter-beat intervals of the rows that have any, by row.
    """

    packed: bytes
    count: int
    beats: dict[int, list[float]] | None = None

    @property
    def table(self) -> npt.NDArray[Any]:
        """The rows as an array of `ROW`, shape (count,)."""
        return np.frombuffer(self.packed, dtype=ROW)
