"""What a worker tells of its detectors."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from inference.pulsenet import drift
from inference.pulsenet.drift import Reference
from infra.detectors import shipped_detectors
from infra.metrics.meter import PrometheusMeter
from infra.models.watch import ModelWatch
from schemas import frame
from schemas.topics import READINGS
from stream_processors.families.vitals import VitalsFamily, VitalsState
from stream_processors.operators.tally import LEARNED_MIN
from stream_processors.ports import Record, Roles
from tests.made_models import MADE, OTHER, MadeModels

DAY_MS = 86_400_000


class Made(MadeModels):
    """Models with references, and with nobody standing in."""

    fallback = ""

    @property
    def decided(self) -> Roles:
        """Who is wanted, as it was last looked for."""
        return self.wanted

    def reference(self, name: str) -> Reference:
        """Return one of which every minute had the same score."""
        counts = np.zeros(drift.PLACES, dtype=np.int64)
        counts[8] = 10_000
        return Reference(model=name, source="made up", scores=counts, inputs=np.tile(counts, (7, 1)))


def watched(roles: Roles, *, off: str = "") -> tuple[ModelWatch, list[VitalsState], PrometheusMeter, Made]:
    """Return a watch over two partitions, of which the first has counted something."""
    models, meter = Made(roles), PrometheusMeter()
    meter.begin("vitals")
    family = VitalsFamily(models=models)
    states = [family.open(partition, None) for partition in range(2)]
    counts = states[0].shadow.tally.counts
    counts.agreed_ms[:] = [[2 * DAY_MS, DAY_MS], [0, DAY_MS]]
    counts.alerts[:] = [[2, 1], [8, 0]]
    counts.scores[:, 8] = [9_000, 5_000]
    counts.scores[1, 20] = 4_000
    states[0].shadow.off = off
    for second in (1, 2):  # observed time begins with the first
        beat(states[0], second=second)
    held: Sequence[Any] = states
    detectors: Any = models
    return ModelWatch(detectors, lambda: held, meter), states, meter, models


def beat(state: VitalsState, *, second: int) -> None:
    """Step a heartbeat, after which there is something to be seen: another second of observed time has begun."""
    record = Record(
        topic=READINGS.name, partition=0, offset=second, append_ms=second * 1_000, key=None, value=frame.heartbeat()
    )
    state.step(record)


def value(meter: PrometheusMeter, name: str, **labels: str) -> float | None:
    """Return a metric."""
    return meter.registry.get_sample_value(f"pulsera_{name}", labels)


def test_both_detectors_are_told_of() -> None:
    """Roles, agreement, alerts a wearer-day and drift, in the health answer and as metrics."""
    watch, _, meter, _ = watched(Roles(MADE, OTHER))
    told = watch.told()
    assert (told["alerting"], told["role"], told["fallback"], told["wanted"]) == (MADE, "alerting", None, MADE)
    assert told["drift"] == pytest.approx(0.0, abs=0.01)
    shadow = told["shadow"]
    assert (shadow["name"], shadow["state"], shadow["reason"]) == (OTHER, "running", None)
    assert (shadow["wearer_days"], shadow["agreement"]) == (4.0, 0.75)
    assert shadow["alerts_per_day"] == {"alerting": {"1": 0.5, "2": 0.25}, "shadow": {"1": 2.0, "2": 0.0}}
    assert shadow["drift"] > drift.LARGE
    assert (told["wearers"], shadow["lacking"], shadow["takeover"]) == (0, 0, None)
    watch.tell()
    assert value(meter, "detector_info", model=OTHER, role="shadow") == 1
    assert value(meter, "shadow_alerts_per_day", detector="shadow", tier="1") == 2.0
    assert value(meter, "model_drift", model=OTHER, role="shadow", of="scores") == shadow["drift"]
    assert np.isnan(value(meter, "model_drift", model=OTHER, role="shadow", of="inputs") or 0.0)


def test_a_shadow_that_failed_is_told_and_counted_once() -> None:
    """Why it is off stands in the health answer."""
    watch, _, meter, _ = watched(Roles(MADE, OTHER), off="ZeroDivisionError: made to fail")
    shadow = watch.told()["shadow"]
    assert (shadow["state"], shadow["reason"]) == ("off", "ZeroDivisionError: made to fail")
    for _ in range(2):
        watch.tell()
    assert value(meter, "shadow_failures_total") == 1
    assert value(meter, "shadow_off") == 1


def test_a_takeover_is_counted_and_the_roles_of_before_are_gone() -> None:
    """The gauge of who alerted goes to 0."""
    watch, states, meter, models = watched(Roles(MADE, OTHER))
    watch.tell()
    models.wanted = Roles(OTHER, MADE)
    assert watch.told()["wanted"] == OTHER
    assert watch.told()["alerting"] == MADE
    family = VitalsFamily(models=models)
    states[:] = [family.open(0, state.successor()) for state in states]
    watch.tell()
    assert value(meter, "takeovers_total") == 1
    assert value(meter, "detector_info", model=MADE, role="alerting") == 0
    assert value(meter, "detector_info", model=OTHER, role="alerting") == 1


def test_a_takeover_that_waits_says_for_what() -> None:
    """How many wearers the model knows too little, and what is demanded."""
    watch, states, _, models = watched(Roles(MADE, OTHER))
    models.wanted = Roles(OTHER, MADE)
    table = states[0].shadow.tally.table
    table.extend(3)
    table["minute"][:3] = 1_000
    states[0].shadow.tally.begin_learning()
    assert watch.told()["wearers"] == 0, "What is seen is what was after the last step."
    beat(states[0], second=3)
    told = watch.told()
    assert (told["wearers"], told["shadow"]["lacking"]) == (3, 3)
    assert "3 of 3 wearers too little" in told["shadow"]["takeover"]
    assert f"{LEARNED_MIN} min" in told["shadow"]["takeover"]


def test_before_any_partition_is_there_the_wanted_detector_is_told() -> None:
    """A worker that has nothing yet says who would judge, and why another stands in."""
    detectors = shipped_detectors("resting-rate", PrometheusMeter())
    detectors.roles()
    detectors.fallback = "made up"
    told = ModelWatch(detectors, list, PrometheusMeter()).told()
    assert (told["alerting"], told["role"], told["fallback"]) == ("resting-rate 1", "fallback", "made up")
    assert (told["shadow"], told["drift"]) == (None, None)
