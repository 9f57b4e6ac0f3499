"""Whatever the order and however often things are told, the same alerts come out."""

from collections import Counter
from uuid import UUID

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import alerts, episodes
from schemas.alerts import Alert, Command
from schemas.episodes import Episode
from stream_processors.operators.care import Moment, Tracked, answer_command, follow_episode
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
def histories(draw: st.DrawFn) -> tuple[list[Event], list[Event]]:
    """Return a legal history, and the same with other interleavings and with repeats.

    Legal: a condition's episodes follow one another, and nobody answers an alert that has not been raised.
    """
    lanes: list[list[Event]] = []
    followers: dict[int, list[Event]] = {}
    for condition in CONDITIONS:
        lane: list[Event] = []
        for number in range(draw(st.integers(1, 3))):
            told, asked = draw(lives(condition, number))
            first = len(lane)
            lane += told
            followers[id(lane[first])] = asked
        lanes.append(lane)
    first_order = _interleave(draw, lanes, followers)
    second_order = _interleave(draw, lanes, followers)
    return first_order, _with_repeats(draw, second_order)


def _interleave(draw: st.DrawFn, lanes: list[list[Event]], followers: dict[int, list[Event]]) -> list[Event]:
    open_lanes = [list(lane) for lane in lanes]
    order: list[Event] = []
    while open_lanes:
        lane = open_lanes[draw(st.integers(0, len(open_lanes) - 1))]
        event = lane.pop(0)
        order.append(event)
        if followers.get(id(event)):
            open_lanes.append(list(followers[id(event)]))
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


def outcome(order: list[Event]) -> dict[UUID, Alert]:
    """Return the alerts after these events, having checked after each that a condition has one uncleared alert."""
    known: dict[UUID, Tracked] = {}
    answered: set[UUID] = set()
    for place, event in enumerate(order):
        moment = Moment(now_ms=ONSET_MS + place, generation=1)
        if isinstance(event, Episode):
            changes = list(follow_episode(known, event, moment))
        elif event.command_id not in answered:
            answered.add(event.command_id)
            changes = list(answer_command(known, event, moment).changes)
        else:
            changes = []
        for change in changes:
            alert = change.after.alert
            before = known.get(alert.alert_id)
            assert before is None or alert.revision > before.alert.revision
            known[alert.alert_id] = change.after
            uncleared = Counter(each.alert.kind for each in known.values() if each.alert.condition == "active")
            assert all(count == 1 for count in uncleared.values())
    return {key: tracked.alert for key, tracked in known.items()}


def essence(alert: Alert) -> tuple[Alert, Counter[tuple[str, str]]]:
    """Return an alert without its times, and its history without its order: what no interleaving may change."""
    bare = msgspec.structs.replace(alert, raised_ms=0, cleared_ms=None, events=[])
    return bare, Counter((line.kind, str(line.by)) for line in alert.events)


@settings(max_examples=150, deadline=None)
@given(histories())
def test_no_interleaving_or_repeat_changes_the_alerts(orders: tuple[list[Event], list[Event]]) -> None:
    """Any interleaving with repeats of a legal history gives the same alerts, at most one a condition uncleared."""
    plain, tangled = (outcome(order) for order in orders)
    assert {key: essence(alert) for key, alert in plain.items()} == {
        key: essence(alert) for key, alert in tangled.items()
    }
    episodes_told = {event.episode_id for event in orders[0] if isinstance(event, Episode)}
    assert {alert.episode_id for alert in plain.values()} == episodes_told
