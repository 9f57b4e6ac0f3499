"""`pulsera soak`: the load without faults for a long time; is memory flat, is the lag bounded, is anything lost?"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import httpx
import numpy as np
import psutil

from infra.chaos.scene import Audited, LoadPlan, Say, Scene, finish, kept_on_breach, scene

SAMPLE_EVERY_S: Final = 10.0
WINDOW_S: Final = 1_800.0
WARM_UP_S: Final = 600.0
"""A run shorter than both together is told, not judged: memory still fills."""
SLOPE_MOST_PERCENT: Final = 1.0
EPISODE_EVERY_S: Final = 60.0
DECIDES_IN_S: Final = 10
_LAG: Final = "pulsera_lag_records{"
_MIB: Final = 1_048_576


@dataclass(frozen=True, slots=True)
class Sample:
    """Memory of each process and its children, in MiB, and the records that it has yet to read.

    USS is its own alone, PSS counts its share of what is shared.
    """

    at_s: float
    uss_mib: Mapping[str, float]
    pss_mib: Mapping[str, float]
    lag: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Course:
    """How one process's own memory went: mean and change over the window, in MiB and in percent of the mean."""

    name: str
    mean_mib: float
    change_percent: float
    highest_mib: float
    values_mib: tuple[float, ...]


@dataclass(slots=True, kw_only=True)
class SoakOutcome:
    """Everything that a soak found."""

    minutes: float
    audited: Audited
    samples: list[Sample] = field(default_factory=list)

    @property
    def window_s(self) -> float:
        """The end of the run over which slopes are taken: 30 min, or half of a short run."""
        return min(WINDOW_S, self.minutes * 60 / 2)

    @property
    def is_judged(self) -> bool:
        """Whether the run was long enough for its slopes to mean anything."""
        return self.minutes * 60 >= WINDOW_S + WARM_UP_S

    def courses(self) -> list[Course]:
        """Return the course of each process of the system."""
        names = sorted({name for sample in self.samples for name in sample.uss_mib})
        return [course_of(name, self.samples, self.window_s) for name in names]

    def highest_lag(self) -> dict[str, float]:
        """Return the largest lag of each process, in records."""
        highest: dict[str, float] = {}
        for sample in self.samples:
            for name, lag in sample.lag.items():
                highest[name] = max(highest.get(name, 0.0), lag)
        return highest


def course_of(name: str, samples: list[Sample], window_s: float) -> Course:
    """Fit a line through a process's memory in the window; the change is what the line gains from end to end."""
    points = [(sample.at_s, sample.uss_mib[name]) for sample in samples if name in sample.uss_mib]
    begins_s = points[-1][0] - window_s
    at_s, mib = np.array([point for point in points if point[0] >= begins_s]).T
    mean = float(mib.mean())
    slope = float(np.polyfit(at_s - at_s[0], mib, 1)[0]) if len(at_s) > 2 else 0.0  # noqa: PLR2004 - a line needs them
    values = tuple(round(value, 1) for _, value in points)
    return Course(name, mean, 100 * slope * float(at_s[-1] - at_s[0]) / mean, max(values), values)


async def run_soak(plan: LoadPlan, minutes: float, say: Say) -> SoakOutcome:
    """Load a temporary system for so many minutes and return what was found."""
    outcome = SoakOutcome(minutes=minutes, audited=Audited(plan=plan))
    episodes = int(minutes * 60 // EPISODE_EVERY_S)
    async with kept_on_breach(outcome.audited, say) as folder, scene(plan, episodes, folder, say) as now:
        begun_s = time.monotonic()
        told, injected = 0, 0
        while (at_s := time.monotonic() - begun_s) < minutes * 60:
            outcome.samples.append(await _sample(now, at_s))
            if injected < episodes and at_s >= injected * EPISODE_EVERY_S:
                await now.load.tell("episode", str(plan.connections + injected), str(DECIDES_IN_S))
                injected += 1
            if at_s >= told * 60:
                say(f"minute {told} of {minutes:g}: {_in_words(outcome.samples[-1])}")
                told += 1
            await asyncio.sleep(max(0.0, begun_s + len(outcome.samples) * SAMPLE_EVERY_S - time.monotonic()))
        await finish(now, outcome.audited, now.people[plan.connections :][:injected], say)
        if outcome.is_judged:
            grows = [one for one in outcome.courses() if one.change_percent > SLOPE_MOST_PERCENT]
            outcome.audited.others["processes that grow"] = len(grows)
    return outcome


async def _sample(now: Scene, at_s: float) -> Sample:
    memory = await asyncio.to_thread(_memory, now.system.pids())
    lag: dict[str, float] = {}
    async with httpx.AsyncClient(timeout=5) as client:
        for name, url in now.system.ready["metrics"].items():
            try:
                text = (await client.get(url)).raise_for_status().text
            except httpx.HTTPError:
                continue  # a sample without this process's lag; whether it serves is judged by the load
            found = [float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith(_LAG)]
            if found:
                lag[name] = sum(found)
    uss, pss = ({name: both[place] for name, both in memory.items()} for place in (0, 1))
    return Sample(at_s, uss, pss, lag)


def _memory(pids: Mapping[str, int]) -> dict[str, tuple[float, float]]:
    found = {}
    for name, pid in pids.items():
        uss = pss = 0
        try:
            process = psutil.Process(pid)
            tree = [process, *process.children(recursive=True)]
        except psutil.NoSuchProcess:
            continue
        for one in tree:
            try:
                memory = one.memory_full_info()
            except psutil.NoSuchProcess:
                continue
            uss, pss = uss + memory.uss, pss + memory.pss
        found[name] = (uss / _MIB, pss / _MIB)
    return found


def _in_words(sample: Sample) -> str:
    memory = ", ".join(f"{name} {mib:.0f} MiB" for name, mib in sample.uss_mib.items())
    return f"{memory}; {sum(sample.lag.values()):.0f} records waiting"
