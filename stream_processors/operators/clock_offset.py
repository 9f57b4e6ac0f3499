"""Which correction a device's times get, one for each (device, boot)."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.slots import NEVER, Bools, Column, Ints, Table
from stream_processors.operators.readings import Readings

TOLERATED_MS: Final = 5_000
"""Up to this a clock is right, and a kept correction stays."""

TECHNICAL_MS: Final = 60_000
"""Beyond this the wearer's carers are told that the device's clock is wrong."""

_FORGET_MS: Final = 7 * 86_400_000
_CHECK_EVERY: Final = 4_096
_COLUMNS: Final = {"correction_ms": Column("i8", 0), "heard_ms": Column("i8", NEVER), "doubtful": Column("?", 0)}


class Corrections:
    """The correction of every (device, boot) that was heard within a week, kept in the state.

    Attributes:
        doubtful: Rows of the last record whose device was ever corrected: a reading of theirs that is sent again, by
            another session or boot, may have got another time than it had first.
    """

    def __init__(self) -> None:
        self.doubtful: Bools = np.zeros(0, dtype=np.bool_)
        self._devices: set[int] = set()
        self._slots: dict[tuple[int, bytes], int] = {}
        self._keys: list[tuple[int, bytes]] = []
        self._table = Table(_COLUMNS)
        self._check_at = _CHECK_EVERY

    def correct(self, readings: Readings, *, append_ms: int) -> Ints:
        """Return the corrected time of each row (ms); a new offset counts only if it differs by over 5 s."""
        get = self._slots.get
        keys = list(zip(readings.device.tolist(), map(readings.boots.__getitem__, readings.boot.tolist()), strict=True))
        slots = [get(key, -1) for key in keys]
        if -1 in slots:
            slots = [self._slot(key) for key in keys]
        slot = np.array(slots, dtype=np.int64)
        kept = self._table["correction_ms"]
        offset = readings.clock_offset_ms
        differs = np.abs(offset - kept[slot]) > TOLERATED_MS
        if differs.any():
            # In row order, so that of several offsets of one boot in a record the last one stays.
            for row in np.flatnonzero(differs).tolist():
                kept[slots[row]] = offset[row] if abs(int(offset[row])) > TOLERATED_MS else 0
                self._doubt(keys[row][0])
        self.doubtful = self._table["doubtful"][slot]
        self._table["heard_ms"][slot] = append_ms
        corrected: Ints = readings.sent_ms + kept[slot]
        if len(self._keys) > self._check_at:
            self._forget(append_ms - _FORGET_MS)
        return corrected

    def _doubt(self, device: int) -> None:
        if device not in self._devices:
            self._devices.add(device)
            self._table["doubtful"][[slot for (owner, _), slot in self._slots.items() if owner == device]] = True

    def _slot(self, key: tuple[int, bytes]) -> int:
        slot = self._slots.get(key)
        if slot is None:
            slot = self._slots[key] = len(self._keys)
            self._keys.append(key)
            self._table.extend(slot + 1)
            self._table["doubtful"][slot] = key[0] in self._devices
        return slot

    def _forget(self, before_ms: int) -> None:
        used = self._table.dump()
        stays = np.flatnonzero(used["heard_ms"] >= before_ms)
        keys = [self._keys[slot] for slot in stays.tolist()]
        self._restore(keys, {name: array[stays] for name, array in used.items()})
        self._check_at = max(_CHECK_EVERY, 2 * len(keys))

    def dump(self) -> tuple[list[tuple[int, bytes]], dict[str, npt.NDArray[Any]]]:
        """Return the (device, boot) keys and their arrays."""
        return self._keys, {**self._table.dump(), "check_at": np.array([self._check_at])}

    def load(self, keys: list[tuple[int, bytes]], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        """Take over a dump."""
        arrays = dict(arrays)
        self._check_at = int(arrays.pop("check_at")[0])
        self._restore(keys, arrays)

    def _restore(self, keys: list[tuple[int, bytes]], arrays: Mapping[str, npt.NDArray[Any]]) -> None:
        self._keys = list(keys)
        self._slots = {key: slot for slot, key in enumerate(keys)}
        self._table = Table(_COLUMNS)
        self._table.load(arrays)
        self._devices = {keys[slot][0] for slot in np.flatnonzero(self._table["doubtful"][: len(keys)]).tolist()}
