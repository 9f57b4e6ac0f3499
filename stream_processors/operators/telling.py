"""What a step tells the log: changes of episodes, scored bins in frames, and the clock of a silent partition."""

from datetime import UTC, datetime
from typing import Final

import pyarrow as pa

from schemas import episodes as episode_events
from schemas import scores as score_frame
from schemas.episodes import Episode
from schemas.topics import EPISODES, SCORES
from stream_processors.ports import Emission

HEARTBEAT_MS: Final = 1_000
"""A partition whose scores are silent for this long gets an empty frame with the clock."""
FRAME_ROWS: Final = 2_000
"""Bins in one frame of scores, about 200 bytes each: after an outage of ours a record may close thousands at once."""

_NO_SCORES: Final = score_frame.empty()


class Telling:
    """Makes the emissions of a partition.

    Attributes:
        told_ms: Log time of the last frame of scores.
    """

    def __init__(self, partition: int) -> None:
        self._partition = partition
        self.told_ms = 0

    def episodes(self, changes: list[Episode], *, now_ms: int) -> list[Emission]:
        """Return a record a change."""
        if not changes:
            return []
        time = datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds")
        return [
            Emission(
                topic=EPISODES.name,
                partition=self._partition,
                key=change.subject.key.encode(),
                value=episode_events.encode(change, time=time),
            )
            for change in changes
        ]

    def scores(self, batch: pa.RecordBatch | None, *, now_ms: int) -> list[Emission]:
        """Return frames that the log takes; without any score an empty one with the clock, when it is time."""
        if batch is None:
            if now_ms - self.told_ms < HEARTBEAT_MS:
                return []
            batch = _NO_SCORES
        self.told_ms = now_ms
        return [
            Emission(
                topic=SCORES.name,
                partition=self._partition,
                key=None,
                value=score_frame.encode(batch.slice(start, FRAME_ROWS), clock_ms=now_ms),
            )
            for start in range(0, max(batch.num_rows, 1), FRAME_ROWS)
        ]
