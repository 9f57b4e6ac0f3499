"""What episodes and commands make of alerts."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

import pytest

from schemas import alerts
from schemas.alerts import Alert, Command
from schemas.episodes import Episode, Evidence, Subject
from stream_processors.operators.care import (
    GENERATION_STEP,
    Answer,
    Change,
    Moment,
    Tracked,
    answer_command,
    follow_episode,
    priority_of,
    title_of,
)
from tests.care_events import ANNA, BERT, NOW, ONSET_MS, command, ended, episode


class Book:
    """Alerts, with every change applied as it is decided."""

    def __init__(self) -> None:
        self.known: dict[UUID, Tracked] = {}

    def follow(self, event: Episode, moment: Moment = NOW) -> list[Change]:
        """Take in an episode."""
        return self._keep(follow_episode(self.known, event, moment))

    def answer(self, event: Command) -> Answer:
        """Answer a command."""
        answer = answer_command(self.known, event, NOW)
        self._keep(answer.changes)
        return answer

    def alert(self, event: Episode | None = None) -> Alert:
        """Return the alert of an episode."""
        return self.known[alerts.alert_id((event or episode()).episode_id)].alert

    def _keep(self, changes: Iterable[Change]) -> list[Change]:
        kept = list(changes)
        self.known |= {change.after.alert.alert_id: change.after for change in kept}
        return kept


@pytest.fixture
def book() -> Book:
    """A book with the alert of one open episode."""
    opened = Book()
    opened.follow(episode())
    return opened


def kinds(changes: Iterable[Change]) -> list[str]:
    """Return what happened, in order."""
    return [change.kind for change in changes]


def test_an_episode_that_pages_raises_one_alert() -> None:
    """A paging episode raises an alert with the id of that episode, unseen and active."""
    changes = Book().follow(episode())
    alert = changes[0].after.alert
    assert kinds(changes) == ["raised"]
    assert (alert.alert_id, alert.condition, alert.response) == (
        alerts.alert_id(episode().episode_id),
        "active",
        "unseen",
    )


def test_a_repeated_event_changes_nothing(book: Book) -> None:
    """The same revision of an episode changes nothing the second time."""
    assert book.follow(episode()) == []


def test_an_older_revision_changes_nothing(book: Book) -> None:
    """A revision that is lower than the one taken in changes nothing."""
    book.follow(episode(revision=5, phase="updated"))
    assert book.follow(episode(revision=4, phase="updated", tier=3)) == []


def test_revisions_are_counted_per_writer(book: Book) -> None:
    """A low revision of another writer is new."""
    book.follow(episode(revision=9, phase="updated"))
    assert kinds(book.follow(episode(writer="care", revision=1, phase="updated"))) == ["updated"]


def test_a_first_revision_of_nought_is_news(book: Book) -> None:
    """A writer may begin to count at nought."""
    assert kinds(book.follow(episode(writer="care", revision=0, phase="updated"))) == ["updated"]


def test_a_rising_tier_raises_the_priority(book: Book) -> None:
    """A higher tier raises the priority and leaves a line in the history."""
    changes = book.follow(episode(revision=2, phase="updated", tier=3))
    assert (kinds(changes), book.alert().priority, book.alert().events[-1].kind) == (["updated"], "high", "updated")


def test_the_priority_never_falls(book: Book) -> None:
    """A lower tier leaves the priority where it is."""
    book.follow(episode(revision=2, phase="updated", tier=1))
    assert book.alert().priority == "medium"


def test_an_update_renews_reason_and_evidence_without_a_line(book: Book) -> None:
    """Renewed evidence is told and is no line of the history."""
    changes = book.follow(
        episode(revision=2, phase="updated", reason="It is 140 now.", evidence=Evidence(observed=140.0))
    )
    alert = book.alert()
    assert (alert.reason, alert.evidence["observed"]) == ("It is 140 now.", 140.0)
    assert (len(alert.events), changes[0].recorded) == (1, False)


def test_what_was_injected_stays_marked(book: Book) -> None:
    """An alert raised on injected values stays marked when later evidence is not injected."""
    injected = Book()
    injected.follow(episode(evidence=Evidence(observed=131.0, injected=True)))
    injected.follow(episode(revision=2, phase="updated", evidence=Evidence(observed=140.0)))
    assert injected.alert().evidence["injected"] is True
    assert "injected" not in book.alert().evidence


@pytest.mark.parametrize("why", ["recovered", "data_ended", "superseded"])
def test_the_end_clears_with_its_own_reason(book: Book, why: str) -> None:
    """The alert is cleared with the reason that the episode ended with."""
    book.follow(ended(2, why))
    assert (book.alert().condition, book.alert().cleared_reason) == ("cleared", why)
    assert book.alert().cleared_ms == NOW.now_ms


def test_lost_data_is_not_told_as_recovery(book: Book) -> None:
    """The sentence for an end of data says that the outcome is unknown."""
    book.follow(ended(2, "data_ended"))
    assert "unknown" in (book.alert().events[-1].note or "")


def test_the_end_keeps_what_the_alert_was_raised_for(book: Book) -> None:
    """The reason of a cleared alert still says what was seen."""
    book.follow(ended(2, reason="Heart rate is 74 again.", evidence=Evidence(observed=74.0)))
    assert (book.alert().reason, book.alert().evidence["observed"]) == (episode().reason, 131.0)


def test_an_end_that_brings_a_higher_tier_raises_first(book: Book) -> None:
    """A tier that rises in the last change is told before the alert clears."""
    assert kinds(book.follow(ended(2, tier=3))) == ["updated", "cleared"]
    assert book.alert().priority == "high"


def test_clearing_is_final(book: Book) -> None:
    """Nothing that an episode does after its alert was cleared changes the alert."""
    book.follow(ended(2))
    assert book.follow(episode(revision=3, phase="updated", tier=3)) == []


def test_history_raises_no_alert() -> None:
    """An episode that does not page raises none, at its start or its end."""
    assert follow_episode({}, episode(pages=False), NOW) == []
    assert follow_episode({}, ended(2, pages=False), NOW) == []


def test_history_that_begins_to_page_raises() -> None:
    """A later change that pages raises the alert of an episode that began as history."""
    late = Book()
    late.follow(episode(pages=False))
    assert kinds(late.follow(episode(revision=2, phase="updated"))) == ["raised"]


def test_an_episode_first_seen_at_its_end_is_told() -> None:
    """A paging episode that is already over is raised and cleared."""
    assert kinds(Book().follow(ended(2))) == ["raised", "cleared"]


def test_a_newer_episode_supersedes_the_older_alert(book: Book) -> None:
    """A newer episode of the same condition clears the older alert before its own is raised."""
    newer = episode(ONSET_MS + 600_000)
    assert kinds(book.follow(newer)) == ["cleared", "raised"]
    assert (book.alert().cleared_reason, book.alert(newer).condition) == ("superseded", "active")


def test_an_older_episode_does_not_displace_a_newer_alert(book: Book) -> None:
    """An episode with an earlier onset is told and superseded at once."""
    older = episode(ONSET_MS - 600_000)
    assert kinds(book.follow(older)) == ["raised", "cleared"]
    assert (book.alert().condition, book.alert(older).cleared_reason) == ("active", "superseded")


def test_another_condition_supersedes_nothing(book: Book) -> None:
    """An alert of another condition leaves this one alone."""
    assert kinds(book.follow(episode(ONSET_MS + 1, condition="spo2.low"))) == ["raised"]
    assert book.alert().condition == "active"


def test_revisions_start_with_the_generation(book: Book) -> None:
    """The first revision lies just above the generation's start."""
    assert book.alert().revision == 3 * GENERATION_STEP + 1


def test_a_new_generation_is_above_every_older_revision(book: Book) -> None:
    """A raised generation lifts the next revision above all that came before."""
    book.follow(episode(revision=2, phase="updated"), Moment(now_ms=NOW.now_ms, generation=4))
    assert book.alert().revision == 4 * GENERATION_STEP + 1


def test_seen_by_the_first_person(book: Book) -> None:
    """The first look makes an unseen alert seen, and says who looked."""
    book.answer(command("seen"))
    assert (book.alert().response, book.alert().events[-1].by) == ("seen", ANNA)


def test_seen_again_by_the_same_person_changes_nothing(book: Book) -> None:
    """A second look by the same person is done without a change."""
    book.answer(command("seen"))
    assert book.answer(command("seen", number=2)) == Answer(status="done")


def test_seen_by_another_is_recorded_and_takes_nothing_back(book: Book) -> None:
    """A look at an acknowledged alert is recorded, and the alert stays acknowledged."""
    book.answer(command("acknowledge"))
    book.answer(command("seen", BERT, 2))
    assert (book.alert().response, book.alert().events[-1].by) == ("acknowledged", BERT)


def test_acknowledging_is_not_resolving(book: Book) -> None:
    """An acknowledged alert has somebody in charge, and is neither resolved nor cleared."""
    assert book.answer(command("acknowledge")).status == "done"
    alert = book.alert()
    assert (alert.response, alert.acknowledged_by, alert.resolved_by, alert.condition) == (
        "acknowledged",
        ANNA,
        None,
        "active",
    )


def test_the_first_who_acknowledges_stays_in_charge(book: Book) -> None:
    """A second person's acknowledgement is recorded; the first stays in charge, and the answer names them."""
    book.answer(command("acknowledge"))
    answer = book.answer(command("acknowledge", BERT, 2))
    assert (answer.status, book.alert().acknowledged_by, book.alert().events[-1].by) == ("done", ANNA, BERT)
    assert "Anna" in (answer.detail or "")


def test_acknowledging_twice_is_recorded_once(book: Book) -> None:
    """The same person's second acknowledgement adds no line."""
    book.answer(command("acknowledge"))
    assert book.answer(command("acknowledge", number=2)).changes == ()


def test_resolving_needs_an_outcome(book: Book) -> None:
    """A resolve without an outcome, or with a blank one, is refused and changes nothing."""
    for outcome in (None, " "):
        answer = book.answer(command("resolve", outcome=outcome))
        assert (answer.status, answer.changes) == ("refused", ())


def test_resolving_leaves_the_condition_active(book: Book) -> None:
    """A resolved alert stays active until its episode ends."""
    book.answer(command("resolve", outcome="false alarm"))
    alert = book.alert()
    assert (alert.response, alert.resolved_by, alert.condition) == ("resolved", ANNA, "active")
    book.follow(ended(2))
    assert (book.alert().condition, book.alert().response) == ("cleared", "resolved")


@pytest.mark.parametrize("kind", ["acknowledge", "resolve"])
def test_resolved_is_final(book: Book, kind: str) -> None:
    """What is resolved is neither acknowledged nor resolved again, and the answer names who resolved it."""
    book.answer(command("resolve", outcome="false alarm"))
    answer = book.answer(command(kind, BERT, 2, outcome="fall"))
    assert (answer.status, answer.changes) == ("refused", ())
    assert "Anna" in (answer.detail or "")


def test_looking_at_a_resolved_alert_changes_nothing(book: Book) -> None:
    """A look at a resolved alert is done without a change."""
    book.answer(command("resolve", outcome="false alarm"))
    assert book.answer(command("seen", BERT, 2)) == Answer(status="done")


def test_an_unknown_alert_is_refused() -> None:
    """A command about no known alert is refused."""
    assert answer_command({}, command("acknowledge"), NOW).status == "refused"


def test_another_subject_is_refused(book: Book) -> None:
    """A command that names another subject than the alert's is refused in the words for an unknown alert."""
    other = book.answer(command("acknowledge", subject=Subject(wearer=BERT)))
    unknown = answer_command({}, command("acknowledge"), NOW)
    assert (other.status, other.detail) == (unknown.status, unknown.detail) == ("refused", unknown.detail)
    assert (other.early, unknown.early) == (False, True)


@pytest.mark.parametrize(
    ("changes", "priority"),
    [
        ({"tier": 1}, "low"),
        ({"tier": 2}, "medium"),
        ({"tier": 3}, "high"),
        ({"type": "technical", "tier": 0, "condition": "no_data"}, "medium"),
        ({"type": "technical", "tier": 0, "condition": "clock_offset"}, "low"),
    ],
)
def test_priorities(changes: dict[str, Any], priority: str) -> None:
    """Tiers give priorities; technical conditions are low, missing data medium."""
    assert priority_of(episode(**changes)) == priority


@pytest.mark.parametrize(
    ("condition", "evidence", "title"),
    [
        ("heart_rate.high", Evidence(), "Heart rate high"),
        ("spo2.low", Evidence(), "Oxygen saturation low"),
        ("no_data", Evidence(sources=["watch", "rppg"]), "No data from watch, camera"),
        ("no_data", Evidence(), "No data from any source"),
        ("clock_offset", Evidence(), "Device clock is wrong"),
        ("many_affected", Evidence(), "Many affected"),
        ("zone.count", Evidence(place="Old Town"), "Unusual distress in Old Town"),
        ("zone.shift", Evidence(place="Old Town"), "Everybody off their usual in Old Town"),
        (
            "zone.count",
            Evidence(place="Old Town", labels=["firmware"]),
            "Unusual distress in Old Town (likely one firmware)",
        ),
        ("zone.count", Evidence(place="Old Town", possible=["activity"]), "Unusual distress in Old Town"),
    ],
)
def test_titles(condition: str, evidence: Evidence, title: str) -> None:
    """Titles are a few plain words."""
    assert title_of(condition, evidence) == title
