"""Who is simulated: the traits that stay a person's own, and how they differ between people."""

# ruff: noqa: PLR2004 - each number shapes the one thing it stands beside; the page of the model lists them

from dataclasses import dataclass
from typing import Final

import numpy as np

from inference.slots import Bools, Floats, Ints

RATE, WATCH, FULL = range(3)
"""Kinds of device: heart rate and steps only; a watch that samples the rest sparsely; every vital every minute."""

_UTC_OFFSETS_MIN: Final = (-480, -300, 0, 60, 60, 120, 330, 540)


@dataclass(frozen=True, slots=True, kw_only=True)
class Population:
    """How people differ, where a caller may want another crowd than the default one.

    Attributes:
        plateaus_per_week: Median number of step-free stretches of 10 to 40 min with +15 to +35 bpm (carrying,
            housework, arguing, driving in traffic) in a week. They look like an illness's onset, so that this one
            number decides how high a threshold must be; between people it is lognormal. Chosen.
        plateaus_sigma: Standard deviation of its logarithm between people. Chosen.
        devices: Shares of RATE, WATCH and FULL devices.
        removed_at_night: Share of people who take the device off to sleep.
        artefacts: Whether sensors lock on to the cadence, halve, double, freeze and fail.
    """

    plateaus_per_week: float = 1.5
    plateaus_sigma: float = 0.9
    devices: tuple[float, float, float] = (0.3, 0.35, 0.35)
    removed_at_night: float = 0.25
    artefacts: bool = True


DEFAULT: Final = Population()


@dataclass(frozen=True, slots=True, kw_only=True)
class People:
    """Traits, one entry a person; `_h` are hours of the local day, `_per_` rates, `_share` shares of days.

    Resting rate: mean 65, SD 8 (Quer et al., PLoS ONE 2020: 65.5, SD 7.7, in 92,457 wearers); highest rate
    208 - 0.7 x age (Tanaka et al., JACC 2001); RMSSD at rest: median 42 ms, falling with age (Nunan et al., PACE 2010:
    mean 42 ms, range of study means 19 to 75). What is not named here is chosen.
    """

    age_years: Floats
    resting_bpm: Floats
    reserve_bpm: Floats
    fitness: Floats
    ln_rmssd: Floats
    ln_rmssd_per_bpm: Floats
    sdnn_ratio: Floats
    noise: Floats
    sleep_drop_bpm: Floats
    circadian_bpm: Floats
    drift_bpm: Floats
    breaths_per_min: Floats
    spo2_percent: Floats
    dips_per_h: Floats
    skin_cel: Floats
    skin_night_cel: Floats
    body_cel: Floats
    body_swing_cel: Floats
    cycle_days: Floats
    cycle_phase: Floats
    mid_sleep_h: Floats
    sleep_h: Floats
    sleep_jitter_h: Floats
    night_shifts: Bools
    naps_share: Floats
    bouts_per_h: Floats
    walks_per_day: Floats
    sports_per_week: Floats
    plateaus_per_week: Floats
    stress_per_day: Floats
    stress_bpm: Floats
    coffees_per_day: Floats
    drinks_share: Floats
    rise_s: Floats
    fall_s: Floats
    device: Ints
    forward_fills: Bools
    has_body: Bools
    removed_at_night: Bools
    charge_h: Floats
    sensor_bpm: Floats
    utc_offset_min: Ints

    @property
    def count(self) -> int:
        """Number of people."""
        return len(self.age_years)


def draw_people(count: int, draw: np.random.Generator, population: Population = DEFAULT) -> People:
    """Return people drawn from a population."""
    age = draw.uniform(18, 85, count)
    fitness = draw.normal(0, 1, count)
    resting = (65 + draw.normal(0, 7, count) - 4 * fitness).clip(44, 92)
    normal, uniform = draw.normal, draw.uniform
    return People(
        age_years=age,
        resting_bpm=resting,
        reserve_bpm=(208 - 0.7 * age + normal(0, 7, count) - resting).clip(50, 160),
        fitness=fitness,
        ln_rmssd=(np.log(42) - 0.009 * (age - 42) + 0.12 * fitness + normal(0, 0.3, count)).clip(2.3, 4.9),
        ln_rmssd_per_bpm=-uniform(0.012, 0.03, count),
        sdnn_ratio=draw.lognormal(0.2, 0.12, count),
        noise=draw.lognormal(0, 0.25, count),
        sleep_drop_bpm=normal(6, 2.5, count).clip(1, 13),
        circadian_bpm=uniform(0.5, 3.5, count),
        drift_bpm=draw.lognormal(0.5, 0.35, count),
        breaths_per_min=normal(15, 1.8, count).clip(10, 20),
        spo2_percent=normal(97, 0.7, count).clip(94.5, 98.7),
        dips_per_h=np.where(uniform(0, 1, count) < 0.1, uniform(6, 15, count), draw.lognormal(0.3, 0.7, count)),
        skin_cel=normal(32.6, 0.7, count),
        skin_night_cel=normal(1.7, 0.4, count).clip(0.6, 3),
        body_cel=normal(36.6, 0.2, count),
        body_swing_cel=uniform(0.2, 0.45, count),
        cycle_days=np.where((age < 50) & (uniform(0, 1, count) < 0.4), normal(28.5, 2, count).clip(23, 36), 0.0),
        cycle_phase=uniform(0, 1, count),
        mid_sleep_h=normal(3.4, 1.0, count).clip(1, 7),
        sleep_h=normal(7.3, 0.7, count).clip(5, 9.5),
        sleep_jitter_h=uniform(0.2, 0.9, count),
        night_shifts=uniform(0, 1, count) < 0.05,
        naps_share=np.where(uniform(0, 1, count) < 0.3, uniform(0.1, 0.6, count), 0.02),
        bouts_per_h=draw.lognormal(np.log(3.8), 0.3, count).clip(1.2, 9),
        walks_per_day=draw.lognormal(np.log(2.2), 0.45, count),
        sports_per_week=draw.gamma(1.3, 1.6, count).clip(0, 8) * np.where(age > 70, 0.5, 1.0),
        plateaus_per_week=draw.lognormal(np.log(population.plateaus_per_week), population.plateaus_sigma, count),
        stress_per_day=draw.lognormal(np.log(2.0), 0.5, count),
        stress_bpm=draw.lognormal(np.log(4.4), 0.3, count),
        coffees_per_day=draw.choice((0.0, 1.0, 2.0, 3.5), count),
        drinks_share=draw.choice((0.0, 0.05, 0.15, 0.35), count),
        rise_s=uniform(30, 60, count),
        fall_s=uniform(60, 120, count) * np.exp(-0.1 * fitness),
        device=draw.choice(3, count, p=population.devices).astype(np.int64),
        forward_fills=uniform(0, 1, count) < 0.5,
        has_body=uniform(0, 1, count) < 0.5,
        removed_at_night=uniform(0, 1, count) < population.removed_at_night,
        charge_h=draw.choice((7.5, 18.5, 21.5), count) + uniform(-1, 1, count),
        sensor_bpm=np.where(uniform(0, 1, count) < 0.15, uniform(2, 4.5, count), uniform(0.5, 1.3, count)),
        utc_offset_min=draw.choice(_UTC_OFFSETS_MIN, count).astype(np.int64),
    )
