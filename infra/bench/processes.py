"""CPU and memory of the processes under measurement."""

import asyncio
import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import psutil

_EVERY_S: Final = 5.0
"""Finding a process's children reads every process of the machine: oftener, and the bench measures itself."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Mean cores used over the window, and the resident memory at its end."""

    cores: float
    rss_mib: float


async def watch(pids: dict[str, int], seconds: float) -> dict[str, Usage]:
    """Return the usage of each process over the next `seconds`, or until it ended.

    Children are included, but for this process, the bench, whose children are what it measures.
    """
    roots = {name: psutil.Process(pid) for name, pid in pids.items() if psutil.pid_exists(pid)}
    begun = {name: _cpu_s(_tree(process)) for name, process in roots.items()}
    used = dict(begun)
    begun_s = now_s = time.monotonic()
    while now_s < begun_s + seconds:
        await asyncio.sleep(min(_EVERY_S, begun_s + seconds - now_s))
        now_s = time.monotonic()
        trees = {name: _tree(process) for name, process in roots.items()}
        for name, tree in trees.items():
            used[name] = max(used[name], _cpu_s(tree))
    return {name: Usage((used[name] - begun[name]) / (now_s - begun_s), _rss_mib(trees[name])) for name in roots}


def _tree(process: psutil.Process) -> list[psutil.Process]:
    if process.pid == os.getpid():
        return [process]
    try:
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _cpu_s(tree: Iterable[psutil.Process]) -> float:
    total = 0.0
    for one in tree:
        try:
            times = one.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


def _rss_mib(tree: Iterable[psutil.Process]) -> float:
    """Proportional set size where the system tells it, since PostgreSQL's processes share most of their memory."""
    total = 0.0
    for one in tree:
        try:
            total += one.memory_full_info().pss
        except psutil.Error:
            continue
    return total / 1_048_576
