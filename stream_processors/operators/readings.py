"""A frame of readings as arrays, checked before anything is changed by it."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from schemas.errors import ContractError
from schemas.frame import Frame, decode
from schemas.vitals import NAMES, VITALS
from stream_processors.operators.table import Bools, Ints

VITAL_COUNT: Final = len(NAMES)
QUALITY: Final = VITAL_COUNT
"""Column of the quality in `Readings.numbers`."""

_NUMBERS: Final = (*NAMES, "quality")

NOT_WORN: Final = 1
WORN: Final = 2

_EARLIEST_MS: Final = 946_684_800_000  # 2000-01-01: no device of today measured before
_FUTURE_MS: Final = 3_600_000
"""A corrected time further than an hour beyond the log's clock is nonsense that admission must have refused."""

_LOWEST: Final = np.array([*[vital.plausible[0] for vital in VITALS], 0], dtype=np.float32)
_HIGHEST: Final = np.array([*[vital.plausible[1] for vital in VITALS], 1], dtype=np.float32)


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
        numbers: Vitals and quality, NaN where unknown, shape (n, VITAL_COUNT + 1), float32.
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
    origin: Ints
    injected: Bools
    backfill: Bools
    worn: Ints
    numbers: npt.NDArray[np.float32]

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
    wearers, wearer = _ids(frame, "wearer")
    boots, boot = _ids(frame, "boot")
    firmwares, firmware = _texts(frame, "firmware")
    readings = Readings(
        wearers=wearers,
        wearer=wearer,
        boots=boots,
        boot=boot,
        firmwares=firmwares,
        firmware=firmware,
        stream_id=frame.integers("stream_id"),
        device=frame.integers("device_number"),
        sent_ms=frame.integers("time") // 1000,
        received_ms=frame.integers("received") // 1000,
        clock_offset_ms=frame.integers("clock_offset_ms"),
        cell=_filled(frame, "cell", 0).view(np.int64),
        origin=frame.integers("origin"),
        injected=frame.booleans("injected"),
        backfill=frame.booleans("backfill"),
        worn=_worn(frame),
        numbers=frame.matrix(_NUMBERS),
    )
    _check(readings, frame, append_ms)
    return readings


def _check(readings: Readings, frame: Frame, append_ms: int) -> None:
    if frame.integers("seq").min() < 0:
        raise ContractError("A reading has a negative sequence number.")
    if readings.stream_id.min() < 0 or readings.device.min() < 0:
        raise ContractError("A reading has a negative stream or device number.")
    if ((readings.numbers < _LOWEST) | (readings.numbers > _HIGHEST)).any():
        raise ContractError("A reading holds a value outside its plausible range.")
    earliest = min(readings.sent_ms.min(), readings.received_ms.min())
    latest = max(readings.received_ms.max(), (readings.sent_ms + readings.clock_offset_ms).max())
    # A correction that is kept differs by at most 5 s from the offset that comes with the reading.
    if earliest < _EARLIEST_MS or latest > append_ms + _FUTURE_MS:
        raise ContractError("A reading has a time before the year 2000 or far beyond the log's clock.")


def _ids(frame: Frame, name: str) -> tuple[list[bytes], Ints]:
    column = frame.batch.column(name)
    dictionary = column.dictionary
    if dictionary.null_count:
        raise ContractError(f"The column {name} holds an id that is null.")
    index = column.indices.to_numpy().astype(np.int64)
    ids = dictionary.to_pylist()
    return ids, index


def _texts(frame: Frame, name: str) -> tuple[list[str], Ints]:
    column = frame.batch.column(name)
    if column.null_count == len(column):
        return [], np.full(len(column), -1, dtype=np.int64)
    if column.dictionary.null_count:
        raise ContractError(f"The column {name} holds a text that is null.")
    return column.dictionary.to_pylist(), _zeros_for_nulls(column.indices, -1).astype(np.int64)


def _filled(frame: Frame, name: str, value: int) -> npt.NDArray[Any]:
    return _zeros_for_nulls(frame.batch.column(name), value)


def _zeros_for_nulls(column: pa.Array, value: int) -> npt.NDArray[Any]:
    whole = column if column.null_count == 0 else pc.fill_null(column, pa.scalar(value, column.type))
    return np.asarray(whole.to_numpy(zero_copy_only=False))


def _worn(frame: Frame) -> Ints:
    column = frame.batch.column("worn")
    if column.null_count == len(column):
        return np.zeros(len(column), dtype=np.int64)
    worn = np.where(frame.booleans("worn"), WORN, NOT_WORN)
    if column.null_count:
        worn[~frame.known("worn")] = 0
    return worn
