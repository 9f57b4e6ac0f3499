"""`pulsera evaluate rppg DIR --streamed`: the same clips from a camera and from a file, second beside second."""

import asyncio
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import httpx

from inference.rppg.analysis import analyze
from inference.rppg.video.files import measure_file
from inference.rppg.video.pictures import pictured as pictures_of
from infra.bench.path import make_devices, running_system
from infra.bench.scrape import read_counters
from infra.enrol import device_socket
from infra.logs import configure_logging
from infra.rppg.evaluation import Case
from infra.rppg.report import rounded
from ingest.client.camera import Part, pictured, stream
from ingest.client.connection import DeviceClient, wall_clock_ms
from schemas.errors import RecordingError

AT_ONCE: Final = 4
"""So many cameras film at once."""
_SECOND_MS: Final = 1_000
_LOOK_S: Final = 0.5
_MOST: Final = 1_000

Rates = dict[int, float]
"""Heart rates in bpm, by the milliseconds (of the file, or Unix) at which their window ends."""


async def streamed(found: Sequence[Case], progress: Callable[[int, int], None]) -> dict[str, Any]:
    """Film each video once for a temporary system, and return its readings beside what the file itself gives.

    Raises:
        RecordingError: None of the cases is a video of a face.
        SetupError: The system cannot be started.
    """
    clips = [case for case in found if case.kind in {"clip", "no_pulse"} and not case.absent]
    if not clips:
        raise RecordingError("None of these is a video of a face with a truth beside it; see `--help` for the layout.")
    configure_logging("evaluate", level="warning")
    with tempfile.TemporaryDirectory(prefix="pulsera-streamed-") as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101, S103 - the database may run as another user and must reach its files
        async with running_system(Path(folder) / "data") as ready:
            people = await make_devices(ready["api"], ready["admin_token"], len(clips))
            rows: list[dict[str, Any]] = []
            progress(0, len(clips))
            for first in range(0, len(clips), AT_ONCE):
                some = slice(first, first + AT_ONCE)
                rows += await _filmed(ready, list(zip(clips[some], people[some], strict=True)))
                progress(len(rows), len(clips))
    return {"streamed": rows}


async def _filmed(ready: dict[str, Any], cameras: Sequence[tuple[Case, tuple[str, str]]]) -> list[dict[str, Any]]:
    """Film some clips at once, wait until the worker of video has measured them, and compare."""
    url = device_socket(ready["gateway"])
    async with asyncio.TaskGroup() as group:
        films = [group.create_task(_film(url, token, case)) for case, (_, token) in cameras]
    headers = {"Authorization": f"Bearer {ready['admin_token']}"}
    async with httpx.AsyncClient(base_url=ready["api"], headers=headers, timeout=60) as http:
        await _measured(http, ready["metrics"])
        return [
            _row(case, await asyncio.to_thread(_of_file, case), await _told(http, wearer, began), began)
            for (case, (wearer, _)), began in zip(cameras, [film.result() for film in films], strict=True)
        ]


async def _film(url: str, token: str, case: Case) -> int:
    """Send a clip as a camera would; return when its first frame was filmed (Unix ms)."""
    async with DeviceClient(url, token, model="a file as a camera", origin="replay") as client:
        parts = pictured(pictures_of(case.path))
        began_ms = int(wall_clock_ms())
        await stream(_beside(parts), client, wall_ms=lambda: float(began_ms), monotonic_s=time.monotonic)
    return began_ms


async def _beside(parts: Iterator[Part]) -> AsyncIterator[Part]:
    """Decode the next part beside the loop."""
    while (part := await asyncio.to_thread(next, parts, None)) is not None:
        yield part


async def _measured(http: httpx.AsyncClient, metrics: dict[str, str]) -> None:
    """Wait until neither the worker of video nor storage has anything left to do."""
    left = 1.0
    while left > 0:
        await asyncio.sleep(_LOOK_S)
        video = (await read_counters(http, metrics["video"], ["lag_records"]))["lag_records"]
        left = video + (await read_counters(http, metrics["storage"], ["lag_records"]))["lag_records"]


def _of_file(case: Case) -> tuple[Rates, int]:
    """Return the heart rates that the file gives, by seconds since its first frame, and how many windows it has."""
    windows = analyze(measure_file(case.path).samples).windows
    told = {round(one.time_s * _SECOND_MS): one.heart_rate_bpm for one in windows if one.heart_rate_bpm is not None}
    return told, len(windows)


async def _told(http: httpx.AsyncClient, wearer: str, began_ms: int) -> Rates:
    """Return the heart rates that were stored of a wearer since, by the whole second of the clock (Unix ms)."""
    since = datetime.fromtimestamp(began_ms / _SECOND_MS, UTC).isoformat()
    answer = await http.get(f"/wearers/{wearer}/readings", params={"from": since, "limit": _MOST})
    answer.raise_for_status()
    told = {datetime.fromisoformat(one["time"]): one.get("heart_rate") for one in answer.json()["items"]}
    return {round(at.timestamp() * _SECOND_MS): rate for at, rate in told.items() if rate is not None}


def _row(case: Case, file: tuple[Rates, int], told: Rates, began_ms: int) -> dict[str, Any]:
    """Compare by the second of the clock in which a window ends, which is how a reading is dated."""
    rates, windows = file
    beside = {(began_ms + after_ms) // _SECOND_MS * _SECOND_MS: rate for after_ms, rate in rates.items()}
    both = [abs(told[at] - beside[at]) for at in sorted(told.keys() & beside.keys())]
    first_s = (min(told) + _SECOND_MS - began_ms) / _SECOND_MS if told else None
    return {
        "name": case.name,
        "windows": windows,
        "told_by_file": len(rates),
        "told_by_stream": len(told),
        "told_by_both": len(both),
        "largest_difference_bpm": rounded(max(both)) if both else None,
        "first_value_s_at_most": rounded(first_s),
    }


def table(report: dict[str, Any]) -> list[str]:
    """Return the lines of a Markdown table, a row a clip."""
    lines = [
        "| clip | windows | told by the file | by the stream | by both | largest difference, bpm | first value, s |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in report["streamed"]:
        most, first = row["largest_difference_bpm"], row["first_value_s_at_most"]
        shown = ["-" if most is None else f"{most:.2f}", "-" if first is None else f"{first:.1f} at most"]
        counts = [str(row[name]) for name in ("windows", "told_by_file", "told_by_stream", "told_by_both")]
        lines.append(f"| {' | '.join([row['name'], *counts, *shown])} |")
    return lines
