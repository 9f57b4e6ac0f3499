"""Replays a recording through the device socket, its times shifted so that the recording's present is now.

What lies before the present goes first, as backlog, at `speed` seconds of recording a second; when it has caught up
with the clock, the rest goes in real time, one message a second.
"""

import asyncio
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Protocol

from inference.recordings.e4 import Recording
from ingest.client.messages import Reading
from schemas.errors import ContractError
from schemas.frame import MAX_READINGS_PER_MESSAGE
from schemas.vitals import BY_NAME

DEMO_FOLDER: Final = Path(str(files("ingest.client"))) / "data" / "stress_predict" / "S06"
DEMO_PRESENT_S: Final = 720
DEMO_SPEED: Final = 60.0
MODEL: Final = "Empatica E4 (replay)"

_TICK_S: Final = 1.0


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
"""The demo's person sits still (5 s means of motion at most 0.05 g) with 72 to 83 bpm meanwhile: 190 to 201 bpm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayPlan:
    """Which second of a recording is sent when, and with which time.

    Attributes:
        present_s: The second of the recording that is now when the replay starts.
        speed: Seconds of backlog sent a second; more than 1 where there is backlog, or it would never catch up.
        start_ms: Unix milliseconds at which the replay started.
    """

    recording: Recording
    present_s: int
    speed: float
    start_ms: int
    injection: Injection | None = None

    def __post_init__(self) -> None:
        if self.present_s < 0:
            raise ContractError(f"The present lies in the recording or behind it, not at {self.present_s} s.")
        if self.present_s and not self.speed > 1:
            raise ContractError(f"Backlog sent at speed {self.speed:g} never catches up; choose more than 1.")

    def sent_by(self, elapsed_s: float) -> int:
        """Return how many seconds of the recording are due after so many seconds of replay."""
        clock_s = self.present_s + elapsed_s
        if self.present_s:
            clock_s = min(clock_s, self.speed * elapsed_s)
        return min(self.recording.seconds, math.floor(clock_s))

    def in_backlog(self, elapsed_s: float) -> bool:
        """Return whether the backlog has not caught up with the clock yet."""
        return self.present_s > 0 and self.speed * elapsed_s < self.present_s + elapsed_s

    def time_ms(self, second: int) -> int:
        """Return the time that the reading of this second carries: the second's end."""
        return self.start_ms + (second + 1 - self.present_s) * 1000

    def readings(self, first: int, end: int) -> Iterator[Reading]:
        """Yield the readings of seconds `first` to `end` (not included), without those that measured nothing."""
        for second in range(first, end):
            measured = self.recording.reading(second)
            if measured is not None:
                yield {"time": self.time_ms(second), "source": "watch", **self._injected(second, measured)}

    def _injected(self, second: int, measured: dict[str, Any]) -> dict[str, Any]:
        added_bpm = self.injection.added_bpm(second) if self.injection else 0.0
        if not added_bpm or "heart_rate" not in measured:
            return measured
        highest_bpm = BY_NAME["heart_rate"].plausible[1]
        # The real beats would contradict the heart rate, so they are not sent.
        kept = {name: value for name, value in measured.items() if name != "ibi"}
        return {**kept, "heart_rate": round(min(kept["heart_rate"] + added_bpm, highest_bpm), 2), "injected": True}


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
    began_s, second, readings = monotonic_s(), 0, 0
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
