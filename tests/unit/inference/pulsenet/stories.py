"""Stories of some hours: what the sensors of calm, ill and busy wearers tell."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from inference.pulsenet.channels import CHANNELS
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
from inference.pulsenet.steps import Steps
from inference.slots import Floats
from tests.unit.inference.pulsenet.made import NOON, USUAL, wave

NAN = float("nan")
BEGINS: Final = 40
"""The minute in which what happens in a story begins; before it everybody is calm."""
LENGTH: Final = 200
CODES: Final = {channel.condition: code for code, channel in reversed(list(enumerate(CHANNELS)))}
Story = dict[str, Floats]


def calm(random: np.random.Generator) -> Story:
    """Return four hours at a desk: what the sensors of a calm wearer tell."""
    noise = np.zeros((LENGTH, VITAL_COUNT))
    for minute in range(1, LENGTH):
        noise[minute] = 0.8 * noise[minute - 1] + 0.6 * random.standard_normal(VITAL_COUNT)
    values = USUAL + noise * np.array([3.0, 4.0, 4.0, 0.4, 0.7, 0.1, 0.05])
    nothing = np.zeros(LENGTH)
    return {"values": values, "steps": nothing.copy(), "motion": nothing + 0.01, "gated": nothing.copy()}


def ramp(minutes: float) -> Floats:
    """Return how far something that takes so long has come, minute by minute."""
    return np.clip((np.arange(LENGTH) - BEGINS) / minutes, 0.0, 1.0)


def alarming() -> dict[str, Story]:
    """Return stories that must raise the condition they are named for."""
    random = np.random.default_rng(21)
    changes = {
        "heart_rate.high": (HEART_RATE, 40.0 * ramp(3)),
        "heart_rate.low": (HEART_RATE, -28.0 * ramp(3)),
        "spo2.low": (SPO2, -9.0 * ramp(20)),
        "respiratory_rate.high": (RESPIRATORY_RATE, 14.0 * ramp(10)),
        "hrv_rmssd.low": (HRV_RMSSD, -24.0 * ramp(10)),
        "skin_temperature.high": (SKIN_TEMPERATURE, 3.0 * ramp(60)),
        "body_temperature.high": (BODY_TEMPERATURE, 2.0 * ramp(60)),
    }
    stories = {}
    for name, (vital, change) in changes.items():
        stories[name] = calm(random)
        stories[name]["values"][:, vital] += change
    return stories


def harmless() -> dict[str, Story]:
    """Return stories that must raise nothing."""
    random = np.random.default_rng(22)
    names = ("calm", "exercise", "motion artefact", "dropout", "nothing but steps", "zeros", "absent HRV", "wrist off")
    stories = {name: calm(random) for name in (*names, "frozen value", "rare saturation")}
    minute = np.arange(LENGTH)
    walks = (minute >= BEGINS) & (minute < BEGINS + 30)
    effort = 80.0 * (ramp(4) - np.clip((minute - BEGINS - 30) / 8.0, 0.0, 1.0))
    stories["exercise"]["steps"][walks] = 120.0
    stories["exercise"]["motion"][walks] = 0.5
    stories["exercise"]["values"][:, HEART_RATE] += effort
    stories["exercise"]["values"][:, RESPIRATORY_RATE] += effort / 6.0
    shaken = (minute >= BEGINS) & (minute % 5 < 2)
    stories["motion artefact"]["motion"][shaken] = 0.4
    stories["motion artefact"]["values"][shaken, HEART_RATE] += 50.0
    later = minute >= BEGINS
    stories["dropout"]["values"][later & (minute % 40 < 25)] = NAN
    stories["nothing but steps"]["values"][later] = NAN
    stories["zeros"]["values"][later & (minute % 20 < 5)] = 0.0
    stories["zeros"]["gated"][later & (minute % 20 < 5)] = 1.0
    stories["absent HRV"]["values"][:, [HRV_RMSSD, HRV_SDNN]] = NAN
    stories["wrist off"]["gated"][later] = 1.0
    stories["wrist off"]["values"][:, SKIN_TEMPERATURE] -= 8.0 * ramp(30)
    stories["wrist off"]["values"][later, HEART_RATE] = 140.0
    stories["frozen value"]["values"][later, HEART_RATE] = 88.0
    stories["rare saturation"]["values"][minute % 12 > 0, SPO2] = NAN
    return stories


STORIES: Final = {**alarming(), **harmless()}
NAMES: Final = list(STORIES)


def told_of(stories: list[Story]) -> Iterator[Steps]:
    """Yield the minutes of stories side by side."""
    for minute in range(LENGTH):
        told = {name: np.stack([story[name][minute] for story in stories]) for name in stories[0]}
        yield wave(
            NOON + minute,
            told["values"],
            slot=range(len(stories)),
            steps=told["steps"],
            motion=told["motion"],
            gated=told["gated"] > 0,
        )
