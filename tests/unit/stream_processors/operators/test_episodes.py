"""Changes of episodes, and how their revisions compare."""

from uuid import UUID

import numpy as np
import pytest

from inference.slots import NEVER
from schemas.episodes import Episode, Evidence
from schemas.scores import BIN_MS
from schemas.vitals import NAMES
from stream_processors.operators.clock import LogClock
from stream_processors.operators.conditions import CODE
from stream_processors.operators.episodes import PAGES_WITHIN_MS, Change, Episodes
from tests.vitals_frames import T0_MS

WEARER = UUID(int=7).bytes


def told(times_ms: list[int]) -> list[Episode]:
    """Return one change of a fresh state's one episode at each of these log times."""
    episodes = Episodes()
    episodes.table.extend(1)
    opened = episodes.begin(wearer=0, condition=0, first_bin_ms=T0_MS, decided_ms=T0_MS, tier=3, evidence=Evidence())
    for at_ms in times_ms:
        change = Change(phase="updated", at_ms=T0_MS, reason="a reason")
        episodes.tell(opened, change, clock=LogClock(now_ms=at_ms), wearer_id=WEARER)
    return episodes.changes


def test_revisions_rise_within_a_record_too() -> None:
    """Changes of one record and of later ones have revisions that rise."""
    revisions = [change.revision for change in told([T0_MS, T0_MS, T0_MS, T0_MS + 1, T0_MS + 500])]
    assert revisions == sorted(set(revisions))


def test_a_state_computed_anew_is_not_taken_for_older() -> None:
    """A change later in the log is the newer one, also where the state that told it had told fewer before."""
    long_known, anew = told([T0_MS + 1_000 * number for number in range(20)]), told([T0_MS + 20_000])
    assert anew[-1].episode_id == long_known[-1].episode_id
    assert anew[-1].revision > long_known[-1].revision


@pytest.mark.parametrize(("old_ms", "injected", "tier"), [(0, False, 2), (PAGES_WITHIN_MS, False, 0), (0, True, 0)])
def test_only_what_somebody_was_told_stands_for_what_comes_again(*, old_ms: int, injected: bool, tier: int) -> None:
    """The tier of a recovered episode is kept, unless it was history, of which nobody was told, or a demonstration."""
    episodes = Episodes()
    episodes.table.extend(1)
    evidence = Evidence(injected=injected)
    opened = episodes.begin(
        wearer=0, condition=0, first_bin_ms=T0_MS, decided_ms=T0_MS + BIN_MS, tier=2, evidence=evidence
    )
    clock = LogClock(now_ms=T0_MS + old_ms)
    for change in (
        Change(phase="opened", at_ms=T0_MS + BIN_MS, reason="a reason"),
        Change(phase="ended", at_ms=T0_MS + 2 * BIN_MS, reason="a reason", end_reason="recovered"),
    ):
        episodes.tell(opened, change, clock=clock, wearer_id=WEARER)
    assert episodes.table["recovered_tier"][0, 0] == tier


def test_nothing_is_learned_of_a_vital_between_the_opening_and_the_end_of_an_episode() -> None:
    """By event time: before it was decided and after it ended the vital may be learned from, others always."""
    episodes = Episodes()
    episodes.table.extend(1)
    opened = episodes.begin(
        wearer=0, condition=CODE["spo2.low"], first_bin_ms=T0_MS, decided_ms=T0_MS + 60_000, tier=1, evidence=Evidence()
    )

    def may(at_ms: int) -> list[str]:
        allowed = episodes.may_learn(np.array([0]), np.array([at_ms]))
        return [name for name, free in zip(NAMES, allowed[0], strict=True) if not free]

    assert (may(T0_MS + 55_000), may(T0_MS + 60_000)) == ([], ["spo2"])
    ended = Change(phase="ended", at_ms=T0_MS + 120_000, reason="a reason", end_reason="recovered")
    episodes.tell(opened, ended, clock=LogClock(now_ms=T0_MS), wearer_id=WEARER)
    assert (may(T0_MS + 55_000), may(T0_MS + 115_000), may(T0_MS + 120_000)) == ([], ["spo2"], [])


def test_when_a_tier_fired_last_is_known_by_condition() -> None:
    """Each firing returns the one before it, of the same wearer and condition, whether or not an episode opened."""
    episodes = Episodes()
    episodes.table.extend(2)
    fast, low = CODE["heart_rate.high"], CODE["spo2.low"]
    told = [
        episodes.fires(*one) for one in ((0, fast, T0_MS), (0, fast, T0_MS + 60_000), (0, low, T0_MS), (1, fast, 1))
    ]
    assert told == [NEVER, T0_MS, NEVER, NEVER]
    assert episodes.fires(0, fast, T0_MS + 90_000) == T0_MS + 60_000
