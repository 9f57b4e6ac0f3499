"""CPU and memory of the processes under measurement."""

import asyncio
import os
import time
from dataclasses import dataclass

import psutil

_MEMORY_EVERY_S = 5
"""The system walks every page to say what memory is a process's own: oftener, and the bench measures itself."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Mean cores used over the window, and the largest resident memory seen."""

    cores: float
    rss_mib: float


async def watch(pids: dict[str, int], seconds: float) -> dict[str, Usage]:
    """Return the usage of each process over the next `seconds`, or until it ended.

    Children are included, but for this process, the bench, whose children are what it measures.
    """
    trees = {name: psutil.Process(pid) for name, pid in pids.items() if psutil.pid_exists(pid)}
    begun = {name: _cpu_s(process) for name, process in trees.items()}
    used, highest = dict(begun), dict.fromkeys(trees, 0.0)
    begun_s = time.monotonic()
    for second in range(max(1, int(seconds))):
        await asyncio.sleep(1)
        for name, process in trees.items():
            used[name] = max(used[name], _cpu_s(process))
            if second % _MEMORY_EVERY_S == 0:
                highest[name] = max(highest[name], _rss_mib(process))
    lasted_s = time.monotonic() - begun_s
    return {name: Usage((used[name] - begun[name]) / lasted_s, highest[name]) for name in trees}


def _tree(process: psutil.Process) -> list[psutil.Process]:
    if process.pid == os.getpid():
        return [process]
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _cpu_s(process: psutil.Process) -> float:
    total = 0.0
    for one in _tree(process):
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def _rss_mib(process: psutil.Process) -> float:
    """Proportional set size where the system tells it, since PostgreSQL's processes share most of their memory."""
    total = 0.0
    for one in _tree(process):
        try:
            total += one.memory_full_info().pss
        except psutil.Error:
            continue
    return total / 1_048_576
