"""Statuses and episodes of zones: when they are told, what they tell, and what they keep to themselves."""

import msgspec
import numpy as np
import pytest

from schemas.episodes import Episode
from schemas.zones import AREA, BIN_MS, ZoneStatus
from stream_processors.operators.packing import pack, unpack
from stream_processors.operators.zone_alarms import UNSURE_BINS
from stream_processors.operators.zone_bins import GRACE_MS
from stream_processors.operators.zone_told import EARLIER, FORMAT, Definition, Told
from stream_processors.operators.zones import STATUSES_A_BIN, Zones
from tests.zone_frames import HERE, START_MS, STEP_MS, THERE, Crowd, frame, log_of

OLD_TOWN = Definition(zone_id="old-town", version=2, name="Old Town", cells=tuple(HERE))
EVENT = Crowd(wearers=40, cells=HERE, flagged_in=frozenset({1}))


def told(zones: Zones, crowds: list[Crowd], *, bins: int) -> Told:
    """Return all that one partition's log makes the state tell."""
    found = Told()
    for one in log_of(crowds, bins=bins, partitions=1)[0]:
        step = zones.take(0, one)
        found.statuses.extend(step.statuses)
        found.gone.extend(step.gone)
        found.episodes.extend(step.episodes)
    return found


def followed(*definitions: Definition) -> Zones:
    """Return a state of one partition that follows these zones."""
    zones = Zones(1)
    zones.define(definitions)
    return zones


def of(found: Told, zone_id: str) -> list[ZoneStatus]:
    """Return one zone's statuses."""
    return [one for one in found.statuses if one.zone_id == zone_id]


def test_every_bin_gives_one_status_a_zone() -> None:
    """Each closed bin is told once, of the area and of the named zone, in order, and nothing of the time before."""
    found = told(followed(OLD_TOWN), [Crowd(wearers=30, cells=HERE)], bins=6)
    for zone_id in (AREA, "old-town"):
        own = of(found, zone_id)
        assert [one.bin_ms for one in own] == [START_MS + at * BIN_MS for at in range(5)]
        assert all(one.revision == one.bin_ms // BIN_MS * STATUSES_A_BIN for one in own)
        assert {one.state for one in own} == {"ok"}


def test_a_bin_that_ended_before_anybody_was_heard_is_told_of_if_rows_lie_in_it() -> None:
    """The first record comes a minute into a bin; the bin before is told of only where rows of it come in time."""
    for rows, first_ms in (([], START_MS), ([(0, START_MS - 5_000, False, False, HERE[0])], START_MS - BIN_MS)):
        zones = Zones(1)
        zones.take(0, frame(rows, clock_ms=START_MS + 60_000))
        found = zones.take(0, frame([], clock_ms=START_MS + BIN_MS + GRACE_MS))
        assert next(one.bin_ms for one in found.statuses) == first_ms


def test_a_zone_that_nobody_is_judged_in_is_blind() -> None:
    """While the model knows nothing of 300 wearers no status is usual or says what it could see; then it does."""
    crowd = Crowd(wearers=300, cells=HERE, flagged_in=frozenset({1}), judged_from=4)
    found = told(followed(OLD_TOWN), [crowd], bins=8)
    for zone_id in (AREA, "old-town"):
        own = of(found, zone_id)
        blind = [(one.level, one.coverage, one.smallest_visible) for one in own[:4]]
        assert blind == [("too_few_wearers", "too_few", None)] * 4
        assert [(one.level, one.coverage) for one in own[4:]] == [("usual", "good")] * 3
    assert found.episodes == []
    assert [one.cells == () for one in of(found, AREA)] == [True] * 4 + [False] * 3


def test_only_the_area_tells_cells() -> None:
    """The area shows its partition in steps of counts; a named zone tells neither cells nor counts."""
    found = told(followed(OLD_TOWN), [Crowd(wearers=40, cells=HERE), Crowd(wearers=5, cells=THERE)], bins=4)
    area, named = of(found, AREA)[-1], of(found, "old-town")[-1]
    assert area.cells is not None
    assert [(one.active, one.flagged) for one in area.cells] == [(22, None)]
    assert named.cells is None
    assert (named.level, named.coverage, named.version) == ("too_few_wearers", "thin", 2)


def test_an_event_is_one_episode_that_ends_when_it_is_over() -> None:
    """A bin in which everybody is flagged opens one episode of each zone, in words; it ends as recovered."""
    found = told(followed(OLD_TOWN), [EVENT, Crowd(wearers=30, cells=THERE)], bins=34)
    town = [one for one in found.episodes if one.subject.zone == "old-town"]
    assert [one.phase for one in town] == ["opened", "ended"]
    opened, ended = town
    assert (opened.condition, opened.tier, opened.onset_ms) == ("zone.count", 2, START_MS + BIN_MS)
    assert opened.reason.startswith("More wearers than chance allows are in distress in Old Town: by chance less than")
    assert (ended.end_reason, ended.episode_id, ended.revision) == ("recovered", opened.episode_id, 2)
    assert [one.active_episodes for one in of(found, "old-town")][3:5] == [1, 1]
    area = next(one for one in found.episodes if one.subject.zone == AREA)
    assert len(area.evidence.region) == 1
    assert of(found, AREA)[3].region == tuple(area.evidence.region)


def test_an_event_that_goes_on_where_people_leave_is_never_called_over() -> None:
    """Where too few are left to tell, the episode ends because its data did."""
    gone = Crowd(wearers=40, cells=HERE, flagged_in=frozenset({1}), until_bin=3)
    found = told(followed(OLD_TOWN), [gone, Crowd(wearers=30, cells=THERE)], bins=36)
    ended = [one for one in found.episodes if one.phase == "ended"]
    assert {one.end_reason for one in ended} == {"data_ended"}
    assert all("Not known to have recovered" in one.reason for one in ended)
    assert of(found, "old-town")[-1].level == "too_few_wearers"


def test_two_who_stay_flagged_keep_nothing_open() -> None:
    """Of forty flagged all leave but two, who stay flagged: the episode ends with its data, and rises no more."""
    event = Crowd(wearers=38, cells=HERE, flagged_in=frozenset({1}), until_bin=3)
    two = Crowd(wearers=2, cells=HERE, flagged_in=frozenset(range(1, 85)))
    found = told(followed(OLD_TOWN), [event, two, Crowd(wearers=30, cells=THERE)], bins=85)
    for zone_id in ("old-town", AREA):
        own = [one for one in found.episodes if one.subject.zone == zone_id]
        assert [one.phase for one in own] == ["opened", "ended"]
        assert own[-1].end_reason == "data_ended"
        assert own[-1].changed_ms <= START_MS + 9 * BIN_MS
        assert own[-1].evidence.recurrence_days == own[0].evidence.recurrence_days


@pytest.mark.parametrize("company", [[THERE[0]], HERE])
def test_one_person_flagged_for_hours_is_no_alarm(company: list[int]) -> None:
    """One wearer alone in a cell, or among sixty, flagged for two hours and more: no episode, and no level rises."""
    crowds = [Crowd(wearers=60, cells=HERE), Crowd(wearers=1, cells=company, flagged_in=frozenset(range(5, 31)))]
    found = told(followed(OLD_TOWN), crowds, bins=34)
    assert found.episodes == []
    assert {one.level for one in found.statuses} <= {"usual", "too_few_wearers"}
    assert {one.recurrence_days for one in found.statuses} == {None}


def test_people_who_move_make_a_notice_that_says_so() -> None:
    """Where those who move account for the flags and who stands around has none, a notice names its likely cause."""
    run = Crowd(wearers=40, cells=HERE, flagged_in=frozenset({1}), moving=True)
    stand = Crowd(wearers=20, cells=HERE)
    found = told(followed(OLD_TOWN), [run, stand, Crowd(wearers=30, cells=THERE)], bins=5)
    opened = next(one for one in found.episodes if one.subject.zone == "old-town")
    assert (opened.tier, opened.evidence.labels, opened.evidence.possible) == (1, ["activity"], [])
    assert opened.reason.endswith("Likely cause: people in motion.")


def test_where_everybody_moves_nobody_says_that_it_is_movement() -> None:
    """Nobody stands still who could show that they are spared: movement is possible, and the episode is an alert."""
    run = Crowd(wearers=40, cells=HERE, flagged_in=frozenset({1}), moving=True)
    found = told(followed(OLD_TOWN), [run, Crowd(wearers=30, cells=THERE)], bins=5)
    opened = next(one for one in found.episodes if one.subject.zone == "old-town")
    assert (opened.tier, opened.evidence.labels, opened.evidence.possible) == (2, [], ["activity"])
    assert opened.reason.endswith("Possible, and not shown to be the cause: most of it is of people in motion.")
    told_of = of(found, "old-town")
    assert {one.possible for one in told_of if one.level == "critical"} == {("activity",)}


def test_who_is_seen_every_other_bin_is_not_told_to_have_recovered() -> None:
    """After an event everybody is away in every second bin: no half hour was seen, so its data ended, in two hours."""
    away = frozenset(range(3, 80, 2))
    here = Crowd(wearers=40, cells=HERE, flagged_in=frozenset({1}), away_in=away)
    found = told(followed(OLD_TOWN), [here, Crowd(wearers=30, cells=THERE)], bins=70)
    town = [one for one in found.episodes if one.subject.zone == "old-town"]
    assert [one.phase for one in town] == ["opened", "ended"]
    assert town[-1].end_reason == "data_ended"
    assert "too few wearers reported where it was (Old Town) to tell" in town[-1].reason
    held_ms = max(one.bin_ms for one in of(found, "old-town") if one.level in {"elevated", "warning", "critical"})
    assert town[-1].changed_ms - held_ms <= (UNSURE_BINS + 2) * BIN_MS


def test_what_happens_after_the_end_is_another_alert() -> None:
    """A notice of people in motion ends; when those who stand are flagged later, that is an alert at once."""
    run = Crowd(wearers=40, cells=HERE, flagged_in=frozenset({1}), moving=True)
    after = 40
    stand = Crowd(wearers=20, cells=HERE, flagged_in=frozenset({after}))
    found = told(followed(OLD_TOWN), [run, stand, Crowd(wearers=30, cells=THERE)], bins=after + 4)
    town = [one for one in found.episodes if one.subject.zone == "old-town"]
    assert [(one.phase, one.tier) for one in town] == [("opened", 1), ("ended", 1), ("opened", 2)]
    assert town[-1].onset_ms == START_MS + after * BIN_MS
    levels = {one.bin_ms: (one.level, one.active_episodes) for one in of(found, "old-town")}
    assert all(active == 1 for level, active in levels.values() if level == "critical")


def test_a_cause_is_likely_only_while_it_was_so_in_every_bin() -> None:
    """Flags of those who stand, after those of a race, raise the notice to an alert that names movement as possible."""
    run = Crowd(wearers=40, cells=HERE, flagged_in=frozenset({1, 3}), moving=True)
    stand = Crowd(wearers=20, cells=HERE, flagged_in=frozenset({2}))
    found = told(followed(OLD_TOWN), [run, stand, Crowd(wearers=30, cells=THERE)], bins=7)
    town = [one for one in found.episodes if one.subject.zone == "old-town"]
    assert [(one.tier, one.evidence.labels) for one in town][:2] == [(1, ["activity"]), (2, [])]
    assert all((one.tier, one.evidence.labels) == (2, []) for one in town[1:])
    assert any(one.evidence.possible == ["activity"] for one in town[1:])


def test_no_episode_tells_a_count_or_a_wearer() -> None:
    """Evidence of a zone holds classes and steps: no number of wearers, no cell finer than those shown."""
    found = told(followed(OLD_TOWN), [EVENT, Crowd(wearers=30, cells=THERE)], bins=5)
    for one in found.episodes:
        body = msgspec.json.encode(one).decode()
        assert not any(f"{cell:x}" in body for cell in HERE)
        assert one.evidence.observed is None
        assert one.subject.wearer is None
        assert ":40" not in body


def test_a_withdrawn_zone_ends_its_episode_and_is_gone() -> None:
    """With the next record after a zone's definition is gone, its episode ends and its status is withdrawn."""
    zones = followed(OLD_TOWN)
    told(zones, [EVENT, Crowd(wearers=30, cells=THERE)], bins=5)
    zones.define([])
    step = zones.take(0, frame([], clock_ms=START_MS + 10 * STEP_MS))
    assert step.gone == ["old-town"]
    (ended,) = step.episodes
    assert (ended.phase, ended.end_reason, ended.subject.zone) == ("ended", "data_ended", "old-town")


def test_a_partition_that_stalls_is_told_once_and_once_when_it_is_back() -> None:
    """The newest status comes again as delayed, with a higher revision, and as it was when the partition is back."""
    zones = Zones(2)
    log = log_of([Crowd(wearers=40, cells=HERE)], bins=6, partitions=2)
    for at in range(6):
        for partition in range(2):
            zones.take(partition, log[partition][at])
    before = zones.take(0, log[0][6]).statuses
    assert [one.state for one in before] == ["delayed"]
    assert zones.take(0, frame([], clock_ms=START_MS + 7 * STEP_MS)).statuses == []
    after = [one for at in (6, 7) for one in zones.take(1, log[1][at]).statuses]
    assert [one.state for one in after if one.revision % STATUSES_A_BIN] == ["ok"]
    assert [one.revision for one in (*before, *after)] == sorted(one.revision for one in (*before, *after))


def test_an_area_without_anybody_is_told_cheaply() -> None:
    """Where nobody reports, the area is told in each bin and named zones at full hours after the first two hours."""
    zones = followed(OLD_TOWN)
    zones.take(0, frame([], clock_ms=START_MS))
    found = zones.take(0, frame([], clock_ms=START_MS + 24 * 3_600_000))
    assert len(of(found, AREA)) == 287
    assert len(of(found, "old-town")) == 24
    assert {one.level for one in found.statuses} == {"too_few_wearers"}


@pytest.mark.parametrize("wearers", [3, 21])
def test_a_zone_of_a_few_tells_nothing_but_that(wearers: int) -> None:
    """Too few wearers, all of them flagged, raise no alarm and show no test."""
    crowd = Crowd(wearers=wearers, cells=HERE, flagged_in=frozenset(range(1, 4)))
    found = told(followed(OLD_TOWN), [crowd], bins=6)
    episodes: list[Episode] = found.episodes
    assert episodes == []
    last = of(found, "old-town")[-1]
    assert (last.level, last.test, last.recurrence_days, last.smallest_visible) == ("too_few_wearers", None, None, None)
    assert np.all([one.cells == () for one in of(found, AREA)])


def test_a_state_of_the_earlier_layout_goes_on_with_labels_that_begin_anew() -> None:
    """What was saved before calming down was told apart is read: the same statuses, the same episode, no label yet.

    Its open bins have one rate for the whole bin.
    """
    crowds, bins = [EVENT, Crowd(wearers=30, cells=THERE)], 12
    log = log_of(crowds, bins=bins, partitions=1)[0]
    zones, later = followed(OLD_TOWN), Zones(1)
    for one in log[:9]:
        zones.take(0, one)
    _, blobs, arrays = unpack(FORMAT, zones.dump())
    now = ("recent:calming_", "recent:ran_", "recent:moved_flags", "recent:flagged_", "recent:resting")
    kept = {name: array for name, array in arrays.items() if not name.startswith(now)}
    assert len(kept) == len(arrays) - 11
    rates = {
        name: name.removesuffix("rate") for name in kept if name.startswith("bins:open.") and name.endswith("/rate")
    }
    assert rates
    told_now = arrays.keys() - kept.keys()
    kept |= {name: kept[name] // np.maximum(kept.pop(f"{of}rated"), 1) for name, of in rates.items()}
    later.load(pack(EARLIER[1], scalars={}, blobs=blobs, arrays=kept))
    for one in log[9:]:
        assert later.take(0, one) == zones.take(0, one)
    again = unpack(FORMAT, later.dump())[2]
    assert {name for name in again if name.startswith(now)} == told_now
