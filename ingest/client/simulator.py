"""Made people for load and display, always marked `simulated`: plausible curves, not a model of physiology.

The same seed, start and step give the same people and the same readings. All people move in one numpy step.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt

from ingest.client.faults import Faults
from ingest.client.messages import Reading
from schemas.errors import ContractError
from schemas.vitals import BY_NAME

Floats = npt.NDArray[np.float64]

MOST_HZ: Final = 100.0
_DAY_S: Final = 86_400.0
_WARMEST_HOUR: Final = 16.0
_REST_BOUT_S: Final = 1_500.0
_ACTIVE_BOUT_S: Final = 420.0
_RISE_S: Final = 30.0
_FALL_S: Final = 70.0
_DECIMALS: Final = {
    "heart_rate": 1,
    "spo2": 1,
    "respiratory_rate": 1,
    "skin_temperature": 2,
    "acceleration": 3,
    "motion": 3,
    "steps": 0,
}


class People:
    """A number of made people, each with a resting heart rate, a day and bouts of activity of their own."""

    def __init__(self, count: int, *, seed: int) -> None:
        if count < 1:
            raise ContractError(f"There must be at least one person, not {count}.")
        self._random = np.random.default_rng(seed)
        draw = self._random
        self._count = count
        self._resting_bpm = draw.normal(64, 6, count).clip(48, 84)
        self._reserve_bpm = draw.uniform(45, 75, count)
        self._breaths_per_min = draw.normal(14, 1.5, count).clip(10, 19)
        self._spo2_percent = draw.normal(97, 0.6, count).clip(95, 98.5)
        self._skin_cel = draw.normal(33, 0.6, count)
        self._breath_phase = draw.uniform(0, 2 * np.pi, count)
        self._exertion: Floats = np.zeros(count)
        self._intensity: Floats = np.zeros(count)
        self._heart_noise: Floats = np.zeros(count)
        self._slow_noise: Floats = np.zeros(count)

    def step(self, time_ms: int, step_s: float) -> dict[str, Floats]:
        """Let `step_s` pass until `time_ms` (Unix) and return each vital, shape (people,)."""
        draw, count = self._random, self._count
        self._bouts(step_s)
        exertion, intensity = self._exertion, self._intensity
        lag_s = np.where(intensity > exertion, _RISE_S, _FALL_S)
        exertion = self._exertion = exertion + (intensity - exertion) * -np.expm1(-step_s / lag_s)
        self._heart_noise = _wander(self._heart_noise, 1.2, step_s / 12, draw.standard_normal(count))
        self._slow_noise = _wander(self._slow_noise, 1.0, step_s / 600, draw.standard_normal(count))

        hour = time_ms / 1000 % _DAY_S / 3600
        day = np.cos(2 * np.pi * (hour - _WARMEST_HOUR) / 24)
        breaths = self._breaths_per_min + 12 * exertion + 0.4 * self._slow_noise
        self._breath_phase = (self._breath_phase + 2 * np.pi * breaths / 60 * step_s) % (2 * np.pi)
        swing_bpm = 2.0 * (1 - 0.8 * exertion) * np.sin(self._breath_phase)  # respiratory sinus arrhythmia
        motion_g = (0.008 + 0.35 * intensity) * draw.lognormal(0, 0.25, count)
        return {
            "heart_rate": self._resting_bpm + 4 * day + self._reserve_bpm * exertion + swing_bpm + self._heart_noise,
            "spo2": np.minimum(self._spo2_percent - 0.6 * exertion + draw.normal(0, 0.3, count), 100.0),
            "respiratory_rate": breaths + draw.normal(0, 0.3, count),
            "skin_temperature": self._skin_cel + 0.5 * day - 0.6 * exertion + 0.2 * self._slow_noise,
            "acceleration": 1.0 + 0.15 * motion_g + draw.normal(0, 0.003, count),
            "motion": motion_g,
            "steps": draw.poisson(1.9 * step_s * np.where(intensity > 0, 0.6 + 0.4 * intensity, 0.0)).astype(float),
        }

    def _bouts(self, step_s: float) -> None:
        draw = self._random
        chance, strength = draw.random(self._count), draw.uniform(0.25, 0.9, self._count)
        active = self._intensity > 0
        begins = ~active & (chance < -np.expm1(-step_s / _REST_BOUT_S))
        ends = active & (chance < -np.expm1(-step_s / _ACTIVE_BOUT_S))
        self._intensity = np.where(begins, strength, np.where(ends, 0.0, self._intensity))


def _wander(noise: Floats, deviation: float, step: float, normal: Floats) -> Floats:
    """Return the next values of a noise with this standard deviation that forgets over `1 / step` steps."""
    kept = np.exp(-step)
    wandered: Floats = noise * kept + deviation * np.sqrt(1 - kept**2) * normal
    return wandered


def readings(time_ms: int, vitals: dict[str, Floats]) -> list[Reading]:
    """Return one reading a person."""
    columns = {
        name: np.round(np.clip(values, *BY_NAME[name].plausible), _DECIMALS[name]).tolist()
        for name, values in vitals.items()
    }
    common: dict[str, Any] = {"time": time_ms, "source": "watch", "worn": True}
    return [{**common, **dict(zip(columns, row, strict=True))} for row in zip(*columns.values(), strict=True)]


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
