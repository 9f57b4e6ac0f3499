"""Made people at seconds: beats, breath and steps agree with the vitals told, and runs repeat."""

import numpy as np
import pytest

from inference.physiology.onsets import STREAMED, onset
from inference.physiology.people import draw_people
from inference.physiology.seconds import Living, Moment

NOON_MS = 1_795_262_400_000


def run(living: Living, seconds: float, *, hz: float = 1.0, start_ms: int = NOON_MS) -> list[Moment]:
    """Return the moments of a run."""
    return [living.step(start_ms + round(step * 1000 / hz), 1 / hz) for step in range(round(seconds * hz))]


def rmssd_ms(beats: np.ndarray) -> float:
    """Return the root mean square of successive differences."""
    return float(np.sqrt(np.mean(np.diff(beats) ** 2)))


def test_the_beats_vary_as_the_variability_told() -> None:
    """RMSSD of the beats of five minutes comes to what the device tells, within a third for nearly everybody."""
    living = Living(40, seed=1)
    moments = run(living, 300, hz=4)
    told = np.nanmean([m.vitals["hrv_rmssd"] for m in moments if "hrv_rmssd" in m.vitals], axis=0)
    beats = np.concatenate([m.ibi_ms for m in moments if m.ibi_ms.shape[1]], axis=1)
    known = np.flatnonzero(np.isfinite(told))
    ratios = [rmssd_ms(beats[person][np.isfinite(beats[person])]) / told[person] for person in known]
    assert np.median(ratios) == pytest.approx(1.0, abs=0.15)
    assert np.mean(np.abs(np.log(ratios)) < np.log(1.33)) > 0.8


def test_steps_are_whole_and_none_is_lost() -> None:
    """Steps of a second are whole numbers, and faster sending tells as many in all."""
    slow, quick = (run(Living(50, seed=2), 300, hz=hz) for hz in (1, 5))
    once, often = (np.stack([m.vitals["steps"] for m in moments]).sum(axis=0) for moments in (slow, quick))
    assert np.array_equal(once, np.floor(once))
    assert once.sum() > 300
    assert np.abs(once - often).max() <= 2


def test_nights_and_days_differ_at_seconds_too() -> None:
    """The same people have slower hearts at three at night than at three in the afternoon."""
    people = draw_people(60, np.random.default_rng(3))
    zone_ms = 3_600_000 * 24
    at_three = NOON_MS - NOON_MS % zone_ms + 3 * 3_600_000
    rates = []
    for start_ms in (at_three, at_three + 12 * 3_600_000):
        moments = run(Living(60, seed=3), 120, hz=0.5, start_ms=start_ms)
        rates.append(np.mean([m.vitals["heart_rate"] for m in moments], axis=0)[people.utc_offset_min == 60])
    assert np.median(rates[1] - rates[0]) > 3


def test_a_plan_that_ends_is_followed_by_another() -> None:
    """A run goes on beyond the end of what was planned, and after a jump of its clock."""
    living = Living(2, seed=4)
    for start_ms in (NOON_MS, NOON_MS + 86_400_000 - 5_000, NOON_MS + 3 * 86_400_000, NOON_MS):
        for moment in run(living, 20, start_ms=start_ms):
            assert np.isfinite(moment.vitals["heart_rate"]).all()


@pytest.mark.parametrize("name", STREAMED)
def test_every_fault_of_a_body_can_set_in(name: str) -> None:
    """A streamed fault changes the first person alone, and only within its minutes."""
    plain, hurt = Living(2, seed=5), Living(2, seed=5, fault=name, fault_min=1)
    changed = []
    for minute in range(12):
        one, two = (living.step(NOON_MS + minute * 60_000, 60.0) for living in (plain, hurt))
        differs = {
            vital for vital in one.vitals if not np.array_equal(one.vitals[vital], two.vitals[vital], equal_nan=True)
        }
        changed.append(bool(differs))
        assert all(one.vitals[v][1] == two.vitals[v][1] or np.isnan(one.vitals[v][1]) for v in one.vitals)
        assert two.injected.tolist() == [minute >= 1, False]
    assert not changed[0]
    assert changed[-1]


def test_a_fault_of_a_device_does_not_befall_a_body() -> None:
    """Faults that are not a body's are refused by name."""
    with pytest.raises(ValueError, match="cannot be injected"):
        onset(draw_people(1, np.random.default_rng(1)), "dropout", begins_min=0)


def test_a_fault_ends() -> None:
    """After its last minute a fault changes nothing."""
    plain, hurt = Living(1, seed=6), Living(1, seed=6, fault="tachycardia")
    for minute in range(25):
        one, two = (living.step(NOON_MS + minute * 60_000, 60.0) for living in (plain, hurt))
        assert two.injected[0] == (minute < 20)
    assert one.vitals["heart_rate"] == pytest.approx(two.vitals["heart_rate"])
