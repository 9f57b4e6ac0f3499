"""Devices of made people, always marked `simulated`: the physiological simulator as readings that are sent.

The same seed, start and step give the same people and the same readings. All people move in one numpy step.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from inference.physiology.onsets import STREAMED
from inference.physiology.seconds import Living, Moment
from inference.slots import Floats
from ingest.client.faults import Faults
from ingest.client.messages import Reading
from schemas.errors import ContractError
from schemas.vitals import BY_NAME

MOST_HZ: Final = 100.0
_LATEST_MIN: Final = 1_440
"""Nobody waits longer than a day for a fault."""
_HRV_WINDOW_S: Final = 300
_DECIMALS: Final = {
    "heart_rate": 1,
    "hrv_rmssd": 1,
    "hrv_sdnn": 1,
    "spo2": 1,
    "respiratory_rate": 1,
    "skin_temperature": 2,
    "body_temperature": 2,
    "acceleration": 3,
    "motion": 3,
    "steps": 0,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Injection:
    """A fault of the library that befalls the first person, so many minutes after the start."""

    fault: str
    minutes: float


def parse_injection(text: str, *, seconds: float | None = None) -> Injection | None:
    """Return what a text such as `tachycardia@20` asks for, None for an empty one; `seconds` is how long is simulated.

    Raises:
        ContractError: There is no such fault, or it does not begin within the simulation.
    """
    if not text:
        return None
    fault, _, after = text.partition("@")
    if fault not in STREAMED:
        raise ContractError(f"There is no fault {fault!r} to inject; there are {', '.join(STREAMED)}.")
    try:
        minutes = float(after)
    except ValueError:
        minutes = np.nan
    if not 0 <= minutes <= _LATEST_MIN:
        raise ContractError(
            f"Say after how many minutes {fault} begins, 0 to {_LATEST_MIN}: {fault}@20, not {text!r}. The model "
            "judges a new wearer from minute 16."
        )
    if seconds is not None and minutes * 60 >= seconds:
        raise ContractError(f"{text} would begin after the end of a simulation of {seconds:g} s; let it last longer.")
    return Injection(fault=fault, minutes=minutes)


class People:
    """A number of made people, each with a body, a day and habits of their own (docs/models/physiology.md)."""

    def __init__(self, count: int, *, seed: int, injection: Injection | None = None) -> None:
        if count < 1:
            raise ContractError(f"There must be at least one person, not {count}.")
        fault, after_min = (None, 0.0) if injection is None else (injection.fault, injection.minutes)
        self._living = Living(count, seed=seed, fault=fault, fault_min=after_min)

    def step(self, time_ms: int, step_s: float) -> Moment:
        """Let `step_s` pass until `time_ms` (Unix) and return what the devices measure."""
        return self._living.step(time_ms, step_s)


def readings(time_ms: int, moment: Moment) -> list[Reading]:
    """Return one reading a person, with the beats that ended since the one before."""
    columns = {name: _column(name, values) for name, values in moment.vitals.items()}
    common: dict[str, Any] = {"time": time_ms, "source": "watch", "worn": True}
    if "hrv_rmssd" in columns:
        common["hrv_window_s"] = _HRV_WINDOW_S
    made: list[dict[str, Any]] = [
        {**common, **dict(zip(columns, row, strict=True))} for row in zip(*columns.values(), strict=True)
    ]
    if moment.ibi_ms.shape[1]:
        counts = np.isfinite(moment.ibi_ms).sum(axis=1).tolist()
        for reading, beats, count in zip(made, np.round(moment.ibi_ms, 1).tolist(), counts, strict=True):
            if count:
                reading["ibi"] = beats[:count]
    for injected in np.flatnonzero(moment.injected).tolist():
        made[injected]["injected"] = True
    return list[Reading](made)


def _column(name: str, values: Floats) -> list[float | None]:
    """Return a vital as plain numbers, None where it was not measured."""
    told: list[float | None] = np.round(np.clip(values, *BY_NAME[name].plausible), _DECIMALS[name]).tolist()
    if np.isnan(values).any():
        return [None if missing else value for value, missing in zip(told, np.isnan(values).tolist(), strict=True)]
    return told


def check_rate(rate_hz: float) -> None:
    """Raise ContractError for a rate that cannot be kept."""
    if not 0 < rate_hz <= MOST_HZ:
        raise ContractError(f"The rate must be more than 0 and at most {MOST_HZ:g} readings a second, not {rate_hz:g}.")


class Device(Protocol):
    """A connected device; `DeviceClient` is one."""

    @property
    def unacknowledged(self) -> int:
        """Number of readings that are not acknowledged yet."""
        ...

    async def send(self, readings: Sequence[Reading]) -> None:
        """Take readings, waiting while there is no room."""
        ...

    async def drained(self) -> None:
        """Wait until everything is acknowledged."""
        ...


@dataclass(frozen=True, slots=True)
class Tally:
    """How much a simulation has sent and seen acknowledged, and the rate it keeps, in readings a second."""

    sent: int
    acknowledged: int
    rate_hz: float


async def simulate(
    people: People,
    devices: Sequence[Device],
    *,
    rate_hz: float,
    seconds: float | None,
    start_ms: int,
    monotonic_s: Callable[[], float],
    on_progress: Callable[[Tally], None],
    faults: Faults | None = None,
) -> Tally:
    """Send `rate_hz` readings a second of each person, for `seconds` or until cancelled; return the final tally.

    Readings carry the time at which they are due, so that being late never makes two of them one. Faults decide what
    of it leaves the devices, and when.

    Raises:
        DeviceStoppedError: The gateway will not take one of the devices any more.
    """
    check_rate(rate_hz)
    began_s, step, told_s, sent = monotonic_s(), 0, 0.0, 0
    while seconds is None or step < seconds * rate_hz:
        await asyncio.sleep(max(0.0, began_s + step / rate_hz - monotonic_s()))
        due_ms = start_ms + round(step * 1000 / rate_hz)
        made = readings(due_ms, people.step(due_ms, 1 / rate_hz))
        for index, (device, reading) in enumerate(zip(devices, made, strict=True)):
            sent += await _send(device, [[reading]] if faults is None else faults.passing(index, reading))
        step += 1
        elapsed_s = monotonic_s() - began_s
        if elapsed_s - told_s >= 1:
            told_s = elapsed_s
            on_progress(_tally(devices, sent, elapsed_s))
    for index, device in enumerate(devices):
        sent += await _send(device, [] if faults is None else faults.held(index))
        await device.drained()
    return _tally(devices, sent, monotonic_s() - began_s)


async def _send(device: Device, sendings: Sequence[Sequence[Reading]]) -> int:
    """Give a device what is to leave it; return how many readings that were."""
    for sending in sendings:
        await device.send(sending)
    return sum(len(sending) for sending in sendings)


def _tally(devices: Sequence[Device], sent: int, elapsed_s: float) -> Tally:
    waiting = sum(device.unacknowledged for device in devices)
    return Tally(sent, sent - waiting, sent / elapsed_s if elapsed_s > 0 else 0.0)
