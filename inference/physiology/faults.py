"""What can go wrong with a wearer, and with a sensor: changes of a recording, of which the truth is known.

A fault that must alarm is added to the values as they are, so that they keep their noise. Nothing outside its minutes
changes, and nothing is measured that was not measured before. The table `FAULTS` says what each should raise.
"""

# ruff: noqa: PLR2004 - each number shapes the one thing it stands beside; the docstrings name them

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from inference.pulsenet.series import (
    BODY_TEMPERATURE,
    HEART_RATE,
    HRV_RMSSD,
    HRV_SDNN,
    RESPIRATORY_RATE,
    SKIN_TEMPERATURE,
    SPO2,
    VITAL_COUNT,
    Series,
)
from inference.slots import Bools, Floats, Ints
from schemas.vitals import VITALS

_RAMP_MIN: Final = 2.0
_FEVER_BPM_PER_CEL: Final = 8.5
_COOL_CEL: Final = 23.0
_SLOWEST_BPM: Final = 30.0
_LOW_EDGES: Final = np.array([vital.plausible[0] for vital in VITALS[:VITAL_COUNT]])
_HIGH_EDGES: Final = np.array([vital.plausible[1] for vital in VITALS[:VITAL_COUNT]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The minutes of a recording that a fault may change, as views of a copy.

    Attributes:
        size: How strong, in the unit that the fault's row names.
        draw: Source of what is random.
        values: As in `Series`, shape (minutes, VITAL_COUNT).
        steps: Shape (minutes,).
        motion: Shape (minutes,).
        worn: Shape (minutes,).
    """

    size: float
    draw: np.random.Generator
    values: Floats
    steps: Floats
    motion: Floats
    worn: Ints

    @property
    def minutes(self) -> int:
        """How long the fault is there."""
        return len(self.steps)

    def ramped(self, ramp_min: float = _RAMP_MIN) -> Floats:
        """Return 0 to 1 to 0: in over `ramp_min`, out over `ramp_min`."""
        at = np.arange(self.minutes) + 0.5
        shape: Floats = np.minimum(np.minimum(at, self.minutes - at) / ramp_min, 1.0)
        return shape

    def add(self, vital: int, amount: Floats) -> None:
        """Add to a vital where it is measured, within what its sensor can report."""
        low, high = _LOW_EDGES[vital], _HIGH_EDGES[vital]
        self.values[:, vital] = np.clip(self.values[:, vital] + amount, low, high)

    def tell(self, values: Floats) -> None:
        """Replace vitals where they are measured."""
        np.copyto(self.values, np.broadcast_to(values, self.values.shape), where=np.isfinite(self.values))


def _faster(place: Place) -> None:
    place.add(HEART_RATE, place.size * place.ramped())


def _slower(place: Place) -> None:
    """The rate falls by so much that its lowest minute is 30 at least: slower is no longer measured by a wrist.

    All minutes fall alike. Cut off at 30 one by one they would repeat themselves, as a sensor does that is stuck.
    """
    lowest = float(np.fmin.reduce(place.values[:, HEART_RATE], initial=np.inf))
    place.add(HEART_RATE, -min(place.size, max(lowest - _SLOWEST_BPM, 0.0)) * place.ramped())


def _less_variable(place: Place) -> None:
    """RMSSD and SDNN are multiplied: they are positive, and their noise is proportional."""
    kept = 1 - (1 - place.size) * place.ramped(10)
    place.values[:, [HRV_RMSSD, HRV_SDNN]] *= kept[:, None]


def _desaturated(place: Place) -> None:
    """Saturation sinks along a ramp over the first half and stays there."""
    place.add(SPO2, -place.size * np.minimum(np.arange(1, place.minutes + 1) / (place.minutes / 2), 1.0))


def _feverish(place: Place) -> None:
    """Temperatures climb for a third of the time and stay; the heart follows by 8.5 bpm, the breath by 2 a Cel."""
    risen = place.size * np.minimum(np.arange(1, place.minutes + 1) / (place.minutes / 3), 1.0)
    place.add(SKIN_TEMPERATURE, risen)
    place.add(BODY_TEMPERATURE, risen)
    place.add(HEART_RATE, _FEVER_BPM_PER_CEL * risen)
    place.add(RESPIRATORY_RATE, 2.0 * risen)


def _breathless(place: Place) -> None:
    place.add(RESPIRATORY_RATE, place.size * place.ramped())


def _restless_nights(place: Place) -> None:
    """The rate is up by a few beats throughout, as before an infection shows."""
    place.add(HEART_RATE, place.size * place.ramped(240))


def _drifting(place: Place) -> None:
    """Heart rate up, RMSSD down, skin warmer, each by too little to stand out alone."""
    risen = place.size * place.ramped(60)
    place.add(HEART_RATE, 10 * risen)
    place.values[:, [HRV_RMSSD, HRV_SDNN]] *= (1 - 0.35 * risen)[:, None]
    place.add(SKIN_TEMPERATURE, 0.9 * risen)
    place.add(BODY_TEMPERATURE, 0.6 * risen)


def _exercising(place: Place) -> None:
    """Brisk steps for three quarters of the time; every vital follows with its lag and begins to recover."""
    active = np.arange(place.minutes) < 0.75 * place.minutes
    lagged, state = np.empty(place.minutes), 0.0
    for minute, target in enumerate(active * 1.0):
        state += (target - state) * (0.7 if target > state else 0.5)
        lagged[minute] = state
    cadence = np.round(place.draw.normal(118, 6, place.minutes)) * active
    place.steps[:] = np.where(np.isfinite(place.steps), np.maximum(cadence, place.steps), np.nan)
    place.motion[:] = np.maximum(place.motion, 0.24 * active * place.draw.lognormal(0, 0.2, place.minutes))
    place.add(HEART_RATE, np.clip(place.size * lagged, None, np.fmax(185 - place.values[:, HEART_RATE], 0.0)))
    place.values[:, [HRV_RMSSD, HRV_SDNN]] *= np.exp(-0.02 * place.size * lagged)[:, None]
    place.add(RESPIRATORY_RATE, 0.2 * place.size * lagged)
    place.add(SPO2, -0.6 * lagged)
    place.add(BODY_TEMPERATURE, 0.4 * np.linspace(0, 1, place.minutes) * lagged)


def _shaken(place: Place) -> None:
    """The arm moves and the optical sensor counts what it likes; where motion is not told, stray steps are."""
    place.motion[:] = np.maximum(place.motion, place.draw.uniform(0.15, 0.5, place.minutes))
    stray = np.round(place.draw.uniform(2, 14, place.minutes))
    place.steps[:] = np.where(np.isfinite(place.steps), np.maximum(place.steps, stray), np.nan)
    jumps = place.draw.choice((-0.5, 0.3, 0.8, 1.2), place.minutes) * place.size
    place.add(HEART_RATE, np.clip(jumps, 35 - place.values[:, HEART_RATE], None))
    place.add(SPO2, -place.draw.gamma(2.0, 2.0, place.minutes))
    place.add(RESPIRATORY_RATE, place.draw.normal(0, 4, place.minutes))
    place.values[:, [HRV_RMSSD, HRV_SDNN]] *= place.draw.lognormal(0.5, 0.4, (place.minutes, 1))


def _silent(place: Place) -> None:
    """Nothing arrives at all."""
    for column in (place.values, place.steps, place.motion):
        column[:] = np.nan
    place.worn[:] = 0


def _zeroed(place: Place) -> None:
    """A broken device sends 0 for every vital that it measures."""
    place.tell(np.zeros(VITAL_COUNT))


def _at_the_edge(place: Place) -> None:
    """A broken device sends the lowest plausible value of every vital that it measures."""
    place.tell(_LOW_EDGES)


def _without_variability(place: Place) -> None:
    place.values[:, [HRV_RMSSD, HRV_SDNN]] = np.nan


def _taken_off(place: Place) -> None:
    """Off the wrist: no vitals but the temperature of a cooling sensor, no steps, no motion, and it says so."""
    place.worn[:] = -1
    skin = place.values[:, SKIN_TEMPERATURE]
    cooling = _COOL_CEL + (skin - _COOL_CEL) * np.exp(-np.arange(1, place.minutes + 1) / 8)
    place.values[:] = np.nan
    place.values[:, SKIN_TEMPERATURE] = cooling
    place.steps[:] = np.where(np.isfinite(place.steps), 0.0, np.nan)
    place.motion[:] = np.where(np.isfinite(place.motion), 0.0, np.nan)


def _stuck(place: Place) -> None:
    """Every vital repeats its first known value, with no steps, as a gap that is filled forward."""
    known = np.isfinite(place.values)
    first = np.argmax(known, axis=0)
    place.tell(place.values[first, np.arange(VITAL_COUNT)])
    place.steps[:] = np.where(np.isfinite(place.steps), 0.0, np.nan)
    place.motion[:] = np.where(np.isfinite(place.motion), 0.001, np.nan)


def _new_firmware(place: Place) -> None:
    """From one minute to the next the sensor is noisier and rounds: heart rate, RMSSD and saturation."""
    place.add(HEART_RATE, place.draw.normal(0, place.size, place.minutes))
    place.values[:, [HRV_RMSSD, HRV_SDNN]] *= place.draw.lognormal(0.1, 0.15, (place.minutes, 1))
    place.values[:, [HEART_RATE, SPO2]] = np.round(place.values[:, [HEART_RATE, SPO2]])


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One row of the table.

    Attributes:
        name: What it is called.
        alarms: Whether it must alarm; otherwise it must not.
        conditions: What it may raise, by name of the condition; empty where it must not alarm.
        vitals: Columns that must be measured, any of them, for the fault to be there at all; empty: none.
        minutes: How long, unless a caller says otherwise.
        size: How strong, unless a caller says otherwise.
        unit: What `size` counts.
        apply: Changes the minutes in place.
    """

    name: str
    alarms: bool
    conditions: tuple[str, ...] = ()
    vitals: tuple[int, ...] = ()
    minutes: int
    size: float = 1.0
    unit: str = ""
    apply: Callable[[Place], None]


_HIGH, _LOW = ("heart_rate.high", "vitals.drift"), ("heart_rate.low",)
_HRV: Final = (HRV_RMSSD, HRV_SDNN)
_VARIABILITY: Final = ("hrv_rmssd.low", "hrv_sdnn.low")
_WARM: Final = ("skin_temperature.high", "body_temperature.high", "vitals.drift", "heart_rate.high")

FAULTS: Final = (
    Fault(name="tachycardia", alarms=True, conditions=_HIGH, vitals=(HEART_RATE,),
          minutes=20, size=40, unit="bpm", apply=_faster),
    Fault(name="sustained_tachycardia", alarms=True, conditions=_HIGH, vitals=(HEART_RATE,),
          minutes=120, size=40, unit="bpm", apply=_faster),
    Fault(name="bradycardia", alarms=True, conditions=_LOW, vitals=(HEART_RATE,),
          minutes=20, size=25, unit="bpm", apply=_slower),
    Fault(name="sustained_bradycardia", alarms=True, conditions=_LOW, vitals=(HEART_RATE,),
          minutes=120, size=25, unit="bpm", apply=_slower),
    Fault(name="hrv_drop", alarms=True, conditions=(*_VARIABILITY, "vitals.drift"), vitals=_HRV,
          minutes=240, size=0.3, unit="of itself", apply=_less_variable),
    Fault(name="desaturation_ramp", alarms=True, conditions=("spo2.low",), vitals=(SPO2,),
          minutes=60, size=10, unit="%", apply=_desaturated),
    Fault(name="fever_drift", alarms=True, conditions=(*_WARM, "resting_heart_rate.high", "respiratory_rate.high"),
          vitals=(SKIN_TEMPERATURE, BODY_TEMPERATURE), minutes=540, size=2.0, unit="Cel", apply=_feverish),
    Fault(name="fast_breathing", alarms=True, conditions=("respiratory_rate.high",), vitals=(RESPIRATORY_RATE,),
          minutes=40, size=12, unit="/min", apply=_breathless),
    Fault(name="resting_rate_rise", alarms=True, conditions=("resting_heart_rate.high", "heart_rate.high"),
          vitals=(HEART_RATE,), minutes=3240, size=9, unit="bpm", apply=_restless_nights),
    Fault(name="joint_drift", alarms=True, conditions=(*_WARM, *_VARIABILITY, "resting_heart_rate.high"), vitals=_HRV,
          minutes=480, size=1.0, unit="of 10 bpm, -35 %, +0.9 Cel", apply=_drifting),
    Fault(name="exercise", alarms=False, minutes=40, size=60, unit="bpm", apply=_exercising),
    Fault(name="motion_artefact", alarms=False, minutes=15, size=50, unit="bpm", apply=_shaken),
    Fault(name="dropout", alarms=False, minutes=45, apply=_silent),
    Fault(name="zeros", alarms=False, minutes=30, apply=_zeroed),
    Fault(name="edge_values", alarms=False, minutes=30, apply=_at_the_edge),
    Fault(name="absent_hrv", alarms=False, minutes=720, apply=_without_variability),
    Fault(name="wrist_off", alarms=False, minutes=90, apply=_taken_off),
    Fault(name="frozen_value", alarms=False, minutes=90, apply=_stuck),
    Fault(name="firmware_step", alarms=False, minutes=720, size=1.5, unit="bpm", apply=_new_firmware),
)  # fmt: skip
"""Must alarm first, then must not. Durations and sizes are chosen; fever's 8.5 bpm a Cel is Karjalainen & Viitasalo,
Arch Intern Med 1986."""

BY_NAME: Final = {fault.name: fault for fault in FAULTS}


@dataclass(frozen=True, slots=True, kw_only=True)
class Injected:
    """What was changed, and where.

    Attributes:
        name: The fault's.
        alarms: Whether it must alarm.
        conditions: What it may raise.
        onset: First changed row of the series.
        end: The row after the last changed one.
    """

    name: str
    alarms: bool
    conditions: tuple[str, ...]
    onset: int
    end: int


def inject(
    series: Series, name: str, *, onset: int, seed: int, minutes: int | None = None, size: float | None = None
) -> tuple[Series, Injected]:
    """Return the series with a fault from row `onset`, and the truth about it; a real series becomes `semi`.

    A fault that does not fit is cut off at the series' end. The same arguments give the same series.

    Raises:
        ValueError: There is no such fault, or the onset lies outside the series.
    """
    fault = BY_NAME.get(name)
    if fault is None:
        raise ValueError(f"There is no fault {name!r}; there are {', '.join(BY_NAME)}.")
    if not 0 <= onset < series.minutes:
        raise ValueError(f"The onset must be a row of the series, 0 to {series.minutes - 1}, not {onset}.")
    end = min(onset + (fault.minutes if minutes is None else minutes), series.minutes)
    changed = replace(
        series,
        data="semi" if series.data == "real" else series.data,
        values=series.values.copy(),
        steps=series.steps.copy(),
        motion=series.motion.copy(),
        worn=series.worn.copy(),
    )
    fault.apply(
        Place(
            size=fault.size if size is None else size,
            draw=np.random.default_rng([seed, onset]),
            values=changed.values[onset:end],
            steps=changed.steps[onset:end],
            motion=changed.motion[onset:end],
            worn=changed.worn[onset:end],
        )
    )
    return changed, Injected(name=name, alarms=fault.alarms, conditions=fault.conditions, onset=onset, end=end)


def shows(series: Series, name: str, *, onset: int, minutes: int | None = None) -> bool:
    """Return whether the vitals that a fault needs are measured in half of its minutes, sparse sampling allowed for.

    A vital that is sampled every 10 min counts as measured: one value in each stretch of 10.
    """
    fault = BY_NAME[name]
    rows = series.values[onset : onset + (fault.minutes if minutes is None else minutes)]
    if not fault.vitals:
        return True
    known: Bools = np.asarray(np.isfinite(rows[:, fault.vitals]).any(axis=1))
    stretches = np.add.reduceat(known, np.arange(0, len(known), 10)) > 0
    return bool(stretches.mean() >= 0.5)
