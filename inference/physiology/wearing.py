"""What reaches the record: worn or not, measured or not, true or an artefact."""

# ruff: noqa: PLR2004 - each number shapes the one thing it stands beside; the page of the model lists them

from dataclasses import dataclass

import numpy as np

from inference.physiology.body import Truth
from inference.physiology.days import DAY_MIN, Drives, Planner
from inference.physiology.people import FULL, RATE, WATCH, People, Population
from inference.pulsenet.series import (
    BODY_TEMPERATURE,
    HEART_RATE,
    HRV_RMSSD,
    HRV_SDNN,
    RESPIRATORY_RATE,
    SKIN_TEMPERATURE,
    SPO2,
    VITAL_COUNT,
)
from inference.slots import Bools, Floats, Ints

_STILL_G = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the devices tell: as in `Series`, with people as the second axis."""

    values: Floats
    steps: Floats
    motion: Floats
    worn: Ints


def record(people: People, drives: Drives, truth: Truth, draw: np.random.Generator, population: Population) -> Record:
    """Return what the devices of these people record in the minutes of a plan."""
    shape = drives.asleep.shape
    planner = Planner(draw, shape)
    steps = _counted(drives, draw)
    motion = drives.motion * draw.lognormal(0, 0.3, shape) + 0.001
    values = _sensed(people, truth, motion, draw)
    if population.artefacts:
        _spoil(people, planner, values, drives.cadence)
    off = _off(people, planner, drives)
    for vital in range(VITAL_COUNT):
        lost = draw.random(shape) < 0.01 + np.minimum(0.15 * motion, 0.1)
        values[..., vital][lost | off | ~_sampled(people, vital, drives, motion)] = np.nan
    rate_only = people.device == RATE
    values[..., HEART_RATE] = np.where(rate_only, np.round(values[..., HEART_RATE]), values[..., HEART_RATE])
    fills = off & (rate_only & people.forward_fills)
    values[..., HEART_RATE] = _filled(values[..., HEART_RATE], fills)
    steps = np.where(off, np.where(fills, 0.0, np.nan), steps)
    motion = np.where(off & rate_only | rate_only, np.nan, np.where(off, 0.0005, motion))
    worn = np.where(rate_only, 0, np.where(off, -1, 1)).astype(np.int64)
    return Record(values=values, steps=steps, motion=motion, worn=worn)


def _counted(drives: Drives, draw: np.random.Generator) -> Floats:
    """Return steps as a pedometer counts them: whole numbers, a few missed, stray ones from busy hands."""
    meant = drives.cadence * draw.lognormal(-0.02, 0.15, drives.cadence.shape)
    stray = np.where((drives.motion > 0.015) & (draw.random(meant.shape) < 0.04), 6.0, 0.0)
    return np.floor(meant + stray + draw.random(meant.shape) * (meant > 0))


def _sensed(people: People, truth: Truth, motion: Floats, draw: np.random.Generator) -> Floats:
    """Return the vital signs with their sensors' noise, shape (minutes, people, VITAL_COUNT)."""
    shape = motion.shape

    def noise() -> Floats:
        return draw.standard_normal(shape)

    values = np.empty((*shape, VITAL_COUNT))
    jitter = people.sensor_bpm * (0.8 + np.minimum(5 * motion, 2.0))
    values[..., HEART_RATE] = truth.heart_rate + jitter * noise()
    values[..., HRV_RMSSD] = truth.hrv_rmssd * np.exp(0.1 * noise())
    values[..., HRV_SDNN] = truth.hrv_sdnn * np.exp(0.08 * noise())
    values[..., SPO2] = np.minimum(truth.spo2 + 0.5 * noise(), 100.0)
    values[..., RESPIRATORY_RATE] = truth.respiratory_rate + 0.6 * noise()
    values[..., SKIN_TEMPERATURE] = truth.skin_temperature + 0.05 * noise()
    values[..., BODY_TEMPERATURE] = truth.body_temperature + 0.06 * noise()
    return values


def _spoil(people: People, planner: Planner, values: Floats, cadence: Floats) -> None:
    """Make a sensor lock on to the cadence, count half or double, or repeat itself, for a few minutes."""
    draw, rate = planner.draw, values[..., HEART_RATE]
    walking = cadence > 80
    locked = planner.paint(planner.happening(np.where(walking, 0.006, 0.0), 3, 0.5, 12), 1.0) > 0
    rate[locked & walking] = cadence[locked & walking]
    wrong = planner.happening(np.full(people.count, 0.08 / DAY_MIN), 2, 0.5, 6)
    factor = planner.paint(wrong, np.where(draw.random(wrong.count) < 0.5, -0.5, 1.0)).clip(-0.5, 1)
    rate[:] = np.clip(rate * (1 + factor), 30, 215)
    frozen = planner.paint(planner.happening(np.full(people.count, 0.5 / DAY_MIN), 8, 0.7, 60), 1.0) > 0
    rate[:] = _filled(np.where(frozen, np.nan, rate), frozen)
    bad = (values[..., SPO2] > 0) & (draw.random(rate.shape) < 0.002)
    values[..., SPO2][bad] -= draw.gamma(2.0, 2.0, int(bad.sum()))


def _filled(values: Floats, where: Bools) -> Floats:
    """Return values in which the marked rows repeat the last known one above them."""
    rows = np.where(where, 0, np.arange(len(values))[:, None])
    last = np.maximum.accumulate(rows, axis=0)
    return np.where(where, np.take_along_axis(values, last, axis=0), values)


def _off(people: People, planner: Planner, drives: Drives) -> Bools:
    """Return when the device is off the wrist: charging, showers, whole days, nights of those who take it off."""
    near = np.abs((drives.hour - people.charge_h + 12) % 24 - 12) < 0.5
    charging = planner.happening(np.where(near, 0.75 / 60, 0.0), 55, 0.4, 200)
    shower = planner.happening(np.where(np.abs(drives.hour - 7.5) < 1, 0.6 / 120, 0.0), 18, 0.3, 40)
    days = planner.happening(np.full(people.count, 0.02 / DAY_MIN), 900, 0.5, 3000)
    short = planner.happening(np.full(people.count, 1.0 / DAY_MIN), 8, 0.8, 120)
    away = sum((planner.paint(bouts, 1.0) for bouts in (charging, shower, days, short)), np.zeros(planner.shape))
    off: Bools = (away > 0.5) | (people.removed_at_night & (drives.asleep > 0.5))
    return off


def _sampled(people: People, vital: int, drives: Drives, motion: Floats) -> Bools:
    """Return where a person's kind of device measures a vital: sparse ones at rest, some in sleep alone."""
    if vital == HEART_RATE:
        return np.ones(motion.shape, dtype=bool)
    minute = np.arange(len(motion))[:, None] + np.arange(people.count)
    still, asleep = motion < _STILL_G, drives.asleep > 0.5
    every = {HRV_RMSSD: 5, HRV_SDNN: 5, SPO2: 10, RESPIRATORY_RATE: 5, SKIN_TEMPERATURE: 1}.get(vital, 0)
    if every == 0:
        measured: Bools = np.broadcast_to((people.device == FULL) & people.has_body, motion.shape)
    else:
        watch = (minute % every == 0) & still & (asleep | (minute % 60 < 5))
        full = still | (vital == SKIN_TEMPERATURE) | ((motion < 0.1) & (vital == RESPIRATORY_RATE))
        measured = ((people.device == FULL) & full) | ((people.device == WATCH) & watch)
    return measured
