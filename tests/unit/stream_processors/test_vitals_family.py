"""The vitals family from records to episodes: one promise a test."""

from collections.abc import Callable
from typing import Any

import pytest

from schemas.scores import BIN_MS
from tests.vitals_frames import (
    T0_MS,
    Given,
    beating,
    fresh,
    live,
    physiological,
    reading,
    rested,
    still,
    tell,
    wearer_id,
)

pytestmark = pytest.mark.story


@pytest.mark.parametrize(("rate", "condition"), [(190.0, "heart_rate.high"), (31.0, "heart_rate.low")])
def test_a_sustained_extreme_rate_at_rest_opens_one_episode(rate: float, condition: str) -> None:
    """A rate beyond the floor at rest opens exactly one tier 3 episode, 2 min and the lateness after its start."""
    log = rested()
    live(log, 130, beating(rate), start=300, together=1)
    live(log, 170, beating(rate), start=430)
    opened = [change for change in physiological(log) if change.phase == "opened"]
    assert [(change.condition, change.tier, change.onset_ms) for change in opened] == [(condition, 3, T0_MS + 300_000)]
    assert opened[0].decided_append_ms == T0_MS + 300_000 + 120_000 + 2_000 + 50


def test_an_episode_says_what_was_seen_and_what_is_usual() -> None:
    """The sentence names value, duration, rest and what is usual; the evidence carries the numbers."""
    log = rested(600)
    live(log, 125, beating(190), start=600, quality=0.9, injected=True, origin=1)
    change = physiological(log)[0]
    assert change.reason.startswith("Heart rate 191 for 2 min at rest; usual at rest 5")
    assert change.reason.endswith("Injected values, not a real event. Replayed recording.")
    evidence = change.evidence
    assert (evidence.vital, evidence.side, evidence.threshold, evidence.rule) == ("heart_rate", "high", 180.0, "floor")
    assert (evidence.injected, evidence.origin, evidence.sources) == (True, "replay", ["watch"])
    assert evidence.expected == pytest.approx(70, abs=1)
    assert (evidence.data_quality, evidence.bins) == (0.9, 24)


def test_recovery_ends_an_episode() -> None:
    """One minute back within the limits ends the episode as recovered."""
    log = rested()
    live(log, 180, beating(190), start=300)
    live(log, 70, beating(72), start=480)
    last = physiological(log)[-1]
    assert (last.phase, last.end_reason, last.ended_ms) == ("ended", "recovered", T0_MS + 480_000 + 60_000)


def test_data_that_end_are_never_shown_as_recovered() -> None:
    """An episode without a bin for 5 min of observed time ends as data_ended, with its last bin as the end."""
    log = rested()
    live(log, 180, beating(190), start=300)
    log.idle(T0_MS + 480_000, 330)
    last = physiological(log)[-1]
    assert (last.phase, last.end_reason) == ("ended", "data_ended")
    assert "Not known to have recovered" in last.reason
    assert last.ended_ms is not None
    assert last.ended_ms <= T0_MS + 480_000


def test_a_deviation_from_usual_opens_a_tier_that_only_rises() -> None:
    """A rate far from usual, yet below the floor, opens tier 1, rises to 2 in the same episode, and never falls."""
    log = fresh()
    live(log, 600, beating(65))
    live(log, 420, beating(130), start=600)
    changes = physiological(log)
    tiers = [change.tier for change in changes]
    assert tiers == sorted(tiers)
    assert (tiers[0], tiers[-1]) == (1, 2)
    assert len({change.episode_id for change in changes}) == 1


def test_nothing_is_scored_before_enough_rest_was_seen() -> None:
    """The score is null, not 0, until five minutes at rest are known."""
    log = fresh()
    live(log, 600, beating(65))
    assert all(row["score"] is None for row in log.rows[: 300_000 // BIN_MS - 1])
    assert log.rows[-1]["score"] is not None
    assert log.rows[-1]["expected_heart_rate"] == pytest.approx(65, abs=1)


@pytest.mark.parametrize(
    "given",
    [
        lambda _: {"heart_rate": 190.0, "motion": 0.4, "steps": 3.0},
        lambda second: {**still(187.0 + second % 5), "worn": False},
        lambda second: {**still(187.0 + second % 5), "quality": 0.3},
        lambda second: {"heart_rate": 186.0, "motion": 0.3 if second < 500 else 0.0, "steps": 0.0},
    ],
    ids=["exercise", "not worn", "low quality", "frozen when the watch comes off after exercise"],
)
def test_what_is_no_evidence_opens_nothing(given: Callable[[int], Given]) -> None:
    """Exercise, readings off the body, low quality and a frozen value open no episode of the body."""
    log = rested()
    live(log, 600, given, start=300)
    assert physiological(log) == []


def test_a_strap_without_sensors_of_activity_learns_of_exercise_from_the_watch() -> None:
    """A fast rate on one stream opens nothing while another stream shows steps, though of low optical quality."""

    def both(second: int) -> list[dict[str, Any]]:
        at = T0_MS + second * 1000
        moving = reading(at, heart_rate=150.0, quality=0.3, motion=0.3, steps=2.0)
        return [moving, reading(at, device=7, heart_rate=185.0 + second % 5, quality=0.9)]

    log = fresh()
    tell(log, range(700), both)
    assert physiological(log) == []


def test_an_unknown_quality_passes_and_is_named() -> None:
    """Readings that tell no quality can open an episode, which says so."""
    log = rested()
    live(log, 130, beating(190), start=300)
    assert physiological(log)[0].evidence.quality_note == "quality unknown"
    assert physiological(log)[0].evidence.data_quality is None


def test_unknown_activity_counts_as_rest() -> None:
    """Without any sensor of activity the floor alarms after its 2 min, and says that activity is unknown."""
    log = fresh()
    live(log, 440, lambda second: {"heart_rate": 188.0 + second % 5})
    opened = physiological(log)[0]
    assert opened.onset_ms == T0_MS
    assert "activity unknown" in opened.reason
    assert opened.evidence.context == "activity unknown"


def test_rest_that_is_known_by_then_is_not_called_unknown() -> None:
    """A first recording of a racing heart that lies still alarms after 2 min, and says that it is at rest."""
    log = fresh()
    live(log, 150, lambda second: {"heart_rate": 188.0 + second % 5, "motion": 0.01})
    opened = physiological(log)[0]
    assert opened.onset_ms == T0_MS
    assert opened.evidence.context == "at rest 2 min"
    assert "at rest" in opened.reason


def test_an_oximeter_that_syncs_once_a_minute_alarms_beside_a_live_watch() -> None:
    """The floor judges the oximeter's own bins although the watch has long closed the wearer's, which stay without."""

    def both(second: int) -> list[dict[str, Any]]:
        past = range(second - 59, second + 1) if second % 60 == 59 else ()
        synced = [reading(T0_MS + each * 1000, device=9, spo2=80.0 + each % 3, quality=0.9) for each in past]
        return [reading(T0_MS + second * 1000, **still(70.0 + second % 3)), *synced]

    log = fresh()
    tell(log, range(300), both)
    opened = [change for change in physiological(log) if change.phase == "opened"]
    assert [(change.condition, change.tier, change.onset_ms) for change in opened] == [("spo2.low", 3, T0_MS)]
    assert sum(row["late"] for row in log.rows) > 200
    assert sum(row["value_spo2"] is not None for row in log.rows) < 20


def test_a_short_desaturation_opens_nothing() -> None:
    """Low saturation for less than 2 min is not yet the floor."""
    log = fresh()
    live(log, 400, lambda second: {"spo2": 82.0 if 100 <= second < 210 else 96.0, "heart_rate": 70.0 + second % 3})
    assert physiological(log) == []


def test_silence_opens_no_data_and_data_end_it() -> None:
    """After 60 s of observed time without a reading the wearer is missed, until data return."""
    log = fresh()
    live(log, 30, beating(70))
    log.idle(T0_MS + 30_050, 70)
    live(log, 2, beating(70), start=101)
    assert [(change.condition, change.phase) for change in log.episodes] == [
        ("no_data", "opened"),
        ("no_data", "ended"),
    ]
    assert (log.episodes[0].tier, log.episodes[0].type, log.episodes[0].pages) == (0, "technical", True)
    assert log.episodes[0].decided_append_ms == T0_MS + 29_050 + 60_000
    assert log.episodes[1].end_reason == "recovered"


def test_an_outage_of_ours_is_no_silence_of_theirs() -> None:
    """A gap of ten minutes in the log counts as 2 s of observed time."""
    log = fresh()
    live(log, 30, beating(70))
    log.append(T0_MS + 630_000)
    log.append(T0_MS + 631_000)
    assert log.episodes == []


@pytest.mark.parametrize(
    "last",
    [{"worn": False}, {"time": (T0_MS - 3_600_000) * 1000, "backfill": True}],
    ids=["taken off", "only history"],
)
def test_who_is_not_missed(last: dict[str, Any]) -> None:
    """No silence is told of a device that was taken off, or of whom only old history came."""
    log = fresh()
    log.append(T0_MS + 50, [{**reading(T0_MS, heart_rate=70.0), **last}])
    log.idle(T0_MS + 1_000, 120)
    assert log.episodes == []


def test_a_wrong_clock_is_corrected_and_told() -> None:
    """Times of a device 2 min behind are corrected, and one technical episode says so until its clock is right."""
    log = fresh()
    late_clock: dict[str, Any] = {"clock_offset_ms": 120_000}
    for second in range(20):
        at = T0_MS + second * 1000
        log.append(at + 50, [reading(at - 120_000, heart_rate=70.0, **late_clock)])
    assert log.rows[0]["bin"].timestamp() * 1000 == T0_MS
    live(log, 2, lambda _: {"heart_rate": 70.0, "boot": b"y" * 16}, start=20)
    assert [(change.condition, change.phase) for change in log.episodes] == [
        ("clock_offset", "opened"),
        ("clock_offset", "ended"),
    ]
    assert "2 min behind" in log.episodes[0].reason


def test_episodes_are_keyed_by_their_wearer() -> None:
    """Two wearers have two episodes with different ids."""

    def two(second: int) -> list[dict[str, Any]]:
        at = T0_MS + second * 1000
        return [reading(at, wearer=number, **still(185.0 + second % 5)) for number in range(2)]

    log = fresh()
    tell(log, range(150), two)
    opened = [change for change in physiological(log) if change.phase == "opened"]
    assert {change.subject.wearer for change in opened} == {wearer_id(0), wearer_id(1)}
    assert len({change.episode_id for change in opened}) == 2
    assert all(change.onset_ms % BIN_MS == 0 for change in opened)
