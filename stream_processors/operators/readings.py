"""A frame of readings as arrays, checked before anything is changed by it."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from inference.slots import Bools, Ints
from schemas.errors import ContractError
from schemas.frame import OFFSET_UNKNOWN, Frame, decode
from schemas.vitals import NAMES

VITAL_COUNT: Final = len(NAMES)
QUALITY: Final = VITAL_COUNT
"""Column of the quality in `Readings.numbers`."""

_NUMBERS: Final = (*NAMES, "quality")

NOT_WORN: Final = 1
WORN: Final = 2

_EARLIEST_MS: Final = 946_684_800_000  # 2000-01-01: no device of today measured before
_FUTURE_MS: Final = 3_600_000
"""A corrected time further than an hour beyond the log's clock is nonsense that admission must have refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    """Rows of one record.

    Attributes:
        wearers: Distinct wearer ids; `wearer` indexes them, shape (n,).
        boots: Distinct boot ids; `boot` indexes them.
        firmwares: Distinct firmware names; `firmware` indexes them, -1 is unknown.
        sent_ms: Time as the device sent it; `received_ms` the gateway's receipt.
        worn: 0 unknown, `NOT_WORN` or `WORN`.
        cell: H3 index, 0 for none.
        utc_offset_min: Local time minus UTC, `OFFSET_UNKNOWN` where the device did not tell.
        numbers: Vitals and quality, NaN where unknown, shape (n, VITAL_COUNT + 1), float32.
        beats_ms: Inter-beat intervals, one reading's after the other's; reading k's are
            `beats_ms[beat_starts[k]:beat_starts[k + 1]]`.
    """

    wearers: list[bytes]
    wearer: Ints
    boots: list[bytes]
    boot: Ints
    firmwares: list[str]
    firmware: Ints
    stream_id: Ints
    device: Ints
    sent_ms: Ints
    received_ms: Ints
    clock_offset_ms: Ints
    cell: Ints
    utc_offset_min: Ints
    origin: Ints
    injected: Bools
    backfill: Bools
    worn: Ints
    numbers: npt.NDArray[np.float32]
    beats_ms: npt.NDArray[np.float32]
    beat_starts: Ints

    @property
    def rows(self) -> int:
        """Number of readings."""
        return len(self.wearer)


def read(value: bytes, *, append_ms: int) -> Readings | None:
    """Return the readings of a record, None for a heartbeat.

    Raises:
        ContractError: Not a frame, or one with values that no gateway lets through.
    """
    frame = decode(value)
    if frame.rows == 0:
        return None
    wearers, wearer = frame.ids("wearer")
    boots, boot = frame.ids("boot")
    beats_ms, beat_starts = frame.lists("ibi")
    firmwares, firmware = frame.texts("firmware")
    readings = Readings(
        wearers=wearers,
        wearer=wearer.astype(np.int64),
        boots=boots,
        boot=boot.astype(np.int64),
        firmwares=firmwares,
        firmware=firmware.astype(np.int64),
        stream_id=frame.integers("stream_id"),
        device=frame.integers("device_number"),
        sent_ms=frame.integers("time") // 1000,
        received_ms=frame.integers("received") // 1000,
        clock_offset_ms=frame.integers("clock_offset_ms"),
        cell=frame.integers("cell"),
        utc_offset_min=_offset_min(frame),
        origin=frame.integers("origin"),
        injected=frame.booleans("injected"),
        backfill=frame.booleans("backfill"),
        worn=_worn(frame),
        numbers=frame.matrix(_NUMBERS),
        beats_ms=beats_ms,
        beat_starts=beat_starts,
    )
    _check(readings, append_ms)
    return readings


def _check(readings: Readings, append_ms: int) -> None:
    earliest = min(readings.sent_ms.min(), readings.received_ms.min())
    latest = max(readings.received_ms.max(), (readings.sent_ms + readings.clock_offset_ms).max())
    # A correction that is kept differs by at most 5 s from the offset that comes with the reading.
    if earliest < _EARLIEST_MS or latest > append_ms + _FUTURE_MS:
        raise ContractError("A reading has a time before the year 2000 or far beyond the log's clock.")


def _offset_min(frame: Frame) -> Ints:
    offset: Ints = np.where(frame.known("utc_offset_min"), frame.integers("utc_offset_min"), OFFSET_UNKNOWN)
    return offset


def _worn(frame: Frame) -> Ints:
    if frame.absent("worn"):
        return np.zeros(frame.rows, dtype=np.int64)
    worn = np.where(frame.booleans("worn"), WORN, NOT_WORN)
    known = frame.known("worn")
    if not known.all():
        worn[~known] = 0
    return worn
