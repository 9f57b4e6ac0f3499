"""Figures that are asked for at intervals."""

import asyncio
import math
from pathlib import Path

import pytest

from infra.metrics.meter import PrometheusMeter
from infra.metrics.table import METRICS
from infra.metrics.watch import disk_questions, watch
from schemas.errors import ContractError, DatabaseAwayError


class Gauges:
    """Keeps the newest value of each gauge, and says when there are so many."""

    def __init__(self, many: int) -> None:
        self.values: dict[tuple[str, ...], float] = {}
        self.all_told = asyncio.Event()
        self._many = many

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Keep it."""
        self.values[name, *labels.values()] = value
        if len(self.values) == self._many:
            self.all_told.set()


async def _one_round(*questions: object) -> dict[tuple[str, ...], float]:
    gauges = Gauges(len(questions))
    watching = asyncio.create_task(watch(gauges, questions, every_s=3_600.0))  # type: ignore[arg-type]
    async with asyncio.timeout(20):
        await gauges.all_told.wait()
    watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    return gauges.values


async def test_what_cannot_be_told_is_not_a_number() -> None:
    """A figure that nobody knows, or that could not be asked for, is NaN, never the value of before."""

    async def known() -> float:
        return 2.5

    async def unknown() -> None:
        return None

    async def away() -> float:
        raise DatabaseAwayError("The database does not answer.")

    async def refused() -> float:
        raise ContractError("The database refuses this.")

    async def unreadable() -> float:
        raise PermissionError

    found = await _one_round(
        ("database_bytes", {}, refused),
        ("disk_bytes", {}, unreadable),
        ("lag_seconds", {"family": "care"}, known),
        ("lag_seconds", {"family": "vitals"}, unknown),
        ("outbox_age_seconds", {}, away),
    )
    assert found["lag_seconds", "care"] == 2.5
    assert math.isnan(found["lag_seconds", "vitals"])
    assert math.isnan(found["outbox_age_seconds",])
    assert math.isnan(found["database_bytes",])
    assert math.isnan(found["disk_bytes",])


async def test_the_disk_of_a_folder_to_come_is_that_of_the_one_above(tmp_path: Path) -> None:
    """The data folder need not exist yet; what is free is part of the whole."""
    found = await _one_round(*disk_questions(tmp_path / "not" / "there"))
    assert 0 < found["disk_free_bytes",] <= found["disk_bytes",]


def test_counters_begin_at_zero() -> None:
    """A rule about an increase sees the first one: the series are there before anything is counted."""
    meter = PrometheusMeter()
    meter.begin("storage", ["readings.v1", "scores.v1"])
    value = meter.registry.get_sample_value
    assert value("pulsera_dead_letters_total", {"topic": "scores.v1"}) == 0
    assert value("pulsera_expired_total") == 0
    assert value("pulsera_throttled_total") is None


def test_every_metric_says_who_reports_it() -> None:
    """Each row of the table names processes of ours."""
    parts = {"gateway", "storage", "vitals", "care", "video", "zones", "api"}
    assert [row.name for row in METRICS if not row.by or not set(row.by) <= parts] == []
