"""Made people: the same seed makes the same people, and they look like people."""

import numpy as np
import pytest

from ingest.client.simulator import People, readings
from schemas.errors import ContractError
from schemas.vitals import BY_NAME

NOON_MS = 1_795_262_400_000


def run(seed: int, *, people: int = 20, steps: int = 600) -> dict[str, np.ndarray]:
    """Return each vital of a run, shape (steps, people)."""
    made = People(people, seed=seed)
    taken = [made.step(NOON_MS + step * 1000, 1.0) for step in range(steps)]
    return {name: np.stack([vitals[name] for vitals in taken]) for name in taken[0]}


def test_a_seed_repeats_its_run() -> None:
    """Two runs of one seed are equal in every vital, and another seed differs."""
    first, again, other = run(7), run(7), run(8)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["heart_rate"], other["heart_rate"])


def test_people_stay_within_what_living_people_show() -> None:
    """Over an hour of 200 people every vital stays within the registry's range, and resting rates look resting."""
    vitals = run(3, people=200, steps=3600)
    for name, values in vitals.items():
        low, high = BY_NAME[name].plausible
        assert values.min() >= low, name
        assert values.max() <= high, name
    assert 55 < np.median(vitals["heart_rate"]) < 80
    assert 96 < np.median(vitals["spo2"]) < 98


def test_activity_raises_the_heart_rate_with_a_lag() -> None:
    """Moving seconds have faster hearts than still ones, and the first moving second is not yet fast."""
    vitals = run(5, people=200, steps=1800)
    moving = vitals["motion"] > 0.06
    rate = vitals["heart_rate"] - vitals["heart_rate"][0]
    begins = moving[1:] & ~moving[:-1]
    assert rate[moving].mean() > rate[~moving].mean() + 10
    assert rate[1:][begins].mean() < rate[moving].mean() - 5
    assert vitals["steps"][moving].mean() > 0.5
    assert vitals["steps"][vitals["motion"] < 0.02].max() == 0


def test_readings_are_messages_ready_to_send() -> None:
    """Each person gives one reading with its time, source and every vital as a plain number."""
    made = readings(NOON_MS, People(3, seed=1).step(NOON_MS, 1.0))
    assert len(made) == 3
    assert all(reading["time"] == NOON_MS and reading["source"] == "watch" for reading in made)
    assert all(type(made[0][name]) is float for name in ("heart_rate", "spo2", "motion", "steps"))


def test_nobody_cannot_be_simulated() -> None:
    """A simulation of no people is refused."""
    with pytest.raises(ContractError, match="at least one"):
        People(0, seed=1)
