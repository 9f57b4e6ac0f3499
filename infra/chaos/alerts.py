"""Were the injected episodes told: once each, in the database, over HTTP, and without a gap on a live socket?"""

from collections import Counter
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from infra.chaos.auditor import Database, Wearer

KIND: Final = "heart_rate.high"
GENERATION: Final = 1 << 22
"""Alert revisions are a generation's number times this, and what follows without a gap."""


@dataclass(slots=True)
class AlertFindings:
    """Episodes that were injected, and how many alerts lack somewhere or came twice."""

    expected: int = 0
    missed: int = 0
    doubled: int = 0
    unexpected: int = 0
    shown: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Told:
    """An alert as the database holds it: the number of times it was raised, and its newest revision."""

    alert_id: str
    wearer_id: str
    revision: int
    raised: int


def stored_alerts(database: Database) -> list[Told]:
    """Return every alert of the kind that was injected; what the model thinks of made values is not judged here."""
    rows = database.table(
        "SELECT alert_id::text, wearer_id::text, revision, "
        "(SELECT count(*) FROM alert_events e WHERE e.alert_id = a.alert_id AND e.kind = 'raised') AS raised "
        "FROM alerts a WHERE kind = 'heart_rate.high' ORDER BY raised, alert_id"
    ).to_pylist()
    return [Told(row["alert_id"], row["wearer_id"], row["revision"], row["raised"]) for row in rows]


async def api_alerts(api: str, token: str) -> Counter[tuple[str, str]]:
    """Return how often each (wearer, alert) is listed over HTTP."""
    found: Counter[tuple[str, str]] = Counter()
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=api, headers=headers, timeout=30) as client:
        cursor: str | None = None
        while True:
            query = {"limit": "500"} | ({"cursor": cursor} if cursor else {})
            page: dict[str, Any] = (await client.get("/alerts", params=query)).raise_for_status().json()
            found.update(
                (alert["subject"]["wearer"], alert["alert_id"]) for alert in page["items"] if alert["kind"] == KIND
            )
            if not (cursor := page["cursor"]):
                return found


def judge(
    expected: Sequence[Wearer],
    stored: Sequence[Told],
    listed: Counter[tuple[str, str]],
    seen: Mapping[str, AbstractSet[int]],
) -> AlertFindings:
    """Hold the three accounts against what was injected: one alert a wearer, each revision seen."""
    found = AlertFindings(expected=len(expected))
    patients = {one.wearer_id for one in expected}
    for wearer in sorted(patients):
        own = [alert for alert in stored if alert.wearer_id == wearer]
        shown = {alert_id for of, alert_id in listed if of == wearer}
        gaps = [words for alert in own if (words := gap(seen.get(alert.alert_id, frozenset()), alert.revision))]
        if not own or not shown or gaps:
            found.missed += 1
            why = gaps[0] if gaps else "not in the database" if not own else "not in the API's list"
            found.shown.append(f"missed: wearer {wearer}, {why}")
        again = max(len(own), len(shown), max((alert.raised for alert in own), default=0)) - 1
        if again > 0:
            found.doubled += again
            found.shown.append(f"doubled: wearer {wearer} has {[alert.alert_id for alert in own]}")
    found.unexpected = sum(alert.wearer_id not in patients for alert in stored)
    return found


def gap(seen: AbstractSet[int], newest: int) -> str:
    """Return "" where every revision from the first of its generation to the newest was seen."""
    first = newest // GENERATION * GENERATION + 1
    missing = [revision - first + 1 for revision in range(first, newest + 1) if revision not in seen]
    return f"revisions {missing[:5]} of {newest - first + 1} never reached the live socket" if missing else ""
