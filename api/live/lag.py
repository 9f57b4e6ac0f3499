"""How far the processor families are behind, from what the hub has seen of the log and what they have saved."""

from api.live.recent import RecentLogs
from api.ports import Reads
from schemas.errors import PulseraError
from schemas.scores import decode
from schemas.topics import EPISODES, PARTITIONS, READINGS, SCORES


class Lags:
    """Seconds of the log's own time between what was appended and what a family has done."""

    def __init__(self, recent: RecentLogs, reads: Reads) -> None:
        self._recent = recent
        self._reads = reads

    async def vitals_s(self) -> float | None:
        """Return how far the clock in the newest scores lies behind the newest readings; the worst partition counts."""
        lags = [lag for number in range(PARTITIONS) if (lag := self._vitals_ms(number)) is not None]
        return max(lags) / 1000 if lags else None

    async def care_s(self) -> float | None:
        """Return the age, in log time, of the oldest episode that care has not taken in.

        Raises:
            DatabaseAwayError: The database cannot be asked.
        """
        return await self._saved_s("care", EPISODES.name)

    async def storage_s(self) -> float | None:
        """Return the age, in log time, of the oldest reading that storage has not written.

        Raises:
            DatabaseAwayError: The database cannot be asked.
        """
        return await self._saved_s("storage", READINGS.name)

    def _vitals_ms(self, partition: int) -> int | None:
        readings = self._recent.of(READINGS.name, partition)
        if readings.newest_ms is None or readings.began_ms is None:
            return None
        scores = self._recent.of(SCORES.name, partition).newest
        clock_ms = readings.began_ms if scores is None else _clock_ms(scores.value)
        return None if clock_ms is None else max(0, readings.newest_ms - clock_ms)

    async def _saved_s(self, family: str, topic: str) -> float | None:
        positions = await self._reads.positions(family, topic)
        now_ms = max((self._recent.of(READINGS.name, number).newest_ms or 0) for number in range(PARTITIONS))
        ages = []
        for number in range(PARTITIONS):
            place, recent = positions.get(number), self._recent.of(topic, number)
            if place is not None and recent.first is not None and 0 < place.next_offset < recent.first:
                waiting_ms: int | None = place.clock_ms  # further behind than what is held reaches
            else:
                waiting_ms = recent.append_ms_of(place.next_offset if place else 0)
            if waiting_ms is not None:
                ages.append(max(0, now_ms - waiting_ms) / 1000)
        return max(ages, default=0.0)


def _clock_ms(value: bytes) -> int | None:
    try:
        return decode(value).clock_ms
    except PulseraError:
        return None
