"""What the anomaly model keeps of its wearers: each apart, the same after a restart, and little."""

from dataclasses import fields, replace
from typing import Any, Final

import numpy as np
import pytest

from inference.pulsenet.calibration import Calibration
from inference.pulsenet.engine import Judged, PulseNet
from inference.pulsenet.series import HEART_RATE, VITAL_COUNT
from inference.pulsenet.steps import Steps
from inference.pulsenet.weights.loading import load
from inference.slots import Ints
from tests.unit.inference.pulsenet.made import NOON, USUAL, Spy, engine, live, population, wave

NAN = float("nan")
STATE_MOST_BYTES: Final = 2_048


def minutes_of(wearers: int, minutes: int, *, seed: int) -> list[Steps]:
    """Return restless minutes of wearers who come and go, with vitals missing and gated at random."""
    random = np.random.default_rng(seed)
    level = np.zeros((wearers, VITAL_COUNT))
    told = []
    for minute in range(minutes):
        level = 0.8 * level + 0.6 * random.standard_normal((wearers, VITAL_COUNT))
        values = USUAL * (1.0 + 0.08 * level)
        values[:, HEART_RATE] = np.round(values[:, HEART_RATE] / 4) * 4
        values[random.random(values.shape) < 0.3] = NAN
        steps = np.where(random.random(wearers) < 0.15, random.integers(1, 120, wearers), 0).astype(np.float64)
        steps[random.random(wearers) < 0.1] = NAN
        gated = random.random(values.shape) < 0.03
        here = np.flatnonzero(random.random(wearers) > (0.9 if minute % 50 > 44 else 0.1))
        if len(here):
            told.append(rows(wave(NOON + minute, values, slot=range(wearers), steps=steps, gated=gated), here))
    return told


def rows(step: Steps, which: Ints) -> Steps:
    """Return some rows of a wave, in that order."""
    return Steps(**{field.name: getattr(step, field.name)[which] for field in fields(Steps)})


def by_wearer(waves: list[Steps], judged: list[Judged], wearers: Ints) -> dict[int, bytes]:
    """Return all that was said of wearers, in order of time."""
    said: dict[int, list[bytes]] = {int(wearer): [] for wearer in wearers}
    for step, one in zip(waves, judged, strict=True):
        for wearer in wearers:
            for row in np.flatnonzero(step.slot == wearer):
                said[int(wearer)] += [getattr(one, field.name)[row].tobytes() for field in fields(Judged)]
    return {wearer: b"".join(parts) for wearer, parts in said.items()}


def test_an_answer_depends_on_its_wearer_alone() -> None:
    """Other slots, another order, other company and waves cut in two leave every wearer's answers, bit for bit."""
    random = np.random.default_rng(8)
    waves, company = minutes_of(17, 110, seed=6), minutes_of(40, 110, seed=7)
    first = by_wearer(waves, live(engine(17, seed=3), waves), np.arange(17))
    slots = random.permutation(57)
    mixed = []
    guests = {int(step.minute[0]): step for step in company}
    for step in waves:
        own = replace(step, slot=slots[step.slot])
        guest = guests.get(int(step.minute[0]))
        both = own if guest is None else joined(own, replace(guest, slot=slots[17 + guest.slot]))
        order = random.permutation(len(both.slot))
        cut = int(random.integers(0, len(order) + 1))
        mixed += [rows(both, part) for part in (order[:cut], order[cut:]) if len(part)]
    second = by_wearer(mixed, live(engine(57, seed=3), mixed), slots[:17])
    assert [second[int(slot)] for slot in slots[:17]] == [first[wearer] for wearer in range(17)]


def joined(one: Steps, other: Steps) -> Steps:
    """Return two waves of one minute as one."""
    return Steps(
        **{
            field.name: np.concatenate((getattr(one, field.name), getattr(other, field.name)))
            for field in fields(Steps)
        }
    )


def of(kind: str, wearers: int) -> PulseNet:
    """Return a made-up model, or one that ships, with room for some wearers."""
    if kind == "made":
        return engine(wearers, seed=3)
    model = load("network" if kind == "network" else "ridge")
    model.extend(wearers)
    return model


@pytest.mark.parametrize("kind", ["made", "network", "ridge"])
def test_the_same_minutes_say_the_same(kind: str) -> None:
    """Two models of the same weights say the same of the same minutes, and end in the same state, bit for bit."""
    waves = minutes_of(9, 100, seed=11)
    one, other = of(kind, 9), of(kind, 9)
    assert by_wearer(waves, live(one, waves), np.arange(9)) == by_wearer(waves, live(other, waves), np.arange(9))
    assert {name: a.tobytes() for name, a in one.dump().items()} == {n: a.tobytes() for n, a in other.dump().items()}


@pytest.mark.parametrize("kind", ["made", "network", "ridge"])
def test_a_restart_changes_nothing(kind: str) -> None:
    """State dumped and loaded into a new model in the middle says the same as an unbroken run, bit for bit."""
    waves = minutes_of(9, 100, seed=12)
    unbroken = live(of(kind, 9), waves)
    first, second = of(kind, 9), of(kind, 0)
    live(first, waves[:60])
    second.load({name: array.copy() for name, array in first.dump().items()})
    rest = live(second, waves[60:])
    for one, other in zip(unbroken[60:], rest, strict=True):
        for field in fields(Judged):
            assert getattr(one, field.name).tobytes() == getattr(other, field.name).tobytes()


def test_a_wearer_needs_no_more_than_two_kilobytes() -> None:
    """With a network of width 64, as the one that ships has, the state of a wearer takes at most 2,048 bytes."""
    made = PulseNet(Spy(width=64), Calibration(population()))
    made.extend(3)
    for model in (made, of("network", 3)):
        assert sum(array[0].nbytes for array in model.dump().values()) <= STATE_MOST_BYTES


def test_growing_keeps_what_is_known() -> None:
    """Room for more wearers leaves those who are there as they were."""
    waves = minutes_of(5, 40, seed=2)
    small, grown = engine(5, seed=3), engine(5, seed=3)
    live(small, waves[:20])
    live(grown, waves[:20])
    grown.extend(500)
    said: list[Any] = [by_wearer(waves[20:], live(one, waves[20:]), np.arange(5)) for one in (small, grown)]
    assert said[0] == said[1]
