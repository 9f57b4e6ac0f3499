"""What a frame costs from the file to the heart rate, and how many streams two cores follow."""

import asyncio
import os
import resource
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, Final

import numpy as np

from inference.rppg.estimator import PulseEstimator
from inference.rppg.samples import Samples
from inference.rppg.video.measure import Columns
from inference.rppg.video.state import FaceState
from inference.slots import Floats
from infra.rppg.frame_workers import FrameWorkers
from infra.rppg.report import rounded

_CHUNK: Final = 15
_CHUNK_S: Final = 0.5
_STREAM_PX: Final = (320, 240)
_QUALITY: Final = 80
_LONGEST: Final = 2_000
"""Frames of the file that are looked at: variability is told from a minute on."""
_REPEATS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is measured: a file, and streams of so many seconds made of it, decoded by so many processes."""

    path: Path
    streams: int
    seconds: float
    processes: int


def bench(plan: Plan) -> dict[str, Any]:
    """Return the figures.

    Raises:
        UnreadableVideoError: The file cannot be measured.
    """
    stages, samples, pictures = _stages(plan.path)
    return {
        "file": plan.path.name,
        "frames": len(samples),
        "stages_us": {name: rounded(value) for name, value in stages.items()},
        "frames_per_cpu_second": rounded(1e6 / sum(stages.values())),
        "core": _core(samples),
        "streams": asyncio.run(_streams(plan, pictures)),
        "cores": os.cpu_count(),
    }


def _stages(path: Path) -> tuple[dict[str, float], Samples, list[bytes]]:
    """Return CPU us a frame of each stage, the rows, and pictures as a stream would send them."""
    from inference.rppg.video.faces import HaarFinder
    from inference.rppg.video.jpeg import encoded
    from inference.rppg.video.reader import VideoReader
    from inference.rppg.video.regions import face
    from inference.rppg.video.tracking import follow
    from inference.rppg.video.view import view

    finder, columns, state, estimator = HaarFinder(), Columns(), FaceState(), PulseEstimator()
    spent = dict.fromkeys(("decode", "face", "means", "pulse"), 0.0)
    pictures: list[bytes] = []
    with VideoReader(path) as video:
        frames = islice(video.frames(), _LONGEST)
        while True:
            begun = time.process_time()
            taken = next(frames, None)
            decoded = time.process_time()
            if taken is None:
                break
            time_s, picture = taken
            followed = follow(state, time_s, view(picture), finder)
            found = time.process_time()
            colours, state = face(view(picture), followed.state)
            columns.add(time_s, colours, 0.0, state.faces)
            ended = time.process_time()
            for name, seconds in zip(spent, (decoded - begun, found - decoded, ended - found), strict=False):
                spent[name] += seconds
            pictures.append(encoded(picture, _STREAM_PX, _QUALITY))
    samples = columns.samples()
    PulseEstimator().push(samples)  # loads what a worker has loaded before its first frame
    begun = time.process_time()
    estimator.push(samples)
    spent["pulse"] = time.process_time() - begun
    return {name: seconds / len(samples) * 1e6 for name, seconds in spent.items()}, samples, pictures


def _core(samples: Samples) -> dict[str, float | None]:
    """Return what the estimator alone takes of the CPU: us a frame, fed in chunks and singly, and its longest push.

    Each push is done `_REPEATS` times, in estimators of its own, and its best counts: what runs beside it is no part.
    """
    chunks, singly = _pushes_s(samples, _CHUNK), _pushes_s(samples, 1)
    return {
        "chunks_us": rounded(chunks.sum() / len(samples) * 1e6),
        "singly_us": rounded(singly.sum() / len(samples) * 1e6),
        "longest_push_ms": rounded(chunks.max() * 1e3),
    }


def _pushes_s(samples: Samples, size: int) -> Floats:
    pieces = [samples.rows(first, first + size) for first in range(0, len(samples), size)]
    best = np.full(len(pieces), np.inf)
    for _ in range(_REPEATS):
        estimator = PulseEstimator()
        for number, piece in enumerate(pieces):
            begun = time.thread_time()
            estimator.push(piece)
            best[number] = min(best[number], time.thread_time() - begun)
    return best


async def _streams(plan: Plan, pictures: list[bytes]) -> dict[str, Any]:
    workers = FrameWorkers(processes=plan.processes)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    try:
        # Starting a process is not what a stream costs.
        warm = (workers.measure(pictures[:1], [0.0], FaceState()) for _ in range(plan.processes))
        await asyncio.gather(*warm)
        begun = time.process_time()
        waits = await asyncio.gather(*(_stream(workers, pictures, plan.seconds, one) for one in range(plan.streams)))
        own_s = time.process_time() - begun
    finally:
        await workers.close()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    children_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    late_ms = np.array([wait for stream in waits for wait in stream]) * 1000
    return {
        "streams": plan.streams,
        "processes": plan.processes,
        "seconds": plan.seconds,
        "chunks": len(late_ms),
        "chunk_ms": {"p50": rounded(np.percentile(late_ms, 50)), "p99": rounded(np.percentile(late_ms, 99))},
        "later_than_the_next": int((late_ms > _CHUNK_S * 1000).sum()),
        "cores_a_stream": rounded((children_s + own_s) / plan.seconds / plan.streams),
        "picture_bytes": round(float(np.mean([len(picture) for picture in pictures]))),
    }


async def _stream(workers: FrameWorkers, pictures: Sequence[bytes], seconds: float, number: int) -> list[float]:
    """Send chunk after chunk at its time; return how long each took from there to its estimates, in seconds."""
    loop = asyncio.get_running_loop()
    estimator, state, waits = PulseEstimator(), FaceState(), list[float]()
    begun = loop.time() + _CHUNK_S * number / 10
    for chunk in range(int(seconds / _CHUNK_S)):
        due = begun + chunk * _CHUNK_S
        await asyncio.sleep(max(0.0, due - loop.time()))
        frames = [pictures[(chunk * _CHUNK + one) % len(pictures)] for one in range(_CHUNK)]
        times = chunk * _CHUNK_S + np.arange(_CHUNK) / (_CHUNK / _CHUNK_S)
        samples, state = await workers.measure(frames, times, state)
        estimator.push(samples)
        waits.append(loop.time() - due)
    return waits


def lines(told: dict[str, Any]) -> list[str]:
    """Return the figures as the lines of a Markdown section."""
    stages = told["stages_us"]
    whole = sum(stages.values())
    streams, core = told["streams"], told["core"]
    late = streams["chunk_ms"]
    alone = (
        f"The estimator alone, best of {_REPEATS} times: {core['chunks_us']:.0f} us a frame fed {_CHUNK} at a time, "
        f"{core['singly_us']:.0f} us fed one by one; its longest push {core['longest_push_ms']:.1f} ms."
    )
    sent = (
        f"{streams['streams']} streams of {_STREAM_PX[0]} x {_STREAM_PX[1]} at 30 frames/s ({streams['picture_bytes']} "
        f"bytes a picture) for {streams['seconds']:g} s through {streams['processes']} processes: from a chunk of half "
        f"a second to its estimates p50 {late['p50']:.0f} ms, p99 {late['p99']:.0f} ms; "
        f"{streams['later_than_the_next']} of {streams['chunks']} chunks later than the next one was due; "
        f"{streams['cores_a_stream']:.3f} of a core a stream."
    )
    return [
        f"{told['frames']} frames of `{told['file']}`: {told['frames_per_cpu_second']:.0f} a second of CPU time.",
        "",
        "| stage | us a frame | share |",
        "|---|---|---|",
        *(f"| {name} | {value:.0f} | {value / whole:.0%} |" for name, value in stages.items()),
        "",
        alone,
        "",
        sent,
    ]
