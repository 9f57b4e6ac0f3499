"""A camera under a chaos run, and the judgement of its pulse: what one estimator, to which nothing happens, tells.

The same frames give the same readings, whatever died meanwhile: each second of them is stored once, and is the same.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pyarrow as pa

from inference.rppg.estimator import PulseEstimator
from inference.rppg.samples import trace
from infra.bench.made_traces import CHUNK_MS, FPS, FRAMES, colours
from infra.chaos.auditor import SHOWN, Database
from ingest.client import chunks
from ingest.client.connection import DeviceClient
from ingest.client.messages import Event

WITHIN_BPM: Final = 0.01
"""The database holds single precision."""
LAST_ACKS_WITHIN_S: Final = 90.0
BEGUN_BEFORE_S: Final = 15
"""What was filmed before the run is sent first, so that there is a pulse when the first fault comes."""
STORED: Final = (
    "SELECT (extract(epoch FROM time) * 1000)::bigint AS time_ms, heart_rate "
    "FROM readings WHERE wearer_id = ANY(:'wearers'::uuid[]) ORDER BY time"
)
NEWEST: Final = (
    "SELECT (extract(epoch FROM max(time)) * 1000)::bigint AS stored "
    "FROM readings WHERE wearer_id = ANY(:'wearers'::uuid[])"
)
_SECOND_MS: Final = 1_000
_OFFSETS_MS: Final = [frame * 1000 / FPS for frame in range(FRAMES)]


@dataclass(slots=True, kw_only=True)
class PulseFindings:
    """Seconds with a heart rate: how many there must be, and which are missing, there twice, or otherwise."""

    expected: int = 0
    lost: int = 0
    doubled: int = 0
    wrong: int = 0
    waiting: int = 0
    """Messages of the camera that were never acknowledged."""
    shown: list[str] = field(default_factory=list)


class Camera:
    """Films from a whole second on, half a second at a time, until it is told to end; it loses no frame."""

    def __init__(self, url: str, token: str, wearer_id: str) -> None:
        self.wearer_id = wearer_id
        self.filmed = 0
        self.waiting = 0
        self._url = url
        self._token = token
        self._start_ms = 0
        self._end = asyncio.Event()

    async def run(self) -> None:
        """Send colours at the pace at which they would be filmed; what an outage held up follows after it."""
        self._start_ms = (int(time.time()) - BEGUN_BEFORE_S) * _SECOND_MS
        async with DeviceClient(
            self._url, self._token, model="chaos camera", origin="simulated", on_event=_unheard
        ) as device:
            while not self._end.is_set():
                due_s = (self._start_ms + (self.filmed + 1) * CHUNK_MS) / 1000 - time.time()
                if due_s > 0:
                    await asyncio.sleep(due_s)
                await device.stream(
                    chunks.trace(
                        {
                            "time": self._start_ms + self.filmed * CHUNK_MS,
                            "times": _OFFSETS_MS,
                            "rgb": colours(0, self.filmed),
                        }
                    )
                )
                self.filmed += 1
            self.waiting = 1
            async with asyncio.timeout(LAST_ACKS_WITHIN_S):
                await device.drained()
            self.waiting = 0

    def end(self) -> None:
        """Let it film no more; `run` returns when everything is acknowledged."""
        self._end.set()

    def expected(self) -> dict[int, float]:
        """Return the heart rate of each second that has one, by Unix ms, of all that was filmed."""
        estimator, found = PulseEstimator(), dict[int, float]()
        for chunk in range(self.filmed):
            times_s = (np.array(_OFFSETS_MS) + chunk * CHUNK_MS) / 1000
            for estimate in estimator.push(trace(times_s, colours(0, chunk))):
                if estimate.heart_rate_bpm is not None:
                    found[self._start_ms + round(estimate.time_s) * _SECOND_MS] = estimate.heart_rate_bpm
        return found


def audit_pulse(database: Database, camera: Camera) -> PulseFindings:
    """Compare what is stored of a camera with what it must have come to; raises AuditError without an answer."""
    found = compare_pulse(camera.expected(), database.table(STORED, [camera.wearer_id]))
    found.waiting = camera.waiting
    return found


def compare_pulse(expected: Mapping[int, float], stored: pa.Table) -> PulseFindings:
    """Return what is missing, there twice, and there otherwise than it must be, or at a time that has nothing."""
    found, seen = PulseFindings(expected=len(expected)), set[int]()
    for row in stored.to_pylist():
        at_ms, rate = int(row["time_ms"]), row["heart_rate"]
        if at_ms in seen:
            found.doubled += 1
            found.shown.append(f"pulse doubled: {at_ms}")
        elif at_ms not in expected or rate is None or abs(rate - expected[at_ms]) > WITHIN_BPM:
            found.wrong += 1
            found.shown.append(f"pulse wrong: {at_ms} is {rate}, not {expected.get(at_ms)}")
        seen.add(at_ms)
    lacking = sorted(set(expected) - seen)
    found.lost = len(lacking)
    found.shown = [*(f"pulse lost: {at_ms}" for at_ms in lacking), *found.shown][:SHOWN]
    return found


def _unheard(event: Event) -> None:
    """Leave an event to nobody: that connections break is what the run is for."""
