"""Replays a recording through the device socket, its times shifted so that the recording's present is now.

What lies before the present goes first, as backlog, at `speed` seconds of recording a second; when it has caught up
with the clock, the rest goes in real time, one message a second.
"""

import asyncio
import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Protocol

from inference.recordings.track import Sample
from ingest.client.messages import Reading
from schemas.errors import ContractError
from schemas.frame import MAX_READINGS_PER_MESSAGE
from schemas.vitals import BY_NAME

DEMO_FOLDER: Final = Path(str(files("ingest.client"))) / "data" / "stress_predict" / "S06"
DEMO_PRESENT_S: Final = 1_890
"""So much of the past that the anomaly model, which says nothing in a wearer's first 15 min, knows what is usual."""
DEMO_SPEED: Final = 120.0
MODEL: Final = "Empatica E4 (replay)"

_TICK_S: Final = 1.0
_DAY_MS: Final = 86_400_000
_HALF_DAY_MIN: Final = 720


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """An episode that is added to the real heart rate, and marked on every reading whose value it changes.

    Attributes:
        start_s: First second of the recording that it touches.
        end_s: First second that it touches no more.
        ramp_s: Length of the linear ramps at both ends, within start and end.
        add_bpm: What is added between the ramps.
    """

    start_s: int
    end_s: int
    ramp_s: int
    add_bpm: float

    def added_bpm(self, second: int) -> float:
        """Return what is added to the heart rate at this second of the recording, 0 outside."""
        if not self.start_s <= second < self.end_s:
            return 0.0
        rise = (second - self.start_s + 1) / self.ramp_s
        fall = (self.end_s - second) / self.ramp_s
        return self.add_bpm * min(1.0, rise, fall)


DEMO_INJECTION: Final = Injection(start_s=DEMO_PRESENT_S - 150, end_s=DEMO_PRESENT_S + 300, ramp_s=12, add_bpm=118.0)
"""The demo's person sits still (5 s means of motion at most 0.05 g) with 64 to 76 bpm meanwhile: 182 to 194 bpm."""


class Source(Protocol):
    """A recording, by seconds since its beginning."""

    @property
    def seconds(self) -> int:
        """Length of the recording."""
        ...

    def samples(self, first: int, end: int) -> Iterator[Sample]:
        """Yield the readings after second `first` up to second `end`, in order of time."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlan:
    """Which second of a recording is sent when, and with which time.

    Attributes:
        present_s: The second of the recording that is now when the replay starts.
        speed: Seconds of backlog sent a second; more than 1 where there is backlog, or it would never catch up.
        start_ms: Unix milliseconds at which the replay started.
        first_s: Seconds that an earlier replay has sent.
    """

    recording: Source
    present_s: int
    speed: float
    start_ms: int
    injection: Injection | None = None
    first_s: int = 0

    def __post_init__(self) -> None:
        if self.present_s < 0:
            raise ContractError(f"The present lies in the recording or behind it, not at {self.present_s} s.")
        if self.present_s > self.first_s and not self.speed > 1:
            raise ContractError(f"Backlog sent at speed {self.speed:g} never catches up; choose more than 1.")

    def sent_by(self, elapsed_s: float) -> int:
        """Return how many seconds of the recording are due after so many seconds of replay."""
        clock_s = self.present_s + elapsed_s
        if self.present_s > self.first_s:
            clock_s = min(clock_s, self.first_s + self.speed * elapsed_s)
        return min(self.recording.seconds, math.floor(clock_s))

    def in_backlog(self, elapsed_s: float) -> bool:
        """Return whether the backlog has not caught up with the clock yet."""
        behind_s = self.present_s - self.first_s
        return behind_s > 0 and self.speed * elapsed_s < behind_s + elapsed_s

    def time_ms(self, second: int) -> int:
        """Return the time that the reading of this second carries: the second's end."""
        return self.start_ms + (second + 1 - self.present_s) * 1000

    def readings(self, first: int, end: int) -> Iterator[Reading]:
        """Yield the readings of seconds `first` to `end` (not included), without those that measured nothing."""
        for sample in self.recording.samples(first, end):
            sent_ms = self.start_ms + sample.offset_ms - self.present_s * 1000
            second = (sample.offset_ms - 1) // 1000
            time = sent_ms if sample.local_ms is None else _in_its_zone(sent_ms, sample.local_ms)
            yield {"time": time, "source": "watch", **self._injected(second, sample.fields)}

    def resumed(self, *, newest_ms: int, began: "ReplayPlan | None") -> "ReplayPlan":
        """Return the plan that goes on where an earlier replay of this recording ended, and repeats nothing.

        `newest_ms` is the newest time that was sent, `began` the earlier plan, where it is known. While its recording
        would still play, the plan goes on with it; else the recording begins again after what was sent, so that less
        of it lies in the past.
        """
        if began is not None:
            passed_s = (self.start_ms - began.start_ms) // 1000
            present_s = began.present_s + passed_s
            start_ms = began.start_ms + passed_s * 1000
            first_s = present_s + (newest_ms - start_ms) // 1000
            if 0 <= first_s <= present_s < self.recording.seconds:
                return dataclasses.replace(self, present_s=present_s, start_ms=start_ms, first_s=first_s)
        free_s = max((self.start_ms - newest_ms) // 1000 - 1, 0)
        return dataclasses.replace(self, present_s=min(self.present_s, free_s))

    def _injected(self, second: int, measured: dict[str, Any]) -> dict[str, Any]:
        added_bpm = self.injection.added_bpm(second) if self.injection else 0.0
        if not added_bpm or "heart_rate" not in measured:
            return measured
        highest_bpm = BY_NAME["heart_rate"].plausible[1]
        # The real beats would contradict the heart rate, so they are not sent.
        kept = {name: value for name, value in measured.items() if name != "ibi"}
        return {**kept, "heart_rate": round(min(kept["heart_rate"] + added_bpm, highest_bpm), 2), "injected": True}


def _in_its_zone(sent_ms: int, local_ms: int) -> str:
    """Return a time as text, in the zone in which it is the hour that it was in the recording: nights stay nights."""
    ahead_min = round((local_ms - sent_ms) % _DAY_MS / 60_000)
    zone = timezone(timedelta(minutes=ahead_min - 2 * _HALF_DAY_MIN if ahead_min >= _HALF_DAY_MIN else ahead_min))
    return datetime.fromtimestamp(sent_ms / 1000, zone).isoformat(timespec="milliseconds")


class Sink(Protocol):
    """Where a replay sends to; `DeviceClient` is one."""

    async def send(self, readings: list[Reading]) -> None:
        """Take readings, waiting while there is no room."""
        ...

    async def drained(self) -> None:
        """Wait until everything is acknowledged."""
        ...


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a replay is: seconds handed over of how many, readings among them, and whether it is still backlog."""

    second: int
    seconds: int
    readings: int
    backlog: bool


async def replay(
    plan: ReplayPlan,
    sink: Sink,
    *,
    monotonic_s: Callable[[], float],
    on_progress: Callable[[Progress], None],
) -> int:
    """Send the whole recording by the plan and return how many readings that were, all acknowledged.

    Raises:
        DeviceStoppedError: The gateway will not take this device any more.
    """
    began_s, second, readings = monotonic_s(), plan.first_s, 0
    while second < plan.recording.seconds:
        elapsed_s = monotonic_s() - began_s
        due = plan.sent_by(elapsed_s)
        while second < due:
            end = min(due, second + MAX_READINGS_PER_MESSAGE)
            batch = list(plan.readings(second, end))
            await sink.send(batch)
            second, readings = end, readings + len(batch)
        on_progress(Progress(second, plan.recording.seconds, readings, plan.in_backlog(elapsed_s)))
        if second < plan.recording.seconds:
            await asyncio.sleep(_TICK_S - (monotonic_s() - began_s) % _TICK_S)
    await sink.drained()
    return readings
