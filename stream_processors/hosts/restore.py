"""Where a partition stands: the saved row, checked against the log, and the records it has missed."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass

import structlog

from schemas.errors import LogMismatchError, PassingError
from schemas.topics import BY_NAME
from stream_processors.hosts.retry import Patience
from stream_processors.hosts.runner import Place, Surroundings
from stream_processors.ports import Record, SavedState

_LOG = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """The saved row of a partition, None where there is none, and the log's bounds."""

    row: SavedState | None
    cluster_id: str
    first: int
    end: int


class Restorer:
    """Reads rows and gaps for one family, patiently."""

    def __init__(self, family: str, world: Surroundings, patience: Patience) -> None:
        self._family = family
        self._world = world
        self._patience = patience
        self.lost_records = 0

    async def standing(self, place: Place) -> Standing:
        """Return where a partition stands.

        Raises:
            LogMismatchError: The row belongs to another cluster, or lies beyond the end of the log.
        """
        world = self._world
        row = await self._patience.insist("state", lambda: world.store.load(self._family, *place))
        cluster_id = await self._patience.insist("log", world.reader.cluster_id)
        first, end = await self._patience.insist("log", lambda: world.reader.bounds(*place))
        if row is not None:
            self._check(row, cluster_id, end)
        return Standing(row=row, cluster_id=cluster_id, first=first, end=end)

    async def still_reaches(self, place: Place, offset: int) -> None:
        """Return if the log beneath a worker is the one that it has read up to `offset`, and was not begun anew.

        Raises:
            LogMismatchError: It ends before that, or belongs to another cluster.
        """
        standing = await self.standing(place)
        if offset > standing.end:
            raise LogMismatchError(
                f"{self._family} has read {place.topic}/{place.partition} up to {offset}, but the log now ends at "
                f"{standing.end}: it was begun anew or lost its end while this worker ran."
            )

    async def missed(self, place: Place, start: int, end: int) -> AsyncGenerator[Sequence[Record], None]:
        """Yield the records of a gap, going on where it stopped when the broker went away meanwhile."""
        position = start
        while position < end:
            try:
                async with aclosing(self._world.reader.read(*place, position, end)) as chunks:
                    async for records in chunks:
                        self._patience.resumed("log")
                        yield records
                        position = records[-1].offset + 1
            except PassingError as error:
                await self._patience.pause("log", error)
            else:
                return

    def lost(self, place: Place, start: int, end: int) -> None:
        """Count and report records that the log dropped before this family read them."""
        topic = BY_NAME.get(place.topic)
        if end <= start or (topic is not None and topic.cleanup == "compact"):
            return
        self.lost_records += end - start
        self._world.meter.count("gap_records_total", end - start, topic=place.topic)
        _LOG.error(
            "the log dropped records before they were read: lengthen its retention, or start workers sooner",
            family=self._family,
            topic=place.topic,
            partition=place.partition,
            first=start,
            count=end - start,
        )

    def _check(self, row: SavedState, cluster_id: str, end: int) -> None:
        where = f"{row.family} has read {row.topic}/{row.partition} up to {row.next_offset}"
        if row.cluster_id != cluster_id:
            raise LogMismatchError(
                f"{where} of the Kafka cluster {row.cluster_id}, but this is the cluster {cluster_id}. Point Pulsera "
                "at the cluster it was used with, or run `pulsera migrate --new-log` if that log is gone for good."
            )
        if row.next_offset > end:
            raise LogMismatchError(
                f"{where}, but the log ends at {end}: records were lost from Kafka, or it was put back to an older "
                "state. Put the database back to the same time, or run `pulsera migrate --new-log` to go on from here."
            )
