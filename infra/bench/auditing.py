"""The auditor: compares every message that the load client saw acknowledged with what the database holds."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from infra.bench.load import values_of
from infra.timescale.stored import StoredRows, keys
from schemas.scores import BIN_MS

VITALS: Final = ("heart_rate", "spo2", "respiratory_rate", "skin_temperature", "acceleration", "motion")
NO_PROGRESS_S: Final = 20.0
"""The auditor gives up waiting when a count has not moved for so long."""
POLL_S: Final = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Readings sent, acknowledged, stored; acknowledged and not stored; counted too often in a bin; stored wrongly."""

    sent_messages: int
    sent: int
    acked: int
    stored: int
    lost: int
    doubled: int
    wrong: int
    ack_ms: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sent:
    """What the load client sent, a row a reading: device index, running number, time in ms, whether acked."""

    device: npt.NDArray[np.int64]
    number: npt.NDArray[np.int64]
    time_ms: npt.NDArray[np.int64]
    acked: npt.NDArray[np.bool_]

    @property
    def key(self) -> npt.NDArray[np.int64]:
        """One integer an identity, as `infra.timescale.stored.keys` makes them."""
        return self.device * (1 << 44) + self.time_ms


async def audit(
    dsn: str, rows_file: Path, people: list[tuple[str, str]], *, batch: int, spacing_ms: int
) -> tuple[Findings, list[str]]:
    """Wait until everything acknowledged is stored and scored, or nothing moves any more, then compare."""
    loaded = np.load(rows_file)
    rows, refused = loaded["rows"], [str(line) for line in loaded["refused"]]
    sent = expand(rows, batch, spacing_ms)
    index_of = {wearer: index for index, (wearer, _) in enumerate(people)}
    expected = int(sent.acked.sum())
    async with StoredRows(dsn) as database:
        await _settled(database.stored, expected)
        await _settled(database.scored, expected)
        table = await database.readings(VITALS)
        bins = await database.bins()
    stored_key = keys(table, index_of, "time_ms")
    mine = stored_key >= 0
    columns = {name: table.column(name).to_numpy()[mine] for name in VITALS}
    lost, wrong = compare(sent, stored_key[mine], columns)
    doubled = count_doubled(sent, keys(bins, index_of, "bin_ms"), bins.column("readings").to_numpy())
    acked_rows = rows[:, 3] > 0
    findings = Findings(
        sent_messages=len(rows),
        sent=len(sent.device),
        acked=expected,
        stored=int(mine.sum()),
        lost=lost,
        doubled=doubled,
        wrong=wrong,
        ack_ms=(rows[:, 3] - rows[:, 2])[acked_rows],
    )
    return findings, refused


def expand(rows: npt.NDArray[np.float64], batch: int, spacing_ms: int) -> Sent:
    """Return one row a reading from one row a message (device, seq, sent, acked, first time)."""
    place = np.tile(np.arange(batch), len(rows))
    device = np.repeat(rows[:, 0].astype(np.int64), batch)
    number = (np.repeat(rows[:, 1].astype(np.int64), batch) - 1) * batch + place
    time_ms = np.repeat(rows[:, 4].astype(np.int64), batch) + place * spacing_ms
    return Sent(device, number, time_ms, np.repeat(rows[:, 3] > 0, batch))


def compare(
    sent: Sent, stored_key: npt.NDArray[np.int64], stored: dict[str, npt.NDArray[np.float64]]
) -> tuple[int, int]:
    """Return how many acknowledged readings are missing, and how many stored ones differ from what was sent."""
    order = np.argsort(stored_key)
    ordered = stored_key[order]
    at = np.minimum(np.searchsorted(ordered, sent.key), max(len(ordered) - 1, 0))
    found = ordered[at] == sent.key if len(ordered) else np.zeros(len(sent.key), dtype=bool)
    lost = int((sent.acked & ~found).sum())
    truth = values_of(sent.device[found], sent.number[found])
    differs = np.zeros(int(found.sum()), dtype=bool)
    for name, values in truth.items():
        differs |= stored[name][order][at[found]].astype(np.float32) != values.astype(np.float32)
    return lost, int(differs.sum())


def count_doubled(sent: Sent, bin_key: npt.NDArray[np.int64], readings: npt.NDArray[np.int64]) -> int:
    """Return how many readings the scored bins hold beyond what was sent into them."""
    expected_key, expected = np.unique(sent.key - sent.time_ms % BIN_MS, return_counts=True)
    mine = bin_key >= 0
    at = np.searchsorted(expected_key, bin_key[mine])
    inside = np.minimum(at, max(len(expected_key) - 1, 0))
    allowed = np.where(expected_key[inside] == bin_key[mine], expected[inside], 0) if len(expected_key) else 0
    return int(np.maximum(readings[mine] - allowed, 0).sum())


async def _settled(count: Callable[[], Awaitable[int]], expected: int) -> None:
    """Return when the count has reached `expected`, or has not moved for NO_PROGRESS_S."""
    before, moved = -1, time.monotonic()
    while (found := await count()) < expected:
        if found != before:
            before, moved = found, time.monotonic()
        elif time.monotonic() - moved > NO_PROGRESS_S:
            return
        await asyncio.sleep(POLL_S)
