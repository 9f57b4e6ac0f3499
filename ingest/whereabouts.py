"""Where a device is: a place becomes a cell of about 0.7 km2 at once, and its coordinates are forgotten.

Nothing here or after keeps, tells or logs a coordinate: what is refused is told by field and code alone.
"""

from collections.abc import Mapping
from typing import Any, Final

import h3.api.basic_int as h3
import msgspec

from ingest.admission import Limits, time_ms, untimely
from ingest.effects import Provenance
from ingest.salvage import NOT_FINITE, UNFIT, time_fault
from schemas.device_protocol import Location, Rejected
from schemas.frame import CELL_RESOLUTION

STAYS_MS: Final = 1_800_000
"""A place counts for 30 min of the gateway's clock, and for what was measured at most as long before or after it."""

_DETAILS: Final[Mapping[str, str]] = {
    "latitude": "degrees north, -90 to 90, or null with a longitude of null",
    "longitude": "degrees east, -180 to 180, or null with a latitude of null",
    "time": "RFC 3339 text with an offset, or Unix milliseconds",
}


def convert(fields: Mapping[str, Any]) -> Location | list[Rejected]:
    """Return the message that the fields make, or what of them is wrong; unknown ones are ignored."""
    rejected: list[Rejected] = []
    known: dict[str, Any] = {}
    for field in msgspec.structs.fields(Location):
        name = field.name
        if name not in fields:
            rejected.append(Rejected(0, name, "missing", _DETAILS.get(name, "")))
            continue
        known[name] = fields[name]
        try:
            msgspec.convert(fields[name], field.type)
        except UNFIT as error:
            code = time_fault(fields[name], error) if name == "time" else _degrees_fault(fields[name])
            rejected.append(Rejected(0, name, code, _DETAILS.get(name, "")))
    return rejected or msgspec.convert(known, Location)


def taken(
    message: Location, provenance: Provenance, *, now_s: float, now_ms: int, limits: Limits
) -> tuple[Provenance, list[Rejected]]:
    """Return what the connection's messages share from now on, and what of the place is refused.

    A place of before the one that is known changes nothing: it is a resend. Refused, the known one stays.

    Args:
        message: The place.
        provenance: What they share so far.
        now_s: The gateway's monotonic clock, by which the place expires.
        now_ms: Its wall clock, Unix milliseconds.
        limits: How far ahead a time may lie, and how old it may be.
    """
    rejected = _untimely(message, provenance, now_ms=now_ms, limits=limits)
    if rejected:
        return provenance, rejected
    latitude, longitude = message.latitude, message.longitude
    if (latitude is None) != (longitude is None):
        name = "latitude" if latitude is None else "longitude"
        return provenance, [Rejected(0, name, "wrong_type", _DETAILS[name])]
    at_ms = time_ms(message.time)
    if at_ms is None or (provenance.placed_ms is not None and at_ms < provenance.placed_ms):
        return provenance, []
    cell = 0 if latitude is None or longitude is None else h3.latlng_to_cell(latitude, longitude, CELL_RESOLUTION)
    return _moved(provenance, cell, at_ms, until_s=now_s + STAYS_MS / 1000), []


def current(provenance: Provenance, *, now_s: float) -> Provenance:
    """Return what is shared now: without a cell that has expired."""
    if provenance.cell and now_s >= provenance.until_s:
        return _moved(provenance, 0, provenance.placed_ms, until_s=0.0)
    return provenance


def cell_at(provenance: Provenance, at_ms: int) -> int | None:
    """Return the cell of what was measured at a time of the device's clock, None where it is not known."""
    placed_ms = provenance.placed_ms
    if not provenance.cell or placed_ms is None or abs(at_ms - placed_ms) > STAYS_MS:
        return None
    return provenance.cell


def _moved(provenance: Provenance, cell: int, placed_ms: int | None, *, until_s: float) -> Provenance:
    return msgspec.structs.replace(provenance, cell=cell, placed_ms=placed_ms, until_s=until_s)


def _untimely(message: Location, provenance: Provenance, *, now_ms: int, limits: Limits) -> list[Rejected]:
    at_ms = time_ms(message.time)
    newest_ms = now_ms + limits.ahead_ms - provenance.correction_ms
    if at_ms is None or at_ms < now_ms - limits.retention_ms or at_ms > newest_ms:
        return [untimely(0, message.time, limits=limits, now_ms=now_ms)]
    if at_ms + provenance.correction_ms < now_ms - STAYS_MS:
        return [Rejected(0, "time", "stale_time", f"a place counts for {STAYS_MS // 60_000} min")]
    return []


def _degrees_fault(value: object) -> str:
    if value is NOT_FINITE:
        return "not_finite"
    return "out_of_range" if isinstance(value, int | float) and not isinstance(value, bool) else "wrong_type"
