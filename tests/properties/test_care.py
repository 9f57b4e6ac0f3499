"""Whatever the order and however often things are told, the same alerts come out."""

import itertools
from collections import Counter
from uuid import UUID

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import alerts, episodes
from schemas.alerts import Alert, Command
from schemas.episodes import Episode
from stream_processors.families.care import decide
from stream_processors.operators.care import GENERATION_STEP, Answer, Moment, Tracked
from stream_processors.ports import CareBook, CareEntries
from tests.care_events import ANNA, BERT, ONSET_MS, SUBJECT, command, episode

Event = Episode | Command
CONDITIONS = ("heart_rate.high", "spo2.low")
EPISODE_MS = 600_000


@st.composite
def lives(draw: st.DrawFn, condition: str, number: int) -> list[list[Event]]:
    """Return one episode's events in order, and for each of its carers what they command, in order."""
    onset_ms = ONSET_MS + number * EPISODE_MS
    tiers = sorted(draw(st.lists(st.integers(1, 3), min_size=1, max_size=4)))
    ends = draw(st.sampled_from([None, "recovered", "data_ended"]))
    told: list[Event] = [
        episode(
            onset_ms,
            condition=condition,
            tier=tier,
            revision=place + 1,
            phase="updated" if place else "opened",
            reason=f"Change {place}.",
        )
        for place, tier in enumerate(tiers)
    ]
    if ends is not None:
        told.append(
            episode(
                onset_ms, condition=condition, tier=tiers[-1], revision=len(tiers) + 1, phase="ended", end_reason=ends
            )
        )
    subject_alert = alerts.alert_id(episodes.episode_id(SUBJECT, condition, onset_ms))
    asked: list[Event] = [
        command(
            kind,
            by=ANNA if number % 2 else BERT,
            number=10_000 * CONDITIONS.index(condition) + 100 * number + place,
            alert_id=subject_alert,
            outcome="checked",
        )
        for place, kind in enumerate(
            draw(st.sampled_from([[], ["seen"], ["seen", "acknowledge"], ["acknowledge", "resolve"]]))
        )
    ]
    return [told, asked]


@st.composite
def histories(draw: st.DrawFn) -> tuple[list[list[Event]], list[list[Event]]]:
    """Return a legal history in batches, and the same in another interleaving, with repeats, in other batches.

    Legal: a condition's episodes follow one another, and a person's commands about an alert do. Between the topics
    there is no order: a command may come before the episode whose alert it answers.
    """
    lanes: list[list[Event]] = []
    for condition in CONDITIONS:
        told_of_all: list[Event] = []
        for number in range(draw(st.integers(1, 3))):
            told, asked = draw(lives(condition, number))
            told_of_all += told
            lanes.append(asked)
        lanes.append(told_of_all)
    plain = batches(draw, _interleave(draw, lanes))
    return plain, batches(draw, _with_repeats(draw, _interleave(draw, lanes)))


def _interleave(draw: st.DrawFn, lanes: list[list[Event]]) -> list[Event]:
    open_lanes = [list(lane) for lane in lanes if lane]
    order: list[Event] = []
    while open_lanes:
        order.append(open_lanes[draw(st.integers(0, len(open_lanes) - 1))].pop(0))
        open_lanes = [each for each in open_lanes if each]
    return order


def _with_repeats(draw: st.DrawFn, order: list[Event]) -> list[Event]:
    """Return the order with stretches told again, as after a restart from a saved offset."""
    repeated: list[Event] = []
    for place, event in enumerate(order):
        repeated.append(event)
        if draw(st.integers(0, 3)) == 0:
            repeated += order[draw(st.integers(0, place)) : place + 1]
    return repeated


def batches(draw: st.DrawFn, order: list[Event]) -> list[list[Event]]:
    """Return the order cut into batches."""
    cuts = sorted(draw(st.sets(st.integers(1, len(order)), max_size=5)))
    return [order[start:end] for start, end in itertools.pairwise([0, *cuts, len(order)])]


def outcome(cut: list[list[Event]]) -> dict[UUID, Alert]:
    """Return the alerts after these batches, having checked after each that a condition has one uncleared alert."""
    known: dict[UUID, Tracked] = {}
    answers: dict[UUID, tuple[Command, Answer]] = {}
    for place, events in enumerate(cut):
        early = [command for command, answer in answers.values() if answer.early]
        moment = Moment(now_ms=ONSET_MS + place, generation=1)
        entries = decide(events, CareBook(moment=moment, alerts=known, answered=answers.keys(), early=early))
        assert_told_in_order(entries, known)
        known |= {tracked.alert.alert_id: tracked for tracked in entries.alerts}
        answers |= {command.command_id: (command, answer) for command, answer in entries.answers}
        uncleared = Counter(each.alert.kind for each in known.values() if each.alert.condition == "active")
        assert all(count == 1 for count in uncleared.values())
    assert {answer.status for _, answer in answers.values()} <= {"done"}
    return {key: tracked.alert for key, tracked in known.items()}


def assert_told_in_order(entries: CareEntries, known: dict[UUID, Tracked]) -> None:
    """Every change that is told has the next revision of its alert; what is told leaves one uncleared a condition."""
    revisions = {key: tracked.alert.revision for key, tracked in known.items()}
    uncleared = {tracked.alert.kind: key for key, tracked in known.items() if tracked.alert.condition == "active"}
    for emission in entries.outbox:
        alert = alerts.decode_change(emission.value)
        assert alert.revision == revisions.get(alert.alert_id, GENERATION_STEP) + 1
        revisions[alert.alert_id] = alert.revision
        if alert.condition == "active":
            assert uncleared.setdefault(alert.kind, alert.alert_id) == alert.alert_id
        elif uncleared.get(alert.kind) == alert.alert_id:
            del uncleared[alert.kind]


def essence(alert: Alert) -> tuple[Alert, Counter[tuple[str, str]]]:
    """Return an alert without its times, and its history without its order: what no interleaving may change."""
    bare = msgspec.structs.replace(alert, raised_ms=0, cleared_ms=None, events=[])
    return bare, Counter((line.kind, str(line.by)) for line in alert.events)


@settings(max_examples=150, deadline=None)
@given(histories())
def test_no_interleaving_or_repeat_changes_the_alerts(told: tuple[list[list[Event]], list[list[Event]]]) -> None:
    """Any interleaving, repeats and batches of a legal history give the same alerts, one a condition uncleared."""
    plain, tangled = (outcome(cut) for cut in told)
    assert {key: essence(alert) for key, alert in plain.items()} == {
        key: essence(alert) for key, alert in tangled.items()
    }
    episodes_told = {event.episode_id for events in told[0] for event in events if isinstance(event, Episode)}
    assert {alert.episode_id for alert in plain.values()} == episodes_told
