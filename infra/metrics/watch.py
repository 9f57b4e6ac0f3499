"""Figures that no event brings: asked for at intervals, and unknown (NaN) while nobody can tell."""

import asyncio
import math
import shutil
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from schemas.errors import PulseraError

OFTEN_S: Final = 5.0
SELDOM_S: Final = 60.0
_PATIENCE_S: Final = 4.0

Ask = Callable[[], Awaitable[float | None]]
"""Returns a figure, None where nothing tells; raises PulseraError or OSError where it cannot be asked."""


class Gauges(Protocol):
    """The meter's part that takes figures."""

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set the gauge `name`."""
        ...


async def watch(meter: Gauges, questions: Sequence[tuple[str, Mapping[str, str], Ask]], *, every_s: float) -> None:
    """Ask each question (gauge, labels, how to ask) again and again, until cancelled."""
    while True:
        for name, labels, ask in questions:
            meter.gauge(name, await _answer(ask), **labels)
        await asyncio.sleep(every_s)


def disk_questions(folder: Path) -> Sequence[tuple[str, Mapping[str, str], Ask]]:
    """Return the questions about the file system that holds a folder, or the nearest one above it that exists."""

    async def total() -> float:
        return float(_usage(folder)[0])

    async def free() -> float:
        return float(_usage(folder)[1])

    return (("disk_bytes", {}, total), ("disk_free_bytes", {}, free))


def _usage(folder: Path) -> tuple[int, int]:
    existing = next(step for step in (folder.absolute(), *folder.absolute().parents) if step.exists())
    usage = shutil.disk_usage(existing)
    return usage.total, usage.free


async def _answer(ask: Ask) -> float:
    try:
        async with asyncio.timeout(_PATIENCE_S):
            value = await ask()
    except (PulseraError, OSError):  # OSError: a disk that cannot be asked, and the time that is over
        return math.nan
    return math.nan if value is None else value
