"""`pulsera replay` of a video file: through the device socket as a camera would send it, told what comes back."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Final

from infra.enrol import api_client, device_socket, enrol, find_system
from infra.logs import configure_logging
from infra.progress_line import ProgressLine
from infra.settings import Settings, load_settings
from infra.termination import run_until_terminated
from ingest.client.camera import Part, pictured, stream, traced
from ingest.client.connection import DeviceClient, report, wall_clock_ms
from ingest.client.messages import Event, Told
from schemas.errors import SetupError

SUFFIXES: Final = frozenset({".avi", ".mp4", ".mov", ".m4v", ".mkv", ".webm"})
MODEL: Final = "camera (replay)"


def is_video(dataset: str) -> bool:
    """Return whether a name is that of a video file."""
    return Path(dataset).suffix.lower() in SUFFIXES


def run_video_replay(path: Path, *, trace: bool, wearer: str | None, url: str | None, token: str | None) -> None:
    """Sends a video file as it was filmed, or its colours alone.

    Raises:
        UnreadableVideoError: The file cannot be read.
        SetupError: There is nowhere to send it.
        DeviceStoppedError: The gateway will not take the device any more.
    """
    settings = load_settings()
    configure_logging("replay", level="warning" if sys.stderr.isatty() else settings.log_level)
    run_until_terminated(_replayed(path, trace=trace, settings=settings, wearer=wearer, url=url, token=token))


async def _replayed(
    path: Path, *, trace: bool, settings: Settings, wearer: str | None, url: str | None, token: str | None
) -> None:
    name = wearer or f"Video {path.stem}"
    where, secret = await _where(settings, name, url=url, token=token)
    line = ProgressLine()
    parts = _parts(path, trace=trace)
    first = await asyncio.to_thread(next, parts)  # an unreadable file is told before anybody connects
    async with DeviceClient(where, secret, model=MODEL, origin="replay", on_event=_shown(name, line)) as client:
        seconds = await stream(_beside(first, parts), client, wall_ms=wall_clock_ms, monotonic_s=time.monotonic)
    line.end(f"{name}: the video has ended; {seconds:.1f} s sent, all acknowledged.")


def _parts(path: Path, *, trace: bool) -> Iterator[Part]:
    from inference.rppg.video import pictures

    return traced(pictures.measured(path)) if trace else pictured(pictures.pictured(path))


async def _beside(first: Part, parts: Iterator[Part]) -> AsyncIterator[Part]:
    """Yield parts that are read and encoded beside the loop."""
    part: Part | None = first
    while part is not None:
        yield part
        part = await asyncio.to_thread(next, parts, None)


async def _where(settings: Settings, name: str, *, url: str | None, token: str | None) -> tuple[str, str]:
    if token:
        known = url or settings.gateway_url
        if not known:
            raise SetupError("A device's token needs the gateway's address.", next_step="Give --url as well.")
        return device_socket(known), token
    system = find_system(settings)
    async with api_client(system) as http:
        [secret] = await enrol(http, [name], model=MODEL)
    return device_socket(url) if url else system.gateway_url, secret


def _shown(name: str, line: ProgressLine) -> Callable[[Event], None]:
    def show(event: Event) -> None:
        if isinstance(event, Told) and event.fields.get("kind") == "pulse":
            line.show(f"{name}: {_said(event)}")
        else:
            report(event)

    return show


def _said(told: Told) -> str:
    rate, sure = told.fields.get("heart_rate"), told.fields.get("confidence")
    if isinstance(rate, int | float) and isinstance(sure, int | float):
        return f"{rate:.1f} beats/min, confidence {sure:.2f}"
    return f"no heart rate yet ({told.fields.get('reason')}); {told.fields.get('advice')}"
