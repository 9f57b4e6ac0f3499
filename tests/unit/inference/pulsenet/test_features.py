"""The inputs of a model."""

from dataclasses import replace

import numpy as np

from inference.pulsenet.activity import ACTIVITY_FEATURES
from inference.pulsenet.features import ABSOLUTE, CONTEXT, SEEN, LastSeen
from inference.pulsenet.inputs import FROZEN, GATED, JUDGED, NO_VALUE, WARMING_UP, Inputs, Look
from inference.pulsenet.personal import PRIOR_CENTRE, UNIT, Personal
from inference.pulsenet.series import HEART_RATE, SPO2, VITAL_COUNT
from tests.unit.inference.pulsenet.made import NOON, NOTHING, USUAL, wave

SLOT = np.zeros(1, dtype=np.int64)


def inputs(wearers: int = 1) -> Inputs:
    """Return inputs with room for some wearers."""
    made = Inputs()
    for table in made.tables().values():
        table.extend(wearers)
    return made


def looked(made: Inputs, minutes: int, *, rate: float = 70.0) -> list[Look]:
    """Return looks at minutes of rest, the rate going up and down by one, and learn from them."""
    looks = []
    for minute in range(minutes):
        values = {HEART_RATE: rate + minute % 2}
        step = wave(NOON + minute, values)
        look = made.look(step)
        made.learn(step, look, look.usual.centre, UNIT[None, :], may=np.ones((1, VITAL_COUNT), dtype=np.bool_))
        looks.append(look)
    return looks


def test_the_context_has_a_fixed_order_and_width() -> None:
    """Activity first, then centre and spread of the absolute vitals, then what was measured."""
    look = inputs().look(wave(NOON, {HEART_RATE: 70.0, SPO2: 97.0}))
    assert look.context.shape == (1, CONTEXT)
    assert look.context[0, :ACTIVITY_FEATURES].tolist() == look.active.features[0].tolist()
    own = look.context[0, ACTIVITY_FEATURES : ACTIVITY_FEATURES + 2 * len(ABSOLUTE)]
    assert own.tolist() == [0.0] * len(ABSOLUTE) + [1.0] * len(ABSOLUTE)
    assert look.context[0, -VITAL_COUNT:].tolist() == [1, 0, 0, 1, 0, 0, 0]


def test_the_context_does_not_know_any_value() -> None:
    """Two wearers of whom the same vitals are measured, whatever plausible values, have one context in each minute."""
    made = inputs(2)
    random = np.random.default_rng(5)
    for minute in range(40):
        values = USUAL * random.uniform(0.9, 1.02, (2, VITAL_COUNT))
        values[:, random.random(VITAL_COUNT) < 0.3] = np.nan
        step = wave(NOON + minute, values, slot=(0, 1), steps=float(minute % 7 == 0) * 30)
        look = made.look(step)
        assert look.context[0].tobytes() == look.context[1].tobytes()
        made.learn(step, look, look.usual.centre, UNIT[None, :], may=np.zeros((2, VITAL_COUNT), dtype=np.bool_))


def test_what_was_seen_is_that_of_the_minutes_before() -> None:
    """The last observed distance and its age come from earlier minutes, never from this one."""
    made = inputs()
    looks = looked(made, 20, rate=80.0)
    assert looks[-1].seen.shape == (1, SEEN)
    last = (80.0 + 18 % 2 - looks[-2].usual.centre[0, HEART_RATE]) / UNIT[HEART_RATE]
    assert abs(looks[-1].seen[0, HEART_RATE] - last) < 1e-6
    assert looks[-1].since[0, HEART_RATE] == 1
    changed = made.look(wave(NOON + 20, {HEART_RATE: 200.0}))
    assert abs(changed.seen[0, HEART_RATE]) < 1.5


def test_a_vital_never_seen_is_far_away_in_time_and_at_no_distance() -> None:
    """The feature of a vital that was never measured is the one of four hours ago, and differs from one just seen."""
    look = looked(inputs(), 20)[-1]
    assert look.since[0, SPO2] > 10**6
    assert look.seen[0, SPO2] == 0.0
    assert look.seen[0, VITAL_COUNT + SPO2] < 0.03 < look.seen[0, VITAL_COUNT + HEART_RATE]


def test_a_value_far_off_is_remembered_as_far_and_no_farther() -> None:
    """Distances are clipped at six units."""
    last = LastSeen()
    last.table.extend(1)
    personal = Personal()
    personal.table.extend(1)
    usual = personal.usual(SLOT, SLOT)
    compared = PRIOR_CENTRE[None, :] + 50 * UNIT
    last.see(SLOT, np.array([NOON]), compared, usual, np.ones((1, VITAL_COUNT), dtype=np.bool_))
    assert (last.table["distance"][0] == 6.0).all()


def test_what_is_not_believed_is_not_remembered() -> None:
    """A gated value leaves what was seen, and when, as it was."""
    made = inputs()
    looked(made, 20)
    before = {name: array.copy() for name, array in made.tables()["last"].dump().items()}
    step = wave(NOON + 20, {HEART_RATE: 0.0}, gated=True)
    look = made.look(step)
    made.learn(step, look, look.usual.centre, UNIT[None, :], may=np.ones((1, VITAL_COUNT), dtype=np.bool_))
    for name, array in made.tables()["last"].dump().items():
        assert array.tobytes() == before[name].tobytes()


def test_the_first_quarter_of_an_hour_is_not_believed() -> None:
    """Fifteen minutes warm up, for a new wearer and after a gap of more than an hour; the sixteenth is judged."""
    made = inputs()
    gates = [int(look.gate[0]) for look in looked(made, 17)]
    assert gates == [WARMING_UP] * 15 + [JUDGED] * 2
    assert made.look(wave(NOON + 16 + 61, {HEART_RATE: 70.0})).gate.tolist() == [WARMING_UP]


def test_the_gate_names_why_a_heart_rate_is_not_judged() -> None:
    """No value, frozen and gated are told apart."""
    made = inputs()
    looked(made, 20)
    assert made.look(wave(NOON + 20, {SPO2: 97.0})).gate.tolist() == [NO_VALUE]
    assert made.look(wave(NOON + 21, {HEART_RATE: 70.0}, gated=True)).gate.tolist() == [GATED]
    gates = [made.look(wave(NOON + 22 + minute, {HEART_RATE: 66.0})).gate.tolist() for minute in range(4)]
    assert gates == [[JUDGED], [JUDGED], [JUDGED], [FROZEN]]


def test_a_frozen_heart_rate_takes_no_other_vital_with_it() -> None:
    """In a frozen minute the saturation is still believed."""
    made = inputs()
    looked(made, 20)
    looks = [made.look(wave(NOON + 20 + minute, {HEART_RATE: 66.0, SPO2: 97.0})) for minute in range(4)]
    assert not looks[-1].believed[0, HEART_RATE]
    assert looks[-1].believed[0, SPO2]


def test_an_absent_value_is_never_believed() -> None:
    """NaN is not believed, whatever the gates say."""
    made = inputs()
    looked(made, 20)
    step = replace(wave(NOON + 20, NOTHING), gated=np.zeros((1, VITAL_COUNT), dtype=np.bool_))
    assert not made.look(step).believed.any()
