"""`pulsera bench video`: cameras on a temporary system of its own, as fast as they film, and how far behind it gets."""

import asyncio
import json
import os
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from infra.bench import machine
from infra.bench.path import make_devices, running_system, say
from infra.bench.processes import Usage, watch
from infra.bench.scrape import Buckets, Percentiles, of_buckets, read_counters, read_histogram
from infra.enrol import device_socket
from ingest.client.camera import Part, pictured, stream
from ingest.client.connection import DeviceClient, wall_clock_ms

SPANS: Final = {"append": "gateway", "processed": "video", "stored": "storage"}
"""What the processes measure: Kafka's part; received -> estimated; received -> the reading's row is committed."""
COUNTERS: Final = ("video_messages_total", "measured_frames_total", "unreadable_frames_total")
WARM_S: Final = 5.0
"""Before the clock runs: processes that measure are started by their first pictures."""
PIECE_S: Final = 0.5
_LOOK_S: Final = 0.5

Piece = tuple[list[float], list[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoPlan:
    """What to send: a clip, made `width` pixels wide at most, by so many cameras for so long, over and over."""

    clip: Path
    streams: int
    seconds: int
    width: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoOutcome:
    """What was measured; `lag` is the most messages that waited, `last_wait_s` how long after the end the last did."""

    plan: VideoPlan
    spans: dict[str, Percentiles | None]
    counted: dict[str, float]
    usage: dict[str, Usage]
    lag: int
    last_wait_s: float

    def as_json(self) -> dict[str, Any]:
        """Return the JSON that `--json` writes."""
        return {
            "streams": self.plan.streams,
            "seconds": self.plan.seconds,
            "width": self.plan.width,
            **{f"{name}_ms": None if span is None else span.as_json() for name, span in self.spans.items()},
            **{name: round(value) for name, value in self.counted.items()},
            "lag_most": self.lag,
            "last_wait_s": round(self.last_wait_s, 2),
            "cpu": {name: round(usage.cores, 3) for name, usage in self.usage.items()},
            "rss_mib": {name: round(usage.rss_mib, 1) for name, usage in self.usage.items()},
            "machine": machine.facts(),
        }


async def bench_video(plan: VideoPlan) -> VideoOutcome:
    """Run the whole measurement.

    Raises:
        UnreadableVideoError: The clip cannot be read.
    """
    from inference.rppg.video import pictures

    pieces = await asyncio.to_thread(lambda: list(pictures.pictured(plan.clip, longest_px=plan.width)))
    with tempfile.TemporaryDirectory(prefix="pulsera-bench-") as folder:
        os.chmod(folder, 0o755)  # noqa: PTH101, S103 - the database may run as another user and must reach its files
        async with running_system(Path(folder) / "data") as ready:
            return await _measure(plan, pieces, ready)


async def _measure(plan: VideoPlan, pieces: Sequence[Piece], ready: dict[str, Any]) -> VideoOutcome:
    people = await make_devices(ready["api"], ready["admin_token"], plan.streams)
    url = device_socket(ready["gateway"])
    say(f"{plan.streams} cameras film for {WARM_S:g} + {plan.seconds} s")
    async with asyncio.TaskGroup() as group:
        cameras = [
            group.create_task(_film(url, token, pieces, plan, number)) for number, (_, token) in enumerate(people)
        ]
        await asyncio.sleep(WARM_S)
        before, counted = await _read(ready)
        usage = group.create_task(watch({**ready["pids"], "bench": os.getpid()}, plan.seconds))
        lag = 0
        while not all(camera.done() for camera in cameras):
            await asyncio.sleep(_LOOK_S)
            lag = max(lag, await _waiting(ready["metrics"]["video"]))
        ended_s = time.monotonic()
        left = 1
        while left:
            await asyncio.sleep(_LOOK_S)
            left = await _waiting(ready["metrics"]["video"])
        last_wait_s = time.monotonic() - ended_s
    after, counted_after = await _read(ready)
    spans = {
        name: None if buckets is None else of_buckets(buckets.minus(before[name])) for name, buckets in after.items()
    }
    return VideoOutcome(
        plan=plan,
        spans=spans,
        counted={name: counted_after[name] - counted[name] for name in COUNTERS},
        usage=usage.result(),
        lag=lag,
        last_wait_s=last_wait_s,
    )


async def _film(url: str, token: str, pieces: Sequence[Piece], plan: VideoPlan, number: int) -> None:
    """Send the clip over and over as one camera; cameras begin one after the other within a piece."""
    await asyncio.sleep(PIECE_S * number / plan.streams)
    async with DeviceClient(url, token, model="bench camera", origin="simulated") as client:
        parts = _endless(pieces, plan.seconds + WARM_S)
        await stream(_each(parts), client, wall_ms=wall_clock_ms, monotonic_s=time.monotonic)


def _endless(pieces: Sequence[Piece], seconds: float) -> Iterator[Part]:
    length_s = pieces[-1][0][-1] + 1 / 30
    begun_s = 0.0
    while begun_s < seconds:
        shifted = [([begun_s + at for at in times], frames) for times, frames in pieces]
        for part in pictured(shifted):
            if part.last_s >= seconds:
                return
            yield part
        begun_s += length_s


async def _each(parts: Iterator[Part]) -> AsyncIterator[Part]:
    for part in parts:
        yield part


async def _waiting(url: str) -> int:
    """Return how many messages the worker of video has not handled yet, as it last said."""
    async with httpx.AsyncClient(timeout=10) as client:
        return round((await read_counters(client, url, ["lag_records"]))["lag_records"])


async def _read(ready: dict[str, Any]) -> tuple[dict[str, Buckets | None], dict[str, float]]:
    async with httpx.AsyncClient(timeout=10) as client:
        spans = {name: await read_histogram(client, ready["metrics"][part], name) for name, part in SPANS.items()}
        return spans, await read_counters(client, ready["metrics"]["video"], COUNTERS)


def show(outcome: VideoOutcome) -> None:
    """Print the figures."""
    plan = outcome.plan
    print(f"{plan.streams} cameras, {plan.width} pixels wide at most, {plan.seconds} s")
    for name, span in outcome.spans.items():
        told = "nothing" if span is None else f"p50 {span.p50:.0f}  p99 {span.p99:.0f}  max {span.max:.0f} ms"
        print(f"  {name:10} {told}")
    for name, value in outcome.counted.items():
        print(f"  {name:24} {value:.0f}")
    print(f"  most messages that waited {outcome.lag}; the last was done {outcome.last_wait_s:.1f} s after the end")
    cores = ", ".join(f"{name} {usage.cores:.2f}" for name, usage in outcome.usage.items())
    print(f"  cores: {cores}")


def write(outcome: VideoOutcome, path: Path) -> None:
    """Write the figures as JSON."""
    path.write_text(json.dumps(outcome.as_json(), indent=2) + "\n")
