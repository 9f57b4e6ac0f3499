"""How zones stand now, from the log and in memory: the newest status of each, as long as the log is heard."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from api.ports import LogRecord
from api.records import Zone, ZoneNow
from schemas.errors import ContractError
from schemas.topics import ZONES, partition_of
from schemas.zones import ZoneStatus, decode

_LOG = structlog.get_logger(__name__)
_LATE_MOST_MS: Final = 720_000
"""A bin is told 7 min after its start, the next one 12 min after it. What is told of it later may not be the newest: it
is told anew, or comes of a log that was behind. The database knows."""


class Feed(Protocol):
    """Hands records of the log on, and knows whether it is behind."""

    def is_current(self, topic: str, partition: int) -> bool:
        """Return whether the log answered within seconds and everything that it holds was handed on."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the board needs besides the statuses: whether they are the newest, and what zones are called."""

    feed: Feed
    zone: Callable[[str], Zone | None]
    """Returns a zone as it is defined now, without its cells; None where there is none, or none is known for certain:
    the database could not be asked for a while, so that a grant may have been withdrawn since."""


class Board:
    """The newest status of each zone that the log told of since a moment.

    The whole area is told of every five minutes; a named zone as well until nobody has reported for two hours, from
    then on at full hours.

    A worker that lost its state tells a week anew, bin after bin: its statuses are older than what the database holds
    until it has caught up. What tells of a bin long past when it was appended is therefore no news, whatever else is
    known of the zone; and what was appended before the board began sets what later statuses must surpass.
    """

    def __init__(self, since_ms: int = 0) -> None:
        """`since_ms`: what was appended earlier is left to the database (Unix ms)."""
        self._since_ms = since_ms
        self._floor: dict[str, int] = {}
        self._known: Known | None = None
        self._next: dict[int, int] = {}
        self._told: dict[int, dict[str, ZoneStatus]] = {}

    def join(self, known: Known) -> None:
        """Answer from now on."""
        self._known = known

    def now(self, zone_id: str) -> ZoneNow | None:
        """Return how a zone stands; None where only the database may know: nothing told yet, or not all is heard."""
        partition = partition_of(zone_id.encode())
        status = self._told.get(partition, {}).get(zone_id)
        if status is None or self._known is None or not self._known.feed.is_current(ZONES.name, partition):
            return None
        zone = self._known.zone(zone_id)
        return None if zone is None else ZoneNow(zone=zone, status=status)

    def begin(self, topic: str, partition: int, offset: int) -> None:
        """Stand at an offset; what was told before a gap may not be the newest, and is forgotten."""
        if topic == ZONES.name and self._next.get(partition) != offset:
            self._told.pop(partition, None)
            self._next[partition] = offset

    def take(self, record: LogRecord) -> None:
        """Take a record of any topic that is followed."""
        if record.topic != ZONES.name:
            return
        self._next[record.partition] = record.offset + 1
        told = self._told.setdefault(record.partition, {})
        # Without a value: withdrawn; nobody has a grant, and what is no more defined is not told.
        if not record.value:
            return
        try:
            status = decode(record.value)
        except ContractError as error:
            _LOG.error("a zone's status cannot be read", partition=record.partition, reason=str(error))
            told.clear()  # it could have been any zone's
            return
        # As in the database: a writer that takes over tells some bins again.
        if status.revision <= self._floor.get(status.zone_id, -1):
            return
        self._floor[status.zone_id] = status.revision
        if record.append_ms >= self._since_ms and record.append_ms - status.bin_ms <= _LATE_MOST_MS:
            told[status.zone_id] = status
        else:
            told.pop(status.zone_id, None)
