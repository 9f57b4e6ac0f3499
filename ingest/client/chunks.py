"""What a camera saw as messages of a device: half seconds of colours, or of pictures behind a header."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from ingest.client.messages import Pack
from schemas.device_protocol import Rejected

_BESIDE: Final = frozenset({"background", "saturated", "motion"})
"""Refused alone, these are left out when the message is sent again."""
_NOTHING: Final = Pack(b"[]", 0)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Frames ready for one message; `pictures` is None for a trace, whose fields hold the colours."""

    fields: Mapping[str, Any]
    pictures: bytes | None = None
    size: int = 0

    @property
    def readings(self) -> int:
        """Return 0: what is measured in frames is not known yet."""
        return 0

    def message(self, seq: int) -> bytes:
        """Return the message that carries them under `seq`; one with pictures begins with a byte 0."""
        kind = "trace" if self.pictures is None else "video"
        head = msgspec.json.encode({"type": kind, "seq": seq, **self.fields})
        return head if self.pictures is None else len(head).to_bytes(4, "big") + head + self.pictures

    def listed(self) -> list[dict[str, Any]]:
        """Return no readings."""
        return []

    def without(self, rejected: Sequence[Rejected]) -> "Chunk | Pack":
        """Return the chunk without what was refused; refused whole it leaves an empty message in its place."""
        names = {part.field for part in rejected}
        if not names <= _BESIDE:
            return _NOTHING
        return Chunk({name: value for name, value in self.fields.items() if name not in names}, None, self.size)


def trace(fields: Mapping[str, Any]) -> Chunk:
    """Return a chunk of colours: `time`, `times`, `rgb` and what else the protocol names."""
    return Chunk(fields, None, len(msgspec.json.encode(fields)))


def pictures(time_ms: float, times_ms: Sequence[float], frames: Sequence[bytes]) -> Chunk:
    """Return a chunk of JPEG pictures; `times_ms` count from `time_ms`."""
    fields = {"time": time_ms, "times": list(times_ms), "encoding": "jpeg", "sizes": [len(frame) for frame in frames]}
    body = b"".join(frames)
    return Chunk(fields, body, len(body) + len(msgspec.json.encode(fields)))
