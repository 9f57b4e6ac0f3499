"""The vitals family with a second detector in shadow: nobody hears it, and it may take over where a state is saved."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from schemas.errors import ContractError
from stream_processors.families.vitals import VitalsFamily, VitalsState
from stream_processors.operators.detector import Scores, Verdict
from stream_processors.operators.pulsenet import PulseNetDetector
from stream_processors.operators.tally import ALERTING, SHADOW
from stream_processors.ports import Roles
from tests.made_model import model
from tests.made_models import MADE, OTHER, RESTING, MadeModels
from tests.vitals_frames import T0_MS, LoggedState, reading

CALM_MIN, HIGH_MIN, AFTER_MIN = 25, 14, 12
EVERY_S = 40
WEARERS = 2


def minutes() -> Iterator[tuple[int, list[dict[str, Any]]]]:
    """Yield append times and the readings of people of whom the first has a fast heart for a while."""
    random = np.random.default_rng(11)
    for second in range(0, (CALM_MIN + HIGH_MIN + AFTER_MIN) * 60, EVERY_S):
        at = T0_MS + second * 1000
        fast = CALM_MIN <= second / 60 < CALM_MIN + HIGH_MIN
        yield at + 50, [
            reading(at, wearer=one, heart_rate=random.normal(120.0 if fast and one == 0 else 64.0, 1.5), spo2=97.0,
                    motion=0.01, steps=0.0)
            for one in range(WEARERS)
        ]  # fmt: skip


RECORDS = list(minutes())


def run(state: VitalsState, records: list[tuple[int, list[dict[str, Any]]]]) -> LoggedState:
    """Return the log after these records."""
    log = LoggedState(state)
    for append_ms, readings in records:
        log.append(append_ms, readings)
    return log


def state_of(wanted: Roles) -> tuple[VitalsState, MadeModels, VitalsFamily]:
    """Return a fresh state with these roles, what decides on them, and the family."""
    models = MadeModels(wanted)
    family = VitalsFamily(models=models)
    return family.open(0, None), models, family


ALONE = run(state_of(Roles(MADE))[0], RECORDS)


@pytest.mark.parametrize("shadow", [OTHER, RESTING])
def test_nobody_hears_the_shadow(shadow: str) -> None:
    """What is published is the same, byte for byte, with a shadow and without."""
    assert [change.phase for change in ALONE.episodes][:1] == ["opened"]
    assert run(state_of(Roles(MADE, shadow))[0], RECORDS).emissions == ALONE.emissions


def test_what_both_say_is_counted() -> None:
    """The same model agrees with itself all the time, and would have alerted as often."""
    state, _, _ = state_of(Roles(MADE, OTHER))
    run(state, RECORDS)
    counts = state.shadow.tally.counts
    assert counts.agreement == 1.0
    assert counts.agreed_ms[1, 1] > 0
    assert counts.wearer_days == pytest.approx(WEARERS * len(RECORDS) * EVERY_S / 86_400, rel=0.1)
    assert counts.alerts[ALERTING].tolist() == counts.alerts[SHADOW].tolist()
    assert counts.alerts[SHADOW, 0] == 1
    assert counts.scores[SHADOW].sum() == counts.scores[ALERTING].sum() > 0
    assert counts.inputs[0].sum() == pytest.approx(WEARERS * len(RECORDS) * EVERY_S / 60, abs=2 * WEARERS)


def test_another_detector_agrees_less() -> None:
    """The simple detector's alerts are its own."""
    state, _, _ = state_of(Roles(MADE, RESTING))
    run(state, RECORDS)
    counts = state.shadow.tally.counts
    assert counts.agreement is not None
    assert counts.agreement < 1.0


@pytest.mark.parametrize("at", [20, 50])
def test_a_restart_changes_nothing(at: int) -> None:
    """A state that was saved and opened goes on as the unbroken one, the shadow's part of it included."""
    whole, _, _ = state_of(Roles(MADE, OTHER))
    unbroken = run(whole, RECORDS)
    first, _, family = state_of(Roles(MADE, OTHER))
    before = run(first, RECORDS[:at])
    again = family.open(0, first.snapshot())
    after = run(again, RECORDS[at:])
    assert before.emissions + after.emissions == unbroken.emissions
    assert again.snapshot() == whole.snapshot()


def test_a_model_takes_over_where_the_state_is_saved() -> None:
    """Its first score follows the save, its episode goes on, and what it learned in shadow is what it judges by."""
    at = 60 * (CALM_MIN + 10) // EVERY_S
    state, models, family = state_of(Roles(MADE, OTHER))
    before = run(state, RECORDS[:at])
    assert state.successor() is None
    models.wanted = Roles(OTHER, MADE)
    blob = state.successor()
    assert blob is not None
    assert state.roles == Roles(MADE, OTHER), "nothing changes before the successor is saved"
    after_state = family.open(0, blob)
    assert after_state.roles == Roles(OTHER, MADE)
    after = run(after_state, RECORDS[at:])
    assert {row["model"] for row in before.rows} == {MADE}
    assert {row["model"] for row in after.rows} == {OTHER}
    rates = [row["score"] for row in (*before.rows, *after.rows)]
    np.testing.assert_array_equal(rates, [row["score"] for row in ALONE.rows])
    assert len({change.episode_id for change in (*before.episodes, *after.episodes)}) == 1
    assert after.episodes[-1].end_reason == "recovered"


def test_a_model_that_was_not_in_shadow_begins_there() -> None:
    """It is seated at one save and takes over at the next; then nothing is left to change."""
    state, models, family = state_of(Roles(MADE))
    run(state, RECORDS[:20])
    models.wanted = Roles(OTHER, MADE)
    seated = family.open(0, state.successor())
    assert seated.roles == Roles(MADE, OTHER)
    took_over = family.open(0, seated.successor())
    assert took_over.roles == Roles(OTHER, MADE)
    assert took_over.successor() is None


def test_another_shadow_costs_the_old_one_its_state_and_nothing_else() -> None:
    """What is published goes on as if nothing had happened; the new one begins without wearers' past."""
    state, models, family = state_of(Roles(MADE, OTHER))
    before = run(state, RECORDS[:50])
    models.wanted = Roles(MADE, RESTING)
    changed = family.open(0, state.successor())
    assert changed.roles == Roles(MADE, RESTING)
    assert changed.shadow.tally.counts.wearer_days == 0.0
    after = run(changed, RECORDS[50:])
    assert before.emissions + after.emissions == ALONE.emissions


def test_a_shadow_that_is_no_longer_installed_is_left_out() -> None:
    """The alerting detector's state is opened all the same."""
    state, models, family = state_of(Roles(MADE, OTHER))
    before = run(state, RECORDS[:50])
    del models.made[OTHER]
    again = family.open(0, state.snapshot())
    assert again.roles == Roles(MADE)
    assert again.successor() is None, "who cannot be read is not seated"
    assert before.emissions + run(again, RECORDS[50:]).emissions == ALONE.emissions


def test_a_state_of_a_detector_that_cannot_be_read_is_refused() -> None:
    """It is computed anew from the log, and the reason names the detector."""
    state, models, family = state_of(Roles(MADE))
    del models.made[MADE]
    with pytest.raises(ContractError, match=MADE):
        family.open(0, state.snapshot())


class Breaks(PulseNetDetector):
    """Fails for good after some bins."""

    def judge(self, *given: Any, **named: Any) -> tuple[Scores, list[Verdict]]:
        """Fail once the wearers are known."""
        said = super().judge(*given, **named)
        if self._said["known_min"].max() > 20:
            raise ZeroDivisionError("made to fail")
        return said


def test_a_shadow_that_fails_is_off_and_the_other_goes_on() -> None:
    """What is published is as without it; why it is off is known, and it does not take over."""
    models = MadeModels(Roles(MADE, OTHER))

    def broken() -> Breaks:
        made = Breaks(model())
        made.name = OTHER
        return made

    models.made[OTHER] = broken
    family = VitalsFamily(models=models)
    state = family.open(0, None)
    assert run(state, RECORDS).emissions == ALONE.emissions
    assert state.shadow.off == "ZeroDivisionError: made to fail"
    models.wanted = Roles(OTHER, MADE)
    assert state.successor() is None
    models.wanted = Roles(MADE, OTHER)
    again = family.open(0, state.snapshot())
    assert again.roles == Roles(MADE)
    assert again.successor() is not None, "a restart tries it once more"
