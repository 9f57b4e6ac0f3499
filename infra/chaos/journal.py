"""What the load did, on disk: one fixed row for each reading of each message, 17 bytes, in a file a group of devices.

The load writes it, the auditor reads it; it is the only thing that both know.
"""

import struct
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import numpy as np

GROUPS: Final = 16
"""Devices are spread over so many files, so that the auditor holds one group's rows at a time."""
ROW: Final = np.dtype(
    [("time_ms", "<i8"), ("device", "<u4"), ("variant", "<u2"), ("mask", "u1"), ("source", "u1"), ("acked", "u1")]
)
"""`variant` is a row of the table of values, `mask` has a bit for each vital that this message carried."""
_PACKED: Final = struct.Struct("<qIHBBB")
_FLUSH_BYTES: Final = 1_048_576

Part = tuple[int, int, int]
"""A reading in a message: time_ms, variant, mask."""
WATCH: Final = 1
"""The code of the source that all readings of the load carry (docs/topics.md: stream_id)."""


class Journal:
    """Appends rows; memory is bounded by one buffer a group."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._files = [file_of(folder, group).open("ab") for group in range(GROUPS)]
        self._buffers = [bytearray() for _ in range(GROUPS)]

    def write(self, device: int, parts: Iterable[Part], *, acked: bool) -> None:
        """Note the readings of one message that was acknowledged, or that never was."""
        group = device % GROUPS
        buffer = self._buffers[group]
        for time_ms, variant, mask in parts:
            buffer += _PACKED.pack(time_ms, device, variant, mask, WATCH, acked)
        if len(buffer) > _FLUSH_BYTES:
            self._files[group].write(buffer)
            buffer.clear()

    def flush(self) -> None:
        """Write what is left."""
        for file, buffer in zip(self._files, self._buffers, strict=True):
            file.write(buffer)
            file.flush()
            buffer.clear()

    def close(self) -> None:
        """Write what is left and close the files."""
        self.flush()
        for file in self._files:
            file.close()


def file_of(folder: Path, group: int) -> Path:
    """Return the file that holds the rows of a group of devices."""
    return folder / f"{group:02d}.rows"
