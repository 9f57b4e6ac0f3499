"""The vitals family with a second detector in shadow: nobody hears it, and it may take over where a state is saved."""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import pytest

from inference.slots import NEVER
from stream_processors.families.vitals import FORMAT, VitalsFamily, VitalsState
from stream_processors.operators import eviction, takeover, tally
from stream_processors.operators.detector import Scores, Verdict
from stream_processors.operators.packing import unpack_parts
from stream_processors.operators.pulsenet import PulseNetDetector
from stream_processors.operators.resting import RestingDetector
from stream_processors.operators.shadow import Sight
from stream_processors.operators.tally import ALERTING, SHADOW
from stream_processors.ports import Roles
from tests.made_model import model
from tests.made_models import MADE, OTHER, RESTING, MadeModels
from tests.vitals_frames import T0_MS, LoggedState, reading

pytestmark = pytest.mark.story

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


def kept(column: str) -> bool:
    """Return whether a column of a detector's is as it was once the detector is put back."""
    return column != "minutes.minute" and not column.startswith("runs.")


def lasting(snapshot: bytes) -> tuple[Any, ...]:
    """Return what is the same in a state whose detector was away."""
    scalars, blobs, parts = unpack_parts(FORMAT, snapshot)
    told = {(part, name): array.tobytes() for part, arrays in parts.items() for name, array in arrays.items()}
    return scalars, blobs, {key: data for key, data in told.items() if key[0] != "detector" or kept(key[1])}


def state_of(wanted: Roles) -> tuple[VitalsState, MadeModels, VitalsFamily]:
    """Return a fresh state with these roles, what decides on them, and the family."""
    models = MadeModels(wanted)
    family = VitalsFamily(models=models)
    return family.open(0, None), models, family


@cache
def unbroken(*roles: str) -> LoggedState:
    """Return the log of all records under these roles, which tests only look at."""
    return run(state_of(Roles(*roles))[0], RECORDS)


def state_after(*roles: str) -> VitalsState:
    """Return the state at the end of that log."""
    state = unbroken(*roles).state
    assert isinstance(state, VitalsState)
    return state


@pytest.mark.parametrize("shadow", [OTHER, RESTING])
def test_nobody_hears_the_shadow(shadow: str) -> None:
    """What is published is the same, byte for byte, with a shadow and without."""
    assert [change.phase for change in unbroken(MADE).episodes][:1] == ["opened"]
    assert unbroken(MADE, shadow).emissions == unbroken(MADE).emissions


def test_what_both_say_is_counted() -> None:
    """The same model agrees with itself all the time, and would have alerted as often."""
    counts = state_after(MADE, OTHER).shadow.tally.counts
    assert counts.agreement == 1.0
    assert counts.agreed_ms[1, 1] > 0
    assert counts.wearer_days == pytest.approx(WEARERS * len(RECORDS) * EVERY_S / 86_400, rel=0.1)
    assert counts.alerts[ALERTING].tolist() == counts.alerts[SHADOW].tolist()
    assert counts.alerts[SHADOW, 0] == 1
    assert counts.scores[SHADOW].sum() == counts.scores[ALERTING].sum() > 0
    assert counts.inputs[0].sum() == pytest.approx(WEARERS * len(RECORDS) * EVERY_S / 60, abs=2 * WEARERS)


def test_what_was_seen_is_not_changed_by_later_steps() -> None:
    """Whoever looks at a state while a step is run sees what was after the step before, also of a state opened anew."""
    state, _, family = state_of(Roles(MADE, OTHER))
    assert (state.sight.roles, state.sight.counts.wearer_days, state.sight.lack) == (Roles(MADE, OTHER), 0.0, (0, 0))
    run(state, RECORDS[:40])
    seen, days = state.sight, state.sight.counts.wearer_days
    assert days > 0.0
    assert (seen.off, seen.lack.wearers) == ("", WEARERS)
    opened = family.open(0, state.snapshot()).sight
    assert (opened.roles, opened.counts.wearer_days, opened.lack) == (seen.roles, days, seen.lack)
    run(state, RECORDS[40:])
    assert seen.counts.wearer_days == days < state.sight.counts.wearer_days


def test_all_wearers_are_looked_over_once_a_second_of_observed_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty records within a second are not twenty looks; the first record of the next second is one."""
    state, _, _ = state_of(Roles(MADE, OTHER))
    log = run(state, RECORDS[:40])
    looks, look = [], state.shadow.sight

    def noted(alerting: str) -> Sight:
        looks.append(alerting)
        return look(alerting)

    monkeypatch.setattr(state.shadow, "sight", noted)
    begun_ms = RECORDS[39][0] + 10_000
    for append_ms in range(begun_ms, begun_ms + 1_000, 50):
        log.append(append_ms, [reading(append_ms - 50, wearer=0, heart_rate=64.0)])
    assert looks == [MADE]
    log.append(begun_ms + 1_000, [])
    assert looks == [MADE, MADE]


def test_another_detector_agrees_less() -> None:
    """The simple detector's alerts are its own."""
    counts = state_after(MADE, RESTING).shadow.tally.counts
    assert counts.agreement is not None
    assert counts.agreement < 1.0


@pytest.mark.parametrize("at", [20, 50])
def test_a_restart_changes_nothing(at: int) -> None:
    """A state that was saved and opened goes on as the unbroken one, the shadow's part of it included."""
    whole = unbroken(MADE, OTHER)
    first, _, family = state_of(Roles(MADE, OTHER))
    before = run(first, RECORDS[:at])
    again = family.open(0, first.snapshot())
    after = run(again, RECORDS[at:])
    assert before.emissions + after.emissions == whole.emissions
    assert again.snapshot() == whole.state.snapshot()


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
    np.testing.assert_array_equal(rates, [row["score"] for row in unbroken(MADE).rows])
    assert len({change.episode_id for change in (*before.episodes, *after.episodes)}) == 1
    assert after.episodes[-1].end_reason == "recovered"


def test_a_model_that_was_not_in_shadow_learns_there_before_it_takes_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is seated at one save, and takes over at the first after it has judged each wearer for long enough."""
    monkeypatch.setattr(tally, "LEARNED_MIN", 12)
    state, models, family = state_of(Roles(MADE))
    run(state, RECORDS[:20])
    models.wanted = Roles(OTHER, MADE)
    seated = family.open(0, state.successor())
    assert seated.roles == Roles(MADE, OTHER)
    lacks = []
    for record in RECORDS[20:]:
        assert seated.successor() is None
        run(seated, [record])
        lacks.append(seated.shadow.tally.lack)
        if lacks[-1].enough:
            break
        seated = family.open(0, seated.snapshot())
    assert lacks[0] == (WEARERS, WEARERS), "every wearer is to be learned, also after a restart"
    assert 12 * 60 / EVERY_S <= len(lacks) <= 40
    took_over = family.open(0, seated.successor())
    assert took_over.roles == Roles(OTHER, MADE)
    assert took_over.successor() is None


def test_a_new_wearer_does_not_keep_a_model_waiting() -> None:
    """Of whoever comes while it is in shadow nobody knows more."""
    state, _, _ = state_of(Roles(MADE, OTHER))
    run(state, RECORDS[:3])
    assert state.shadow.tally.lack == (0, WEARERS)


def test_a_model_in_shadow_begins_with_what_stands_behind_no_weights() -> None:
    """The wearers' baselines are known to it; how far it is off for each is not."""
    state, models, family = state_of(Roles(MADE))
    run(state, RECORDS[:30])
    models.wanted = Roles(MADE, OTHER)
    seated = family.open(0, state.successor())
    parts = unpack_parts(FORMAT, seated.snapshot())[2]
    ours, its = parts["detector"], parts["shadow"]
    np.testing.assert_array_equal(ours["model.personal.centre"], its["model.personal.centre"])
    assert its["model.personal.minutes"][:, 0].min() > 0
    assert ours["model.personal.heard"].max() > 0
    assert its["model.personal.heard"].max() == 0


class Unsaved(PulseNetDetector):
    """Judges, and fails as it is to be saved."""

    def dump(self) -> dict[str, Any]:
        """Fail."""
        raise ZeroDivisionError("made to fail")


def test_a_model_that_cannot_be_saved_does_not_take_over() -> None:
    """Who alerts stays, and goes on as if nothing had been asked."""
    models = MadeModels(Roles(MADE, OTHER))

    def unsaved() -> Unsaved:
        made = Unsaved(model())
        made.name = OTHER
        return made

    models.made[OTHER] = unsaved
    family = VitalsFamily(models=models)
    state = family.open(0, None)
    before = run(state, RECORDS[:50])
    models.wanted = Roles(OTHER, MADE)
    assert state.successor() is None
    assert state.shadow.off == "ZeroDivisionError: made to fail"
    again = family.open(0, state.snapshot())
    assert again.roles == Roles(MADE)
    assert before.emissions + run(again, RECORDS[50:]).emissions == unbroken(MADE).emissions


def test_another_shadow_costs_the_old_one_its_state_and_nothing_else() -> None:
    """What is published goes on as if nothing had happened; the new one begins without wearers' past."""
    state, models, family = state_of(Roles(MADE, OTHER))
    before = run(state, RECORDS[:50])
    models.wanted = Roles(MADE, RESTING)
    changed = family.open(0, state.successor())
    assert changed.roles == Roles(MADE, RESTING)
    assert changed.shadow.tally.counts.wearer_days == 0.0
    after = run(changed, RECORDS[50:])
    assert before.emissions + after.emissions == unbroken(MADE).emissions


def test_a_shadow_that_is_no_longer_installed_is_left_out() -> None:
    """The alerting detector's state is opened all the same."""
    state, models, family = state_of(Roles(MADE, OTHER))
    before = run(state, RECORDS[:50])
    del models.made[OTHER]
    again = family.open(0, state.snapshot())
    assert again.roles == Roles(MADE)
    assert again.successor() is None, "who cannot be read is not seated"
    assert before.emissions + run(again, RECORDS[50:]).emissions == unbroken(MADE).emissions


MID_EPISODE = 60 * (CALM_MIN + 10) // EVERY_S


@pytest.mark.parametrize("other", [OTHER, RESTING])
def test_an_open_episode_outlives_the_model_that_opened_it(other: str) -> None:
    """Where that one cannot be read any more, another judges the same state: the same episode goes on and ends."""
    state, models, family = state_of(Roles(MADE))
    before = run(state, RECORDS[:MID_EPISODE])
    saved = state.snapshot()
    del models.made[MADE]
    models.wanted = Roles(other)
    again = family.open(0, saved)
    assert again.roles == Roles(other)
    after = run(again, RECORDS[MID_EPISODE:])
    silent = RECORDS[-1][0]
    for second in range(1, 420):
        after.append(silent + second * 1000, [])
    rate = [one for one in (*before.episodes, *after.episodes) if one.condition == "heart_rate.high"]
    assert len({one.episode_id for one in rate}) == 1
    assert (before.episodes[0].phase, rate[-1].phase) == ("opened", "ended")
    assert rate[-1].end_reason in {"recovered", "data_ended"}
    assert all(one.phase != "opened" for one in after.episodes if one.type == "physiological"), "no past is told again"


def test_what_a_model_learned_is_kept_aside_while_it_cannot_be_read() -> None:
    """Another stands in, is saved and restarted; then the first goes on with what it had learned.

    What it had begun is over: no minute gathers, no run goes on.
    """
    state, models, family = state_of(Roles(MADE))
    run(state, RECORDS[:30])
    learned = unpack_parts(FORMAT, state.snapshot())[2]["detector"]
    making = models.made.pop(MADE)
    models.wanted = Roles(RESTING)
    stands_in = family.open(0, state.snapshot())
    for record in RECORDS[30:36]:
        run(stands_in, [record])
        stands_in = family.open(0, stands_in.snapshot())
    assert stands_in.roles == Roles(RESTING)
    assert stands_in.successor() is None
    models.made[MADE] = making
    models.wanted = Roles(MADE)
    mended = family.open(0, stands_in.successor())
    assert mended.roles == Roles(MADE)
    _, blobs, parts = unpack_parts(FORMAT, mended.snapshot())
    assert parts["detector"].keys() == learned.keys()
    assert all(parts["detector"][name].tobytes() == array.tobytes() for name, array in learned.items() if kept(name))
    assert (learned["minutes.minute"] > NEVER).all()
    assert (parts["detector"]["minutes.minute"] == NEVER).all()
    assert (parts["detector"]["runs.bins"] == 0).all()
    assert "aside" not in parts
    assert "aside" not in blobs
    assert {row["model"] for row in run(mended, RECORDS[36:]).rows} == {MADE}


def test_what_is_kept_aside_is_put_back_where_the_stand_in_is_not_to_go_on() -> None:
    """A restart with mended weights, under which no state of the simple detector is opened, needs no save first."""
    state, models, family = state_of(Roles(MADE))
    run(state, RECORDS[:30])
    making = models.made.pop(MADE)
    models.wanted = Roles(RESTING)
    stands_in = family.open(0, state.snapshot())
    models.made = {MADE: making}
    models.wanted = Roles(MADE)
    assert lasting(family.open(0, stands_in.snapshot()).snapshot()) == lasting(state.snapshot())


def test_a_model_that_is_put_back_ends_no_episode_by_an_old_minute() -> None:
    """What it had half gathered before it was away speaks for nothing: the episode ends when the stand-in's would."""
    state, models, family = state_of(Roles(MADE))
    run(state, RECORDS[:36])
    making = models.made.pop(MADE)
    models.wanted = Roles(OTHER)
    stands_in = family.open(0, state.snapshot())
    run(stands_in, RECORDS[36:60])
    models.made[MADE] = making
    models.wanted = Roles(MADE)
    ended = []
    for saved in (stands_in.successor(), stands_in.snapshot()):
        log = run(family.open(0, saved), RECORDS[60:])
        ended.append([one.ended_ms for one in log.episodes if one.phase == "ended"])
    assert ended[0] == ended[1]
    assert len(ended[0]) == 1


def test_a_simple_detector_that_is_put_back_has_no_run_under_way() -> None:
    """Since when a threshold had been passed before it was away says nothing of now; what is usual stays known."""
    detector = RestingDetector()
    detector.extend(1)
    before = {name: np.ones_like(array) for name, array in detector.dump().items()}
    back = detector.rested(before)
    assert (back["tiers.runs.bins"] == 0).all()
    assert (back["tiers.since.first_ms"] == NEVER).all()
    assert all((array == 1).all() for name, array in back.items() if not name.startswith("tiers."))


def test_what_a_shadow_has_to_learn_outlives_a_stand_in() -> None:
    """Where the alerting model is put back, its shadow knows no more than before; who stood in has all to learn."""
    state, models, family = state_of(Roles(MADE))
    run(state, RECORDS[:20])
    making = models.made.pop(MADE)
    models.wanted = Roles(RESTING, OTHER)
    stands_in = family.open(0, state.snapshot())
    stands_in = family.open(0, stands_in.successor())
    assert stands_in.roles == Roles(RESTING, OTHER)
    models.made[MADE] = making
    models.wanted = Roles(MADE, OTHER)
    back = family.open(0, stands_in.successor())
    assert back.roles == Roles(MADE, OTHER)
    assert back.shadow.tally.lack == (WEARERS, WEARERS)
    models.wanted = Roles(MADE, RESTING)
    back = family.open(0, stands_in.successor())
    assert back.roles == Roles(MADE, RESTING)
    assert back.shadow.tally.lack == (WEARERS, WEARERS)


def test_a_state_whose_shadow_has_just_been_seated_is_opened_by_it() -> None:
    """Where the alerting model is gone at that moment, the new one judges with what it inherits."""
    state, models, family = state_of(Roles(MADE))
    run(state, RECORDS[:30])
    models.wanted = Roles(OTHER, MADE)
    seated = state.successor()
    assert seated is not None
    del models.made[MADE]
    models.wanted = Roles(OTHER)
    opened = family.open(0, seated)
    assert opened.roles == Roles(OTHER)
    theirs = unpack_parts(FORMAT, opened.snapshot())[2]
    assert theirs["aside"].keys() == theirs["detector"].keys()
    np.testing.assert_array_equal(theirs["detector"]["model.personal.centre"], theirs["aside"]["model.personal.centre"])


def test_nobody_is_forgotten_while_the_detector_cannot_be_made_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files are gone while it runs: the state stays whole, and it goes on."""
    state, models, _ = state_of(Roles(RESTING))
    run(state, RECORDS[:30])
    monkeypatch.setattr(eviction, "FORGET_MS", 20_000)
    del models.made[RESTING]
    log = LoggedState(state)
    for second in range(60):
        state._look_at = 0
        at = RECORDS[30][0] + second * 1000
        log.append(at + 50, [reading(at, wearer=1, heart_rate=64.0, steps=0.0)])
    assert len(state._roster.ids) == WEARERS
    assert log.rows


def test_who_is_forgotten_is_forgotten_in_what_is_kept_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of those who stay keep their places, and one who came since has none."""
    state, models, family = state_of(Roles(MADE))
    run(state, RECORDS[:30])
    learned = unpack_parts(FORMAT, state.snapshot())[2]["detector"]["model.personal.centre"]
    making = models.made.pop(MADE)
    models.wanted = Roles(RESTING)
    stands_in = family.open(0, state.snapshot())
    monkeypatch.setattr(eviction, "FORGET_MS", 20_000)
    log = LoggedState(stands_in)
    for second in range(60):
        stands_in._look_at = 0
        at = RECORDS[30][0] + second * 1000
        log.append(at + 50, [reading(at, wearer=one, heart_rate=64.0, steps=0.0) for one in (1, 7)])
    models.made[MADE] = making
    models.wanted = Roles(MADE)
    back = family.open(0, stands_in.successor())
    centre = unpack_parts(FORMAT, back.snapshot())[2]["detector"]["model.personal.centre"]
    np.testing.assert_array_equal(centre, [learned[1], np.zeros_like(learned[1])])


def test_what_is_kept_aside_does_not_stay_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """After some time nobody expects the absent model back, and the state is as small as before."""
    state, models, family = state_of(Roles(MADE))
    run(state, RECORDS[:30])
    del models.made[MADE]
    models.wanted = Roles(OTHER)
    stands_in = family.open(0, state.snapshot())
    assert "aside" in unpack_parts(FORMAT, stands_in.snapshot())[2]
    monkeypatch.setattr(takeover, "ASIDE_MOST_MS", 1)
    run(stands_in, RECORDS[30:33])
    assert "aside" not in unpack_parts(FORMAT, stands_in.snapshot())[2]


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
    assert run(state, RECORDS).emissions == unbroken(MADE).emissions
    assert state.shadow.off == "ZeroDivisionError: made to fail"
    models.wanted = Roles(OTHER, MADE)
    assert state.successor() is None
    models.wanted = Roles(MADE, OTHER)
    again = family.open(0, state.snapshot())
    assert again.roles == Roles(MADE)
    assert again.successor() is not None, "a restart tries it once more"
