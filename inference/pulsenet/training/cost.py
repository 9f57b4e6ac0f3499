"""What making weights cost, and on what machine: told in the manifest and the card, never in what decides."""

import os
import platform
import time
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

BOUND_MIN: Final = 30
"""What a whole training may take on two cores."""
THRESHOLDS_SINCE: Final = "thresholds_since"
"""Key of the day on which thresholds and card were made anew, without the rest: what that took is not counted."""
_LIBRARIES: Final = ("numpy", "torch", "onnx", "onnxruntime")
_CPUINFO: Final = Path("/proc/cpuinfo")


class Meter:
    """Runs from its making on."""

    def __init__(self) -> None:
        self._wall_s, self._cpu_s = time.perf_counter(), time.process_time()

    def told(self) -> dict[str, Any]:
        """Return seconds on the clock and of all this process's threads, the machine, and what libraries it had."""
        return {
            "wall_s": round(time.perf_counter() - self._wall_s, 1),
            "cpu_s": round(time.process_time() - self._cpu_s, 1),
            "machine": f"{_processor()}, {platform.system()} {platform.machine()}",
            "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
            "libraries": {"python": platform.python_version(), **{name: _version(name) for name in _LIBRARIES}},
        }


def sentence(cost: Mapping[str, Any]) -> str:
    """Return a cost as one sentence."""
    libraries = ", ".join(f"{name} {told}" for name, told in cost["libraries"].items())
    return (
        f"{cost['wall_s'] / 60:.1f} min on the clock, {cost['cpu_s'] / 60:.1f} min of processor time (bound: "
        f"{BOUND_MIN} min on two cores), on {cost['cores']} cores of {cost['machine']}, with {libraries}.{anew(cost)}"
    )


def anew(cost: Mapping[str, Any]) -> str:
    """Return the sentence that follows where thresholds were made anew since, else nothing."""
    since = cost.get(THRESHOLDS_SINCE)
    return "" if since is None else f" Thresholds and card were made anew on {since}, which is not counted."


def _processor() -> str:
    if _CPUINFO.is_file():
        for line in _CPUINFO.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "an unnamed processor"


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "not installed"
