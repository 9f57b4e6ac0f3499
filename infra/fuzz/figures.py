"""What a run of fuzzing counted and measured."""

import gc
import time
import tracemalloc
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Final

import psutil

GROWTH_MOST_KIB: Final = 1_024
"""What Python may hold more at the end of a run than at its half; caches of a bounded size fill up meanwhile."""
FAULTS_TOLD: Final = 20

_MIB: Final = 1_048_576


@dataclass(slots=True, kw_only=True)
class Figures:
    """Counts of one target, and every fault with what led to it."""

    target: str
    seed: int
    frames: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    seconds: float = 0.0
    measured: dict[str, float] = field(default_factory=dict)

    def fault(self, what: str, cause: bytes | str = b"") -> None:
        """Note a fault and the message that led to it."""
        if len(self.faults) < FAULTS_TOLD:
            self.faults.append(f"{what} <- {cause[:300]!r}" if cause else what)

    def as_json(self) -> dict[str, Any]:
        """Return what `--json` writes."""
        return {
            "target": self.target,
            "seed": self.seed,
            "frames": self.frames,
            "seconds": round(self.seconds, 2),
            "answers": dict(sorted(self.answers.items())),
            "measured": {name: round(value, 2) for name, value in self.measured.items()},
            "faults": self.faults,
        }

    def lines(self) -> list[str]:
        """Return the figures as lines for a person."""
        rate = self.frames / self.seconds if self.seconds else 0.0
        told = ", ".join(f"{name} {count:,}" for name, count in self.answers.most_common(14))
        measured = ", ".join(f"{name} {value:,.1f}" for name, value in self.measured.items())
        head = f"{self.target}: {self.frames:,} spoiled in {self.seconds:.1f} s ({rate:,.0f}/s), seed {self.seed}"
        verdict = "no fault" if not self.faults else f"{len(self.faults)} FAULTS"
        return [f"{head}: {verdict}", f"  {told}", f"  {measured}", *[f"  FAULT {one}" for one in self.faults]]


class Memory:
    """Compares what Python holds at the half of a run and at its end."""

    def __init__(self, figures: Figures) -> None:
        self._figures = figures
        self._began = time.monotonic()
        self._rss = 0
        self._process = psutil.Process()

    def half(self) -> None:
        """Take note of what is held when everything that is made once has been made."""
        gc.collect()
        tracemalloc.start()
        self._rss = self._process.memory_info().rss

    def stop(self) -> None:
        """Take the time alone: what the run kept on purpose says nothing of a leak."""
        self._figures.seconds = time.monotonic() - self._began

    def end(self) -> None:
        """Measure the growth since the half; too much of it is a fault."""
        gc.collect()
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        grown_kib = held / 1024
        self._figures.seconds = time.monotonic() - self._began
        self._figures.measured["grown KiB"] = grown_kib
        self._figures.measured["RSS grown MiB"] = (self._process.memory_info().rss - self._rss) / _MIB
        if grown_kib > GROWTH_MOST_KIB:
            self._figures.fault(f"memory grew by {grown_kib:.0f} KiB in the second half")
