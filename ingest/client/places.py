"""Where a device is, as a message of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from ingest.client.messages import Pack
from schemas.device_protocol import Rejected

STAYS_MS: Final = 1_800_000
"""The gateway forgets a place after 30 min, so that an older one need not be told."""
_SIZE: Final = 128
_NOTHING: Final = Pack(b"[]", 0)


@dataclass(frozen=True, slots=True)
class Place:
    """Degrees north and east at a time of the device's clock, both None where the device tells no place any more."""

    time_ms: int
    latitude: float | None = field(repr=False)
    longitude: float | None = field(repr=False)

    @property
    def readings(self) -> int:
        """Return 0: a place is no reading."""
        return 0

    @property
    def size(self) -> int:
        """Bytes that it takes while it waits."""
        return _SIZE

    @property
    def known(self) -> bool:
        """Is this a place at all?"""
        return self.latitude is not None

    def message(self, seq: int) -> bytes:
        """Return the `location` message that carries it under `seq`."""
        fields = {"time": self.time_ms, "latitude": self.latitude, "longitude": self.longitude}
        return msgspec.json.encode({"type": "location", "seq": seq, **fields})

    def listed(self) -> list[dict[str, Any]]:
        """Return no readings."""
        return []

    def without(self, _: Sequence[Rejected]) -> Pack:
        """Return an empty message in its place: a place is refused whole."""
        return _NOTHING
