"""What a hello makes of a connection: what all of its messages share, or why it is not taken."""

from typing import Any, Final

import msgspec

from ingest.admission import time_ms
from ingest.effects import Provenance
from ingest.ports import Device
from ingest.salvage import UNFIT
from schemas.device_protocol import Hello
from schemas.topics import partition_of
from schemas.vitals import ORIGINS

CORRECTION_FROM_MS: Final = 5_000
"""A device clock that is off by no more is taken as it is."""

_INT32_MOST: Final = 2**31 - 1
_DAY_MS: Final = 86_400_000
_FIRMWARE_MOST: Final = 64
_NEEDS: Final = "hello needs boot and clock"
_FIELDS: Final = {
    "boot": "boot is a UUID, new whenever seq restarts at 1",
    "clock": "clock is RFC 3339 text with an offset, such as Z or +02:00, or Unix milliseconds",
    "origin": "origin is live, replay or simulated",
    "model": "model is text",
    "firmware": "firmware is text",
}


def provenance_of(hello: Hello, device: Device, *, now_ms: int, waited_ms: int) -> Provenance | str:
    """Return what all messages of the connection share, or a sentence of why the hello is bad.

    Args:
        hello: The first message.
        device: Whose connection it is.
        now_ms: The server's clock, Unix milliseconds.
        waited_ms: How long ago the connection was accepted.
    """
    clock_ms = time_ms(hello.clock)
    if clock_ms is None:
        return _FIELDS["clock"]
    offset_ms = _offset_ms(now_ms - clock_ms, waited_ms)
    if abs(offset_ms) > _INT32_MOST:  # no such offset can be told in a frame, and half a correction is a wrong time
        return f"clock: {abs(offset_ms) // _DAY_MS} days off, set it before sending"
    return Provenance(
        wearer=device.wearer.bytes,
        partition=partition_of(device.wearer),
        device_number=device.number,
        boot=hello.boot.bytes,
        clock_offset_ms=offset_ms,
        correction_ms=offset_ms if abs(offset_ms) > CORRECTION_FROM_MS else 0,
        origin=ORIGINS.index(hello.origin),
        firmware=_stored_text(hello.firmware),
    )


def fault(message: dict[str, Any]) -> str:
    """Return what is wrong with a hello that does not fit its contract."""
    try:
        msgspec.convert({key: value for key, value in message.items() if key != "type"}, Hello, strict=True)
    except UNFIT as error:
        return _FIELDS.get(str(error).rpartition("$.")[2].rstrip("`"), _NEEDS)
    return _NEEDS


def _offset_ms(seen_ms: int, waited_ms: int) -> int:
    """Return how far behind the device's clock is; a hello that waited unread does not make a right clock slow.

    A device tells its clock after its connection was accepted, so that what it seems to be behind holds at most
    the time since then.
    """
    return 0 if 0 < seen_ms <= waited_ms else seen_ms


def _stored_text(text: str) -> str | None:
    """Return a device's text as the database can hold it: a NUL would cost its whole frame, neighbours included."""
    return text.replace("\0", "")[:_FIRMWARE_MOST] or None
