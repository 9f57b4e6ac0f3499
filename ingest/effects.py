"""What a session asks of whoever holds its socket, and what all of its messages share."""

import msgspec

from ingest.rows import NEVER_PLACED_MS, PACK_SHARED, Rows
from schemas.device_protocol import Answer


class Provenance(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What all messages of one session share until its device is somewhere else; see `ingest.whereabouts`.

    Attributes:
        correction_ms: Added to the device's clock.
        cell: H3 index of where the device is, 0 where that is not known.
        placed_ms: When it was told to be there, by its own clock; None where it never told.
        until_s: When the cell expires, by the gateway's monotonic clock.
        packed: The numbers among them in the layout `ingest.rows.SHARED`, made once a session and place.
    """

    wearer: bytes
    partition: int
    device_number: int
    boot: bytes
    clock_offset_ms: int
    correction_ms: int
    origin: int
    firmware: str | None
    cell: int = 0
    placed_ms: int | None = None
    until_s: float = 0.0
    packed: bytes = b""

    def __post_init__(self) -> None:
        """Pack the numbers."""
        placed_ms = NEVER_PLACED_MS if self.placed_ms is None else self.placed_ms
        numbers = PACK_SHARED(
            self.device_number, self.clock_offset_ms, self.correction_ms, self.origin, self.cell, placed_ms
        )
        msgspec.structs.force_setattr(self, "packed", numbers)


class Send(msgspec.Struct, frozen=True, gc=False):
    """Say this to the device."""

    answer: Answer


class Admit(msgspec.Struct, frozen=True, gc=False):
    """Make these rows durable, then tell the session with `settled([seq])`; `size` is in bytes."""

    provenance: Provenance
    seq: int
    received_us: int
    rows: Rows
    size: int


class AdmitVideo(msgspec.Struct, frozen=True):
    """Make this record of `video.v1` durable, then tell the session with `settled([seq])`."""

    kind: str
    partition: int
    seq: int
    received_us: int
    data: bytes


class Pause(msgspec.Struct, frozen=True):
    """Say `throttle`, and do not read the socket for so long."""

    seconds: float


class Close(msgspec.Struct, frozen=True):
    """Close the connection."""

    code: int
    reason: str


Effect = Send | Admit | AdmitVideo | Pause | Close
