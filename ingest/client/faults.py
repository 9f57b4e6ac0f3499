"""What goes wrong with real devices, made on purpose: readings lost, doubled, shuffled, late, wrongly dated, missing.

Drawn from a seed: the same seed, devices and readings give the same faults.
"""

import math
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

import numpy as np

from ingest.client.messages import Reading
from schemas.errors import ContractError

Fault = Literal["drop", "duplicate", "reorder", "late-burst", "clock-skew", "device-off"]

DEFAULT_SHARES: Final[dict[Fault, float]] = {
    "drop": 0.02,
    "duplicate": 0.02,
    "reorder": 0.05,
    "late-burst": 0.1,
    "clock-skew": 0.2,
    "device-off": 0.1,
}
"""Share of readings (drop, duplicate, reorder), of time (late-burst, device-off), of devices (clock-skew)."""
LATE_S: Final = 20.0
OFF_S: Final = 60.0
RUN: Final = 5
"""Readings that are shuffled together."""
SKEW_LEAST_S: Final = 2.0
SKEW_MOST_S: Final = 240.0
"""A reading more than 5 min ahead is refused unless `hello` says how far the clock is off; within that it is not."""


def parse_faults(text: str) -> dict[Fault, float]:
    """Return the shares that a list such as `drop,reorder=0.1` asks for.

    Raises:
        ContractError: A name is unknown, or a share is no number between 0 and 1.
    """
    chosen: dict[Fault, float] = {}
    known = {str(name): name for name in get_args(Fault)}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, given, share = entry.partition("=")
        if name not in known:
            raise ContractError(f"There is no fault {name!r}; there are {', '.join(known)}.")
        chosen[known[name]] = _share(name, share) if given else DEFAULT_SHARES[known[name]]
    return chosen


def _share(name: str, text: str) -> float:
    try:
        share = float(text)
    except ValueError:
        share = math.nan
    if not 0 <= share < 1:
        raise ContractError(f"The share of {name} is a number from 0 to less than 1, not {text!r}.")
    return share


@dataclass(slots=True)
class _Device:
    """What one device holds back, and until when (Unix ms)."""

    off_until_ms: float = 0.0
    late_until_ms: float = 0.0
    late: list[Reading] = field(default_factory=list)
    run: list[Reading] = field(default_factory=list)


class Faults:
    """Lets readings of a number of devices pass, or not; `counts` says what was done, in readings or occasions."""

    def __init__(self, shares: Mapping[Fault, float], *, devices: int, step_s: float, seed: int) -> None:
        self.counts: Counter[str] = Counter()
        self._shares = shares
        self._step_s = step_s
        self._random: Any = np.random.default_rng(seed)
        self._devices = [_Device() for _ in range(devices)]
        self.skews_ms = [self._skew_ms() for _ in range(devices)]

    def _skew_ms(self) -> int:
        if not self._happens("clock-skew"):
            return 0
        self.counts["clocks skewed"] += 1
        size_s = math.exp(self._random.uniform(math.log(SKEW_LEAST_S), math.log(SKEW_MOST_S)))
        return round(float(self._random.choice((-1000, 1000))) * size_s)

    def _happens(self, fault: Fault) -> bool:
        return bool(self._random.random() < self._shares.get(fault, 0.0))

    def _begins(self, fault: Fault, lasts_s: float) -> bool:
        """Draw whether a fault begins in this step, so that it holds its share of the time."""
        share = self._shares.get(fault, 0.0)
        return bool(self._random.random() < share / (1 - share) * self._step_s / lasts_s)

    def passing(self, device: int, reading: Reading) -> list[list[Reading]]:
        """Return what leaves the device now, in order, a list a sending; the reading may be held or lost."""
        state, at_ms = self._devices[device], float(reading["time"])
        reading = {**reading, "time": reading["time"] + self.skews_ms[device]}
        if self._is_off(state, at_ms):
            self.counts["readings not made while off"] += 1
            return []
        if self._happens("drop"):
            self.counts["readings dropped"] += 1
            return []
        leaving: list[list[Reading]] = []
        if state.late and at_ms >= state.late_until_ms:
            leaving.append(state.late)
            state.late = []
        if state.late or self._begins("late-burst", LATE_S):
            if not state.late:
                self.counts["late bursts"] += 1
                state.late_until_ms = at_ms + LATE_S * 1000
                leaving += self._shuffled(state)
            state.late.append(reading)
            return leaving
        return leaving + self._in_some_order(state, reading)

    def _is_off(self, state: _Device, at_ms: float) -> bool:
        if at_ms >= state.off_until_ms and self._begins("device-off", OFF_S):
            self.counts["devices switched off"] += 1
            state.off_until_ms = at_ms + OFF_S * 1000
        return at_ms < state.off_until_ms

    def _in_some_order(self, state: _Device, reading: Reading) -> list[list[Reading]]:
        if state.run or self._begins("reorder", RUN * self._step_s):
            state.run.append(reading)
            return self._shuffled(state) if len(state.run) == RUN else []
        if self._happens("duplicate"):
            self.counts["readings sent twice"] += 1
            return [[reading], [reading]]
        return [[reading]]

    def _shuffled(self, state: _Device) -> list[list[Reading]]:
        if not state.run:
            return []
        run = [state.run[at] for at in self._random.permutation(len(state.run))]
        state.run = []
        self.counts["readings reordered"] += len(run)
        return [[each] for each in run]

    def held(self, device: int) -> list[list[Reading]]:
        """Return what the device still holds back, and hold it no more."""
        state = self._devices[device]
        leaving = [state.late] if state.late else []
        state.late = []
        return leaving + self._shuffled(state)
