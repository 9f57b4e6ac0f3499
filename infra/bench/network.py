"""`pulsera bench network`: wearer-steps a second of the model on one core, beside a plain matrix product."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np
from rich.console import Console
from rich.table import Table

from inference.pulsenet.engine import PulseNet
from inference.pulsenet.features import CONTEXT, SEEN
from inference.pulsenet.predictor import PAD_ROWS, Predictor
from inference.pulsenet.series import VITAL_COUNT
from inference.pulsenet.steps import Steps
from inference.pulsenet.weights import loading
from inference.slots import Floats
from infra.bench import machine
from schemas.vitals import NAMES
from stream_processors.operators.bins import Bins
from stream_processors.operators.episodes import Episodes
from stream_processors.operators.minutes import MINUTE_MS
from stream_processors.operators.pulsenet import PulseNetDetector
from stream_processors.operators.rest import Activity

BOUND_PER_S: Final = 500_000
"""Wearer-steps a second that the network must reach on a quiet core."""
_TOLD: Final = 2 * VITAL_COUNT
_GATES: Final = 3
_DAY_MIN: Final = 1_440
_USUAL: Final = np.array([65.0, 40.0, 50.0, 97.0, 15.0, 33.0, 36.7])
_NOISE: Final = np.array([2.0, 4.0, 4.0, 0.4, 0.7, 0.1, 0.05])


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """Microseconds of CPU of one call on 512 wearers, and the wearer-steps a second of the fastest and the median."""

    min_us: float
    median_us: float
    best_per_s: int
    median_per_s: int


def measure(*, rounds: int = 400) -> dict[str, Figure]:
    """Time the network, the linear model, a matrix product of the network's work, the engine, and the whole operator.

    The operator gathers bins, compares each with what is expected, judges the minutes and gives verdicts. Its step is a
    wearer's closed bin: the only one of a minute, or one of twelve.
    """
    network, ridge = loading.predictor("network"), loading.predictor("ridge")
    draw = np.random.default_rng(1)
    context, seen = draw.normal(size=(PAD_ROWS, CONTEXT)), draw.normal(size=(PAD_ROWS, SEEN))
    inner = 128
    columns = max(1, round(products(network.width) / inner))
    left = draw.normal(size=(PAD_ROWS, inner)).astype(np.float32)
    right = draw.normal(size=(inner, columns)).astype(np.float32)
    return {
        "network": _timed(_predicts(network, context, seen), rounds),
        "matrix product of the same work": _timed(lambda: left @ right, rounds),
        "linear model": _timed(_predicts(ridge, context, seen), rounds),
        "engine with the network": _timed(_steps(loading.load("network")), rounds),
        "whole operator, a bin a minute": _timed(_judges(bins_a_minute=1), rounds),
        "whole operator, a bin every 5 s": _timed(_judges(bins_a_minute=12), rounds, steps=12 * PAD_ROWS),
    }


def products(width: int) -> int:
    """Return the multiplications of one wearer-step of a network whose state has this width, half of it each half's."""
    hidden = width // 2
    return sum(_GATES * hidden * (inputs + hidden) + _TOLD * (inputs + hidden) for inputs in (CONTEXT, CONTEXT + SEEN))


def _predicts(predictor: Predictor, context: Floats, seen: Floats) -> Callable[[], object]:
    state = np.zeros((PAD_ROWS, predictor.width), dtype=np.float32)
    return lambda: predictor.predict(context, seen, state)


def _steps(model: PulseNet) -> Callable[[], object]:
    model.extend(PAD_ROWS)
    draw = np.random.default_rng(2)
    values = _USUAL + _NOISE * draw.normal(size=(64, PAD_ROWS, VITAL_COUNT))
    minute = 0

    def step() -> None:
        nonlocal minute
        minute += 1
        wave = Steps(
            slot=np.arange(PAD_ROWS, dtype=np.int64),
            minute=np.full(PAD_ROWS, minute, dtype=np.int64),
            local_min=np.full(PAD_ROWS, minute % _DAY_MIN, dtype=np.int64),
            values=values[minute % len(values)],
            steps=np.zeros(PAD_ROWS),
            motion=np.full(PAD_ROWS, 0.01),
            gated=np.zeros((PAD_ROWS, VITAL_COUNT), dtype=np.bool_),
        )
        model.step(wave, learn=np.ones((PAD_ROWS, VITAL_COUNT), dtype=np.bool_))

    return step


def _judges(*, bins_a_minute: int) -> Callable[[], object]:
    """Return a minute of 512 wearers through the detector: bins compared and gathered, then the minutes judged."""
    detector = PulseNetDetector(loading.load("network"))
    detector.extend(PAD_ROWS)
    episodes = Episodes()
    episodes.table.extend(PAD_ROWS)
    draw = np.random.default_rng(3)
    vitals = np.full((64, PAD_ROWS, len(NAMES)), np.nan)
    vitals[:, :, :VITAL_COUNT] = _USUAL + _NOISE * draw.normal(size=(64, PAD_ROWS, VITAL_COUNT))
    vitals[:, :, [NAMES.index("motion"), NAMES.index("steps")]] = 0.01, 0.0
    wearer, one = np.arange(PAD_ROWS, dtype=np.int64), np.ones(PAD_ROWS, dtype=np.int64)
    no = np.zeros(PAD_ROWS, dtype=np.bool_)
    activity = Activity(~no, 600_000 * one, no, no)
    number = 0

    def minute() -> None:
        nonlocal number
        for _ in range(bins_a_minute):
            number += 1
            end_ms = _DAY_MIN * MINUTE_MS + number * (MINUTE_MS // bins_a_minute) * one
            bins = Bins(
                wearer=wearer, stream=wearer, end_ms=end_ms, values=vitals[number % len(vitals)], readings=one,
                received_ms=end_ms, newest_ms=end_ms, injected=0 * one, origin=0 * one, worn=2 * one, quality=900 * one,
                vague=0 * one, varied=one, sources=2 * one, cell=0 * one, firmware=-one, utc_offset_min=0 * one,
                doubted=0 * one,
            )  # fmt: skip
            detector.judge(bins, activity, frozen=no, learning=episodes)
        detector.complete(wearer, end_ms, learning=episodes)

    return minute


def _timed(work: Callable[[], object], rounds: int, *, steps: int = PAD_ROWS) -> Figure:
    for _ in range(rounds // 4):
        work()
    spent_ns = np.empty(rounds)
    for round_ in range(rounds):
        before = time.thread_time_ns()
        work()
        spent_ns[round_] = time.thread_time_ns() - before
    least, median = float(spent_ns.min()) / 1_000, float(np.median(spent_ns)) / 1_000
    return Figure(
        min_us=round(least, 1),
        median_us=round(median, 1),
        best_per_s=round(steps * 1e6 / least),
        median_per_s=round(steps * 1e6 / median),
    )


def show(figures: dict[str, Figure]) -> None:
    """Print a table."""
    table = Table("one thread, 512 wearers a call", "us of CPU, min", "median", "wearer-steps/s, best", "median")
    for name, figure in figures.items():
        rates = (f"{figure.best_per_s:,}", f"{figure.median_per_s:,}")
        table.add_row(name, f"{figure.min_us:.1f}", f"{figure.median_us:.1f}", *rates)
    console = Console()
    console.print(table)
    console.print(machine.line())


def write(figures: dict[str, Figure], file: Path) -> None:
    """Write the figures as JSON."""
    told: dict[str, Any] = {"machine": machine.facts(), "figures": msgspec.to_builtins(figures)}
    file.write_text(json.dumps(told, indent=1) + "\n")
