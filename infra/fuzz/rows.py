"""Where fuzzed frames end up: a store that keeps nothing but checks every row that it is handed."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import numpy as np

from infra.fuzz.figures import Figures
from infra.timescale.copy_stream import copy_stream
from infra.timescale.series import READINGS, SCORES
from schemas.errors import StaleOwnerError
from schemas.frame import Frame
from schemas.vitals import HRV_WINDOW_PLAUSIBLE_S, IBI_PLAUSIBLE_MS, NAMES, ORIGINS, VITALS
from stream_processors.families.storage import SeriesBatch
from stream_processors.hosts.memory_log import MemoryStateStore
from stream_processors.ports import OffsetMove, SavedState

_BOUNDS: Final = {
    **{vital.name: vital.plausible for vital in VITALS},
    "quality": (0.0, 1.0),
    "hrv_window_s": HRV_WINDOW_PLAUSIBLE_S,
}


class CheckedRows:
    """A `SeriesStore`: a row that no gateway lets through is a fault, and `control` rows are kept to be compared."""

    def __init__(self, figures: Figures, states: MemoryStateStore) -> None:
        self._figures = figures
        self._states = states
        self.control: dict[tuple[bytes, int], tuple[float | None, ...]] = {}
        self.watched: set[bytes] = set()

    async def write(self, batch: SeriesBatch, moves: Sequence[OffsetMove]) -> None:
        """Check the rows, build what the database would be sent, and move the offsets.

        Raises:
            StaleOwnerError: An offset was not the expected one.
        """
        for table, read in ((READINGS, batch.readings), (SCORES, batch.scores)):
            if read.rows:
                copy_stream(read.batch, table.frame_columns)
        if batch.readings.rows:
            self._check(batch.readings)
            self._keep(batch.readings)
        self._figures.answers["rows written"] += batch.readings.rows + batch.scores.rows
        self._figures.answers["episodes written"] += len(batch.episodes)
        for move in moves:
            key = ("storage", move.topic, move.partition)
            row = self._states.rows.get(key)
            if (None if row is None else row.next_offset) != move.expected:
                raise StaleOwnerError("moved by another")
            self._states.rows[key] = SavedState(
                family="storage", topic=move.topic, partition=move.partition, cluster_id="memory",
                next_offset=move.next, clock_ms=move.clock_ms, version="1", blob=None,
            )  # fmt: skip

    async def upkeep(self, *, oldest_us: int, newest_us: int) -> None:
        """Return: there are no partitions to keep."""
        del oldest_us, newest_us

    def _check(self, read: Frame) -> None:
        for name, (low, high) in _BOUNDS.items():
            values = read.floats(name)
            if ((values < low) | (values > high)).any():
                self._figures.fault(f"a {name} outside {low:g} to {high:g} was written")
        beats = read.batch.column("ibi").flatten().to_numpy(zero_copy_only=False)
        if beats.size and not ((beats >= IBI_PLAUSIBLE_MS[0]) & (beats <= IBI_PLAUSIBLE_MS[1])).all():
            self._figures.fault("a beat that nobody has was written")
        if read.integers("origin").max() >= len(ORIGINS) or read.integers("stream_id").min() < 0:
            self._figures.fault("a stream or an origin that there is not was written")

    def _keep(self, read: Frame) -> None:
        ids, index = read.ids("wearer")
        watched = np.flatnonzero(np.isin(index, [place for place, raw in enumerate(ids) if raw in self.watched]))
        times, values = read.integers("time"), read.matrix(NAMES)
        for row in watched.tolist():
            kept = tuple(None if np.isnan(value) else float(value) for value in values[row])
            self.control[ids[index[row]], int(times[row])] = kept

    def expected(self, read: Frame, wearer: UUID) -> bool:
        """Return whether every row of a control frame was written as it was sent."""
        times, values = read.integers("time"), read.matrix(NAMES)
        sent = {
            (wearer.bytes, int(time)): tuple(None if np.isnan(value) else float(value) for value in row)
            for time, row in zip(times, values, strict=True)
        }
        return all(self.control.get(key) == row for key, row in sent.items())
