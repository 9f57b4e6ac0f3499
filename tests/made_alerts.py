"""Alerts as care publishes them, for tests of whoever follows them."""

from schemas.alerts import Alert, AlertEvent, alert_id, encode_change
from schemas.topics import ALERTS, partition_of
from stream_processors.ports import Record
from tests.care_events import ONSET_MS, SUBJECT, WEARER, episode


def made_alert(revision: int = 1) -> Alert:
    """Return the alert of `episode()`."""
    made = episode()
    return Alert(
        alert_id=alert_id(made.episode_id),
        subject=SUBJECT,
        episode_id=made.episode_id,
        revision=revision,
        kind=made.condition,
        priority="medium",
        type=made.type,
        condition="active",
        response="unseen",
        onset_ms=made.onset_ms,
        raised_ms=ONSET_MS + 6_200,
        title="Heart rate high",
        reason=made.reason,
        evidence={"observed": 131.0},
        events=[AlertEvent(kind="raised", at_ms=ONSET_MS + 6_200)],
        decided_received_ms=made.decided_received_ms,
    )


def alert_record(offset: int, *, revision: int = 1) -> Record:
    """Return a record of that alert on its partition."""
    value = encode_change(made_alert(revision), time="2026-11-18T08:00:00Z")
    partition = partition_of(WEARER)
    return Record(topic=ALERTS.name, partition=partition, offset=offset, append_ms=ONSET_MS, key=None, value=value)
