"""The audit's buffer: bounded, and what it loses is told."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from api.records import AuditEntry
from infra.timescale import audit
from infra.timescale.audit import AuditTrail

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)


class Pool:
    """A pool that keeps the actions that are written."""

    def __init__(self) -> None:
        self.actions: list[str] = []

    async def execute(self, _statement: str, *columns: Any) -> None:
        """Keep the column of actions."""
        self.actions += columns[2]


async def test_what_finds_no_room_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest lines go when too many wait, the count of them stays for good, and the rest is written in order."""
    monkeypatch.setattr(audit, "_MOST_WAITING", 3)
    pool: Any = Pool()
    trail = AuditTrail(pool)
    for number in range(5):
        trail.note(AuditEntry(at=NOON, user_id=UUID(int=1), action=f"look {number}", subject=None))
    assert await trail.count_lost() == 2
    await trail.flush()
    await trail.flush()
    assert pool.actions == ["look 2", "look 3", "look 4"]
    assert await trail.count_lost() == 2
