"""Recordings of made people at minutes, for training and evaluation: `Series` marked `simulated`."""

from typing import Final

import numpy as np

from inference.physiology.body import Answer, Body, inputs_of, vitals
from inference.physiology.days import DAY_MIN, plan
from inference.physiology.people import DEFAULT, People, Population, draw_people
from inference.physiology.wearing import Record, record
from inference.pulsenet.series import Series
from inference.slots import Floats

FIRST_MINUTE: Final = 27_743_040
"""2022-10-01 00:00 UTC, where recordings begin unless a caller says otherwise."""
_BLOCK_CELLS: Final = 1_200_000
"""Most minutes x people in memory at once (some 40 columns of 8 bytes)."""


def simulate_minutes(
    people: int, days: float, *, seed: int, first_minute: int = FIRST_MINUTE, population: Population = DEFAULT
) -> list[Series]:
    """Return a recording of each of `people` made people over `days` days.

    The same arguments give the same recordings, bit for bit on one machine. Values are what a device would have
    written down: NaN where it was off the wrist, does not measure, or failed.

    Raises:
        ValueError: There are no people, or no minutes.
    """
    minutes = round(days * DAY_MIN)
    if people < 1 or minutes < 1:
        raise ValueError(f"There must be at least one person and one minute, not {people} and {minutes}.")
    block = max(1, _BLOCK_CELLS // minutes)
    made: list[Series] = []
    for number, first in enumerate(range(0, people, block)):
        draw = np.random.default_rng([seed, number])
        crowd = draw_people(min(block, people - first), draw, population)
        made += _series(crowd, _recorded(crowd, draw, first_minute, minutes, population), first_minute, first)
    return made


def _recorded(people: People, draw: np.random.Generator, first_minute: int, minutes: int, who: Population) -> Record:
    drives = plan(people, draw, first_minute=first_minute, minutes=minutes)
    answer = _lived(Body(people, draw), drives.exertion, inputs_of(drives), draw)
    return record(people, drives, vitals(people, drives, answer), draw, who)


def _lived(body: Body, exertion: Floats, inputs: Floats, draw: np.random.Generator) -> Answer:
    """Return the bodies' states, minute after minute."""
    mean, wander, lagged = np.empty_like(exertion), np.empty_like(inputs), np.empty_like(inputs)
    for minute in range(len(exertion)):
        now = body.step(exertion[minute], inputs[:, minute], draw.standard_normal(inputs[:, minute].shape), 60.0)
        mean[minute], wander[:, minute], lagged[:, minute] = now.exertion, now.wander, now.lagged
    return Answer(exertion=mean, wander=wander, lagged=lagged)


def _series(people: People, told: Record, first_minute: int, first: int) -> list[Series]:
    return [
        Series(
            name=f"simulated-{first + index}",
            data="simulated",
            first_minute=first_minute,
            utc_offset_min=int(people.utc_offset_min[index]),
            values=np.ascontiguousarray(told.values[:, index]),
            steps=np.ascontiguousarray(told.steps[:, index]),
            motion=np.ascontiguousarray(told.motion[:, index]),
            worn=np.ascontiguousarray(told.worn[:, index]),
        )
        for index in range(people.count)
    ]
