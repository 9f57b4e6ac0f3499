"""Made people: the same seed makes the same people, and they look like people."""

from typing import Any

import msgspec
import numpy as np
import pytest

from ingest.admission import Limits, admit
from ingest.client.simulator import Injection, People, parse_injection, readings
from schemas import device_protocol
from schemas.errors import ContractError
from schemas.vitals import BY_NAME

NOON_MS = 1_795_262_400_000
VITALS_SENT = set(BY_NAME)
_READINGS: msgspec.json.Decoder[list[Any]] = msgspec.json.Decoder(list[device_protocol.Reading])  # type: ignore[valid-type]  # made from the registry at import


def run(seed: int, *, people: int = 20, steps: int = 600, step_s: int = 1) -> dict[str, np.ndarray]:
    """Return each vital that is measured in every step of a run, shape (steps, people)."""
    made = People(people, seed=seed)
    taken = [made.step(NOON_MS + step * step_s * 1000, step_s).vitals for step in range(steps)]
    return {name: np.stack([vitals[name] for vitals in taken]) for name in taken[1]}


def test_a_seed_repeats_its_run() -> None:
    """Two runs of one seed are equal in every vital, and another seed differs."""
    first, again, other = run(7), run(7), run(8)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["heart_rate"], other["heart_rate"])


def test_people_stay_within_what_living_people_show() -> None:
    """Over an hour of 200 people every vital stays within the registry's range, and resting rates look resting."""
    vitals = run(3, people=200, steps=720, step_s=5)
    for name, values in vitals.items():
        low, high = BY_NAME[name].plausible
        assert values.min() >= low, name
        assert values.max() <= high, name
    assert 55 < np.median(vitals["heart_rate"]) < 80
    assert 96 < np.median(vitals["spo2"]) < 98


def test_activity_raises_the_heart_rate_with_a_lag() -> None:
    """Moving seconds have faster hearts than still ones, and the first moving second is not yet fast."""
    vitals = run(5, people=100, steps=1800)
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


def test_what_is_told_once_a_minute() -> None:
    """Variability, with its window, and body temperature come in the first reading of a minute alone."""
    people = People(5, seed=2)
    first, second = (readings(NOON_MS + at, people.step(NOON_MS + at, 1.0)) for at in (0, 1000))
    assert all(reading["hrv_window_s"] == 300 and 36 < reading["body_temperature"] < 38.5 for reading in first)
    assert any(reading["hrv_rmssd"] is not None for reading in first)
    assert not any({"hrv_rmssd", "hrv_sdnn", "body_temperature", "hrv_window_s"} & set(reading) for reading in second)


def test_the_gateway_takes_every_field() -> None:
    """What ten people send in two minutes, faults of the body included, is decoded and admitted without a refusal."""
    people = People(10, seed=6, injection=Injection(fault="desaturation_ramp", minutes=1))
    limits = Limits(messages_per_s=1, readings_per_s=1, burst_s=1)
    told: set[str] = set()
    for second in range(0, 120, 2):
        time = NOON_MS + second * 1000
        made = readings(time, people.step(time, 2.0))
        told |= {field for reading in made for field in reading}
        taken = _READINGS.decode(msgspec.json.encode(made))
        admitted, refused = admit(enumerate(taken), seq=1, received_us=time * 1000, limits=limits, correction_ms=0)
        assert (admitted.count, refused) == (10, [])
    assert {*VITALS_SENT, "ibi", "hrv_window_s", "injected"} <= told


def test_beats_fill_the_time_at_the_rate_told() -> None:
    """The beat intervals of a reading stand in it as milliseconds, and over a minute they add up to about a minute."""
    people = People(4, seed=3)
    told = [readings(NOON_MS + step * 1000, people.step(NOON_MS + step * 1000, 1.0)) for step in range(61)]
    for person in range(4):
        beats = [beat for made in told for beat in made[person].get("ibi", [])]
        assert 56_000 < sum(beats) < 64_000
        rate = np.mean([made[person]["heart_rate"] for made in told])
        assert abs(60_000 / np.mean(beats) - rate) < 4


def test_an_injected_fault_is_marked() -> None:
    """From its minute on the first person's heart is faster by the fault's size, and every such reading is marked."""
    plain, hurt = People(3, seed=4), People(3, seed=4, injection=Injection(fault="tachycardia", minutes=1))
    times = [NOON_MS + second * 1000 for second in range(360)]
    before = [readings(time, plain.step(time, 1.0)) for time in times]
    after = [readings(time, hurt.step(time, 1.0)) for time in times]
    marked = [[bool(reading.get("injected")) for reading in made] for made in after]
    assert not any(reading.get("injected") for made in before for reading in made)
    assert [marks[0] for marks in marked] == [time - NOON_MS >= 60_000 for time in times]
    assert not any(any(marks[1:]) for marks in marked)
    added = [two[0]["heart_rate"] - one[0]["heart_rate"] for one, two in zip(before[210:], after[210:], strict=True)]
    assert np.mean(added) == pytest.approx(40, abs=1)
    assert after[-1][1]["heart_rate"] == before[-1][1]["heart_rate"]


@pytest.mark.parametrize("text", ["plague", "tachycardia@soon", "tachycardia@-1", "zeros@2", "tachycardia@inf"])
def test_an_injection_that_cannot_be_made_is_refused(text: str) -> None:
    """Unknown faults, faults of a device and times that are none are refused in a sentence."""
    with pytest.raises(ContractError, match=r"\.$"):
        parse_injection(text)


def test_an_injection_is_read() -> None:
    """A name begins after its minutes, and no text is no injection."""
    assert parse_injection("fever_drift@0") == Injection(fault="fever_drift", minutes=0)
    assert parse_injection("tachycardia@2.5", seconds=151)
    assert parse_injection("tachycardia@2.5") == Injection(fault="tachycardia", minutes=2.5)
    assert parse_injection("") is None


@pytest.mark.parametrize("text", ["tachycardia", "tachycardia@", "tachycardia@1e9", "tachycardia@nan"])
def test_an_injection_says_when(text: str) -> None:
    """Without minutes, or with minutes that nobody waits for, it is refused with an example."""
    with pytest.raises(ContractError, match="tachycardia@20"):
        parse_injection(text)


def test_an_injection_lies_within_its_simulation() -> None:
    """One that would begin after the end is refused, not left out in silence."""
    with pytest.raises(ContractError, match="after the end"):
        parse_injection("tachycardia@20", seconds=600)


def test_nobody_cannot_be_simulated() -> None:
    """A simulation of no people is refused."""
    with pytest.raises(ContractError, match="at least one"):
        People(0, seed=1)
