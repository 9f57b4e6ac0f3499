"""Slots: which row of every table belongs to which wearer, and to which stream of a wearer."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from inference.slots import Column, Ints, Table
from stream_processors.operators.readings import Readings

NO_STREAM: Final = 0
"""Stream slot 0 belongs to nobody and was never heard, so that absent streams need no mask."""


class Roster:
    """Wearers and their streams, in the order in which the log first named them; `eviction` says who is forgotten.

    Attributes:
        ids: Wearer ids by wearer slot.
        firmwares: Firmware names by code.
        of_wearer: Stream slots of each wearer, shape (capacity, most streams of a wearer), `NO_STREAM` where none.
        streams: Table of `stream_id` and `wearer` by stream slot.
    """

    def __init__(self) -> None:
        self.ids: list[bytes] = []
        self._slots: dict[bytes, int] = {}
        self.firmwares: list[str] = []
        self._firmware_codes: dict[str, int] = {}
        self.of_wearer = np.zeros((64, 2), dtype=np.int64)
        self.streams = Table({"stream_id": Column("i8", -1), "wearer": Column("i8", -1)})
        self.streams.extend(1)

    def place(self, readings: Readings) -> tuple[Ints, Ints, Ints]:
        """Return wearer slots, stream slots and firmware codes of the rows, each shape (n,); new ones get slots."""
        wearer = self._wearer_slots(readings.wearers)[readings.wearer]
        stream = self._known_streams(wearer, readings.stream_id)
        missing = stream == NO_STREAM
        if missing.any():
            pairs = np.unique(np.stack((wearer[missing], readings.stream_id[missing]), axis=1), axis=0)
            for slot, stream_id in pairs.tolist():
                self._add_stream(slot, stream_id)
            stream = self._known_streams(wearer, readings.stream_id)
        return wearer, stream, self._firmware(readings)

    def _wearer_slots(self, ids: list[bytes]) -> Ints:
        get = self._slots.get
        slots = [get(wearer, -1) for wearer in ids]
        if -1 in slots:
            slots = [self._wearer_slot(wearer) for wearer in ids]
        return np.array(slots, dtype=np.int64)

    def _wearer_slot(self, wearer: bytes) -> int:
        slot = self._slots.get(wearer)
        if slot is None:
            slot = self._slots[wearer] = len(self.ids)
            self.ids.append(wearer)
            if slot >= len(self.of_wearer):
                self.of_wearer = np.concatenate((self.of_wearer, np.zeros_like(self.of_wearer)))
        return slot

    def _known_streams(self, wearer: Ints, stream_id: Ints) -> Ints:
        candidates = self.of_wearer[wearer]
        same: npt.NDArray[np.bool_] = self.streams["stream_id"][candidates] == stream_id[:, None]
        found: Ints = (candidates * same).max(axis=1)
        return found

    def _add_stream(self, wearer: int, stream_id: int) -> None:
        slot = self.streams.rows
        self.streams.extend(slot + 1)
        self.streams["stream_id"][slot] = stream_id
        self.streams["wearer"][slot] = wearer
        free = np.flatnonzero(self.of_wearer[wearer] == NO_STREAM)
        if len(free) == 0:
            free = np.array([self.of_wearer.shape[1]])
            self.of_wearer = np.concatenate((self.of_wearer, np.zeros_like(self.of_wearer)), axis=1)
        self.of_wearer[wearer, free[0]] = slot

    def _firmware(self, readings: Readings) -> Ints:
        if not readings.firmwares:
            return readings.firmware
        for name in readings.firmwares:
            if name not in self._firmware_codes:
                self._firmware_codes[name] = len(self.firmwares)
                self.firmwares.append(name)
        codes = np.array([*(self._firmware_codes[name] for name in readings.firmwares), -1], dtype=np.int64)
        coded: Ints = codes[readings.firmware]
        return coded

    def dump(self) -> dict[str, npt.NDArray[Any]]:
        """Return the streams as arrays; the names travel beside them."""
        return self.streams.dump()

    def load(self, arrays: Mapping[str, npt.NDArray[Any]], *, ids: list[bytes], firmwares: list[str]) -> None:
        """Take over a dump into a roster that is still empty."""
        for wearer in ids:
            self._wearer_slot(wearer)
        for code, name in enumerate(firmwares):
            self._firmware_codes[name] = code
            self.firmwares.append(name)
        stream_ids, wearers = arrays["stream_id"].tolist(), arrays["wearer"].tolist()
        for stream_id, slot in zip(stream_ids[1:], wearers[1:], strict=True):
            self._add_stream(slot, stream_id)
