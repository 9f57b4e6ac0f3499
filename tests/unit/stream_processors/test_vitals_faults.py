"""What must alarm and what must not, through the whole vitals family with the anomaly model: hours of many people."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pytest

from stream_processors.families.vitals import VitalsFamily
from tests.made_model import detector
from tests.vitals_frames import T0_MS, LoggedState, reading, wearer_id

pytestmark = pytest.mark.story

EVERY_S: Final = 20
KNOWN_S: Final = 4 * 3_600
"""So long everybody is as usual, with a reading a minute; then what is told below begins."""
END_S: Final = KNOWN_S + 75 * 60
Given = dict[str, Any] | None
Person = Callable[[Given, float, np.random.Generator], Given]
"""Takes a usual reading and the minutes since it began (below 0 before), and returns what is measured."""


def usual(random: np.random.Generator) -> dict[str, Any]:
    """Return a reading of somebody who sits and is well."""
    return {
        "heart_rate": random.normal(66.0, 1.5),
        "hrv_rmssd": random.normal(45.0, 3.0),
        "spo2": min(random.normal(97.0, 0.4), 100.0),
        "respiratory_rate": random.normal(15.0, 0.5),
        "skin_temperature": random.normal(33.0, 0.05),
        "body_temperature": random.normal(36.7, 0.03),
        "motion": 0.01,
        "steps": 0.0,
        "worn": True,
        "quality": 0.9,
    }


def shifted(vital: str, by: float, *, ramp_min: float = 2.0) -> Person:
    """Return somebody of whom one vital moves away, within so many minutes, and stays there."""

    def measure(reading: Given, minutes: float, random: np.random.Generator) -> Given:
        del random
        assert reading is not None
        return {**reading, vital: max(reading[vital] + by * min(max(minutes / ramp_min, 0.0), 1.0), 5.0)}

    return measure


def changed(change: Callable[[dict[str, Any], float, np.random.Generator], Given], *, for_min: float = 20.0) -> Person:
    """Return somebody whose readings are changed for so long, then as usual."""

    def measure(reading: Given, minutes: float, random: np.random.Generator) -> Given:
        assert reading is not None
        return change(reading, minutes, random) if 0 <= minutes < for_min else reading

    return measure


def rarely(vital: str, by: float) -> Person:
    """Return somebody of whom one vital is measured every ten minutes alone, and moves away."""
    moved = shifted(vital, by)

    def measure(reading: Given, minutes: float, random: np.random.Generator) -> Given:
        assert reading is not None
        if round(minutes * 60) % 600:
            return {name: value for name, value in reading.items() if name != vital}
        return moved(reading, minutes, random)

    return measure


def exercise(reading: dict[str, Any], minutes: float, random: np.random.Generator) -> Given:
    """Run for 15 min, then stand still while the heart comes down."""
    runs = minutes < 15
    rate = 150.0 if runs else 66.0 + 84.0 * 0.4 ** (minutes - 15)
    moves = {"motion": 0.4, "steps": 50.0} if runs else {}
    return {**reading, "heart_rate": random.normal(rate, 3.0), **moves}


MUST_ALARM: Final[dict[str, tuple[Person, str]]] = {
    "tachycardia": (shifted("heart_rate", 45.0), "heart_rate.high"),
    "bradycardia": (shifted("heart_rate", -27.0), "heart_rate.low"),
    "a drop of heart rate variability": (shifted("hrv_rmssd", -36.0), "hrv_rmssd.low"),
    "a desaturation ramp": (shifted("spo2", -9.0, ramp_min=10.0), "spo2.low"),
    "fever": (shifted("body_temperature", 2.2, ramp_min=30.0), "body_temperature.high"),
    "warm skin": (shifted("skin_temperature", 3.5, ramp_min=30.0), "skin_temperature.high"),
    "fast breathing": (shifted("respiratory_rate", 13.0), "respiratory_rate.high"),
    "fever by a thermometer that measures every ten minutes": (
        rarely("body_temperature", 2.6),
        "body_temperature.high",
    ),
    "desaturation by an oximeter that measures every ten minutes": (rarely("spo2", -9.0), "spo2.low"),
}
MUST_NOT: Final[dict[str, Person]] = {
    "nothing": changed(lambda reading, _minutes, _random: reading),
    "exercise": changed(exercise),
    "motion artefact": changed(
        lambda reading, _minutes, random: {
            **reading, "heart_rate": random.uniform(40.0, 200.0), "motion": 0.3, "steps": 0.0, "quality": 0.6,
        }
    ),
    "low quality": changed(lambda reading, _, random: {**reading, "heart_rate": random.normal(150, 5), "quality": 0.3}),
    "dropout": changed(lambda _reading, _minutes, _random: None),
    "absent variability": changed(
        lambda reading, _minutes, _random: {name: value for name, value in reading.items() if name != "hrv_rmssd"}
    ),
    "wrist off": changed(lambda reading, _, random: {**reading, "heart_rate": random.normal(140, 5), "worn": False}),
    "frozen value": changed(
        lambda _reading, _minutes, _random: {"heart_rate": 96.0, "steps": 0.0, "motion": 0.01, "worn": True}
    ),
}  # fmt: skip
PEOPLE: Final = {**{name: person for name, (person, _) in MUST_ALARM.items()}, **MUST_NOT}


@pytest.fixture(scope="module")
def opened() -> dict[str, list[str]]:
    """Return the conditions of the body that were opened, by person."""
    random = np.random.default_rng(11)
    log = LoggedState(VitalsFamily(detector).open(0, None))
    for second in [*range(0, KNOWN_S, 60), *range(KNOWN_S, END_S, EVERY_S)]:
        at = T0_MS + second * 1000
        rows = []
        for number, person in enumerate(PEOPLE.values()):
            measured = person(usual(random), (second - KNOWN_S) / 60, random)
            if measured is not None:
                rows.append(reading(at, wearer=number, **measured))
        log.append(at + 50, rows)
    names = {wearer_id(number): name for number, name in enumerate(PEOPLE)}
    found: dict[str, list[str]] = {name: [] for name in PEOPLE}
    for change in log.episodes:
        if change.phase == "opened" and change.type == "physiological" and change.subject.wearer is not None:
            found[names[change.subject.wearer]].append(change.condition)
    return found


@pytest.mark.parametrize("name", MUST_ALARM)
def test_what_must_alarm_alarms(name: str, opened: dict[str, list[str]]) -> None:
    """Each opens one episode of its own condition."""
    assert opened[name].count(MUST_ALARM[name][1]) == 1


@pytest.mark.parametrize("name", MUST_NOT)
def test_what_must_not_alarm_does_not(name: str, opened: dict[str, list[str]]) -> None:
    """None of these opens an episode of the body."""
    assert opened[name] == []
