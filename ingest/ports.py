"""What the gateway needs from the world."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """Whom a token stands for: one device, its number within `stream_id`, and the wearer it is worn by."""

    device_id: UUID
    number: int
    wearer: UUID


class Clock(Protocol):
    """The two clocks of a gateway: what time it is, and how long something took."""

    def wall_us(self) -> int:
        """Return microseconds since 1970 UTC."""
        ...

    def monotonic_s(self) -> float:
        """Return seconds on a clock that never goes back."""
        ...


class DeviceDirectory(Protocol):
    """Knows every device's token by its SHA-256, also while the database is away."""

    async def find(self, token_sha256: bytes) -> Device | None:
        """Return the device of a token, None if there is none or it was revoked.

        Raises:
            DatabaseAwayError: The token is not among those in memory and the database cannot be asked.
        """
        ...

    def holds(self, token_sha256: bytes, device: Device) -> bool:
        """Return whether this token still stands for this device and wearer."""
        ...


class FrameAppender(Protocol):
    """Appends frames of readings to the log."""

    def append(self, partition: int, frame: bytes) -> Awaitable[None]:
        """Return what is done when the frame is durable on all replicas; passing errors are retried until then.

        Frames of one partition lie in the log in the order of the calls.

        Raises:
            ContractError: The broker will never take this frame.
        """
        ...


class Meter(Protocol):
    """Counts what happens; names stand in the table of metrics."""

    def observe(self, name: str, seconds: npt.NDArray[np.float64] | float) -> None:
        """Add one or many durations to the histogram `name`."""
        ...

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        """Add to the counter `name`."""
        ...

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set the gauge `name`."""
        ...
