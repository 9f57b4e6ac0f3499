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
_PATIENCE_S: Final = 10.0
"""So long no result may come, after the video has ended, until no more is waited for."""
_QUIET_S: Final = 1.5
"""Results come once a second of video: after the last seconds' so long without another there is none."""
_LAST_MS: Final = 2_000
"""A result of a time so near to the video's end may be the last."""


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
    results = Results()
    async with DeviceClient(
        where, secret, model=MODEL, origin="replay", on_event=_shown(name, line, results)
    ) as client:
        began_ms = wall_clock_ms()
        seconds = await stream(_beside(first, parts), client, wall_ms=wall_clock_ms, monotonic_s=time.monotonic)
        line.show(f"{name}: the video has ended; waiting for what is found in its last seconds.")
        complete = await results.settled(began_ms + round(seconds * 1000))
    line.end(f"{name}: {seconds:.1f} s sent, all acknowledged. {results.summary(complete=complete)}")


class Results:
    """What was told of a video: how many heart rates, the last of them, and the last word."""

    def __init__(self) -> None:
        self._came = asyncio.Event()
        self._newest_ms = 0
        self._found = 0
        self._last: Told | None = None
        self._last_found: Told | None = None

    def take(self, told: Told) -> None:
        """Take one result."""
        self._last = told
        self._newest_ms = max(self._newest_ms, int(told.fields.get("time", 0)))
        if _is_found(told):
            self._found += 1
            self._last_found = told
        self._came.set()

    async def settled(self, end_ms: int, *, patience_s: float = _PATIENCE_S, quiet_s: float = _QUIET_S) -> bool:
        """Wait for the results up to the video's end, in Unix ms; return whether they came before patience ended."""
        while True:
            complete = self._newest_ms > end_ms - _LAST_MS
            self._came.clear()
            try:
                async with asyncio.timeout(quiet_s if complete else patience_s):
                    await self._came.wait()
            except TimeoutError:
                return complete

    def summary(self, *, complete: bool) -> str:
        """Return the sentences that end a replay."""
        if self._last is None:
            return f"No result came within {_PATIENCE_S:.0f} s; what is found later is stored all the same."
        if self._last_found is not None:
            values = "1 heart rate" if self._found == 1 else f"{self._found} heart rates, the last"
            words = f"{values}: {_said(self._last_found)}."
        else:
            reason, advice = self._last.fields.get("reason"), self._last.fields.get("advice")
            words = f"No heart rate was found ({reason}); {advice}."
        later = "" if complete else " Results of the last seconds have not come yet; they are stored all the same."
        return words + later


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


def _shown(name: str, line: ProgressLine, results: Results) -> Callable[[Event], None]:
    def show(event: Event) -> None:
        if isinstance(event, Told) and event.fields.get("kind") == "pulse":
            results.take(event)
            line.show(f"{name}: {_said(event)}")
        else:
            report(event)

    return show


def _is_found(told: Told) -> bool:
    return isinstance(told.fields.get("heart_rate"), int | float)


def _said(told: Told) -> str:
    rate, sure = told.fields.get("heart_rate"), told.fields.get("confidence")
    if isinstance(rate, int | float) and isinstance(sure, int | float):
        return f"{rate:.1f} beats/min, confidence {sure:.2f}"
    return f"no heart rate yet ({told.fields.get('reason')}); {told.fields.get('advice')}"
