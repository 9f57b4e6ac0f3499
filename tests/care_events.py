"""Episodes and commands for the tests of care."""

from typing import Any
from uuid import UUID

from schemas import alerts, episodes
from schemas.alerts import Command
from schemas.episodes import Episode, Evidence, Subject
from stream_processors.operators.care import Moment

WEARER = UUID("018f0000-0000-7000-8000-000000000001")
SUBJECT = Subject(wearer=WEARER)
ANNA = UUID("018f0000-0000-7000-8000-0000000000a1")
BERT = UUID("018f0000-0000-7000-8000-0000000000b2")
NOW = Moment(now_ms=1_795_000_000_000, generation=3)
ONSET_MS = 1_794_999_900_000


def episode(onset_ms: int = ONSET_MS, **changes: Any) -> Episode:
    """Return an open episode of a high heart rate, with `changes`."""
    condition = changes.get("condition", "heart_rate.high")
    values: dict[str, Any] = {
        "episode_id": episodes.episode_id(SUBJECT, condition, onset_ms),
        "subject": SUBJECT,
        "condition": condition,
        "type": "physiological",
        "phase": "opened",
        "tier": 2,
        "writer": "vitals",
        "revision": 1,
        "pages": True,
        "onset_ms": onset_ms,
        "changed_ms": onset_ms + 5_000,
        "reason": "Heart rate was 131, expected about 72.",
        "evidence": Evidence(vital="heart_rate", side="high", observed=131.0),
        "decided_received_ms": onset_ms + 6_000,
        "decided_append_ms": onset_ms + 6_100,
    }
    return Episode(**{**values, **changes})


def ended(revision: int, why: str = "recovered", **changes: Any) -> Episode:
    """Return the same episode at its end."""
    return episode(
        **{"revision": revision, "phase": "ended", "end_reason": why, "ended_ms": ONSET_MS + 60_000, **changes}
    )


def command(kind: str, by: UUID = ANNA, number: int = 1, **changes: Any) -> Command:
    """Return a command about the alert of `episode()`."""
    values: dict[str, Any] = {
        "command_id": UUID(int=number),
        "kind": kind,
        "alert_id": alerts.alert_id(episode().episode_id),
        "subject": SUBJECT,
        "by": by,
        "by_name": "Anna" if by == ANNA else "Bert",
    }
    return Command(**{**values, **changes})
