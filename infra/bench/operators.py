"""`pulsera bench operators`: what every operator and every other step of a frame's way takes, without socket or log."""

import json
import pkgutil
from collections.abc import Mapping, Sequence
from importlib import import_module
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

import stream_processors.operators
from api.live import entries, hub, outbox
from infra.bench import machine
from infra.bench.stopwatch import Stopwatch, functions_of
from infra.bench.workloads import WORKLOADS, Size
from ingest import admission, columns, framing, session
from schemas import device_protocol, episodes, frame, scores, video
from schemas.errors import SetupError

READINGS: Final = (50, 500)
WARM: Final = 1 / 3
"""This share of the rounds comes before those that count: tables have grown, caches are full."""
_BESIDE: Final = (
    admission, columns, framing, session, device_protocol, frame, scores, episodes, entries, hub, outbox, video,
)  # fmt: skip
WHOLE: Final = "all"


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """Microseconds of CPU a round of one function, its callees' time left out, over the rounds that called it."""

    rounds: int
    min_us: float
    median_us: float
    p99_us: float


Figures = dict[str, dict[str, Figure]]
"""By workload and size, such as `vitals/50`, and by function; `all` is the whole round."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` writes."""

    machine: dict[str, Any]
    figures: Figures


def operator_modules() -> list[ModuleType]:
    """Return every module of operators that does anything."""
    found = pkgutil.iter_modules(stream_processors.operators.__path__, "stream_processors.operators.")
    modules = [import_module(one.name) for one in found]
    return [module for module in modules if functions_of(module)]


def measure(
    *, readings: Sequence[int] = READINGS, wearers: int = 1_000, seconds: int = 160, only: Sequence[str] = ()
) -> Figures:
    """Run every workload, or these alone, on frames of so many readings, and return what each function took.

    Raises:
        SetupError: There is no such workload.
    """
    unknown = sorted(set(only) - set(WORKLOADS))
    if unknown:
        raise SetupError(f"There is no workload {', '.join(unknown)}.", next_step=f"There are {', '.join(WORKLOADS)}.")
    figures: Figures = {}
    for number in readings:
        for name in only or WORKLOADS:
            found = _measure(name, Size(wearers=wearers, readings=number, seconds=seconds))
            if found:
                figures[f"{name}/{number}"] = found
    return figures


def _measure(name: str, size: Size) -> dict[str, Figure]:
    stopwatch = Stopwatch()
    laps: list[Mapping[str, int]] = []
    with stopwatch.watching([*operator_modules(), *_BESIDE]):
        for work in WORKLOADS[name](size):
            stopwatch.lap()  # what made the input
            stopwatch.timed(WHOLE, work)()
            laps.append(stopwatch.lap())
    spent: dict[str, list[int]] = {}
    for lap in islice(laps, int(len(laps) * WARM), None):
        for function, amount in lap.items():
            spent.setdefault(function, []).append(amount)
        spent[WHOLE][-1] = sum(lap.values())
    return {function: _figure(amounts) for function, amounts in spent.items()}


def _figure(amounts_ns: Sequence[int]) -> Figure:
    amounts_us = np.array(amounts_ns) / 1_000
    median, p99 = np.percentile(amounts_us, [50, 99])
    return Figure(
        rounds=len(amounts_us),
        min_us=round(float(amounts_us.min()), 2),
        median_us=round(float(median), 2),
        p99_us=round(float(p99), 2),
    )


def read(file: Path) -> Report:
    """Return an earlier report.

    Raises:
        SetupError: The file is none.
    """
    try:
        return msgspec.json.decode(file.read_bytes(), type=Report)
    except (OSError, msgspec.MsgspecError) as error:
        raise SetupError(f"{file} is no report of this command: {error}", next_step="Make one with --json.") from error


def write(figures: Figures, file: Path) -> None:
    """Write the figures as JSON."""
    report = Report(machine=machine.facts(), figures=figures)
    file.write_text(json.dumps(msgspec.to_builtins(report), indent=1) + "\n")


def show(figures: Figures, earlier: Report | None) -> None:
    """Print a table a workload, the dearest first; beside an earlier report, by how much the medians changed."""
    console = Console()
    for name, found in figures.items():
        head = ["microseconds of CPU a round", "rounds", "min", "median", "p99"]
        table = Table(*head, *(["median before", "change"] if earlier else []), title=name)
        for function, figure in sorted(found.items(), key=lambda item: -item[1].median_us):
            row = [str(figure.rounds), f"{figure.min_us:.1f}", f"{figure.median_us:.1f}", f"{figure.p99_us:.1f}"]
            table.add_row(function, *row, *(_change(earlier, name, function, figure) if earlier else []))
        console.print(table)
    if earlier is not None:
        console.print(f"before: commit {earlier.machine.get('commit')}, {earlier.machine.get('at')}")
    console.print(machine.line())


def _change(earlier: Report, name: str, function: str, now: Figure) -> list[str]:
    before = earlier.figures.get(name, {}).get(function)
    if before is None:
        return ["-", "new"]
    if not before.median_us:
        return ["0", "-"]
    return [f"{before.median_us:.1f}", f"{100 * (now.median_us / before.median_us - 1):+.0f} %"]
