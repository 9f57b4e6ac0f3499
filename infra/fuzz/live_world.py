"""A world for the live socket without services: grants, stored data and a log in memory, all of them small."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from datetime import UTC, datetime
from typing import Any, Final, cast
from uuid import UUID, uuid5

import numpy as np
import numpy.typing as npt

from api.callers import Ports
from api.jobs import JobDesk
from api.live.entries import Decoding
from api.live.hub import Hub
from api.live.recent import FOLLOWED
from api.ports import Commands, LogRecord, Metrics, People, Probes, Reads, SignIn, Videos
from api.records import SCOPES, AccessChange, AlertQuery, AuditEntry, Caller, Latest, Position, Positions, Score
from api.zone_ports import Zones
from infra.fuzz.valid import NOW_MS
from schemas.alerts import Alert
from schemas.episodes import Episode
from schemas.topics import PARTITIONS
from schemas.zones import ZoneStatus

_SPACE: Final = UUID("1c0bb1c6-4a0e-4c3f-8a8e-0e9b1d6f2a11")
WEARERS: Final = [uuid5(_SPACE, f"wearer {number}") for number in range(4)]
"""The first three are shared with the caller, the last is not."""
CALLER: Final = Caller(user_id=uuid5(_SPACE, "user"), name="Ben", role="carer", token_sha256=b"hash")
ZONE: Final = "old-town"
"""The one zone that is shared with the caller."""
_END: Final = 50


class MemoryAccess:
    """Every token is good; the first three wearers are shared."""

    async def identify(self, token: str) -> Caller:
        """Return the one caller."""
        del token
        return CALLER

    def holds(self, token_sha256: bytes) -> bool:
        """Return that the token is good."""
        return token_sha256 == CALLER.token_sha256

    def scopes(self, user_id: UUID, wearer: UUID) -> frozenset[str]:
        """Return all scopes for what is shared."""
        return frozenset(SCOPES) if user_id == CALLER.user_id and wearer in WEARERS[:3] else frozenset()

    def wearers(self, user_id: UUID, scope: str) -> frozenset[UUID]:
        """Return what is shared."""
        del scope
        return frozenset(WEARERS[:3]) if user_id == CALLER.user_id else frozenset()

    def zone_scopes(self, user_id: UUID, zone: str) -> frozenset[str]:
        """Return all scopes for the one zone that is shared."""
        shared = user_id == CALLER.user_id and zone == ZONE
        return frozenset({"status", "alerts", "act"}) if shared else frozenset()

    def zones(self, user_id: UUID, scope: str) -> frozenset[str]:
        """Return what is shared."""
        return frozenset({ZONE} if scope in self.zone_scopes(user_id, ZONE) else ())

    def device(self, number: int) -> UUID | None:
        """Return that no device is known."""
        del number
        return None

    async def refresh(self) -> None:
        """Return: nothing changes."""

    def learn(self, change: AccessChange) -> None:
        """Return: nothing changes."""
        del change


class MemoryReads:
    """Nothing is stored yet, and storage stands at the end of the log."""

    async def alerts(self, query: AlertQuery) -> Sequence[Alert]:
        """Return none."""
        del query
        return []

    async def readings_now(self, wearers: Collection[UUID]) -> tuple[Sequence[Latest], Positions]:
        """Return none, at the end of the log."""
        del wearers
        return [], _positions()

    async def scores_now(self, wearers: Collection[UUID]) -> tuple[Sequence[Score], Positions]:
        """Return none, at the end of the log."""
        del wearers
        return [], _positions()

    async def episodes_now(
        self, wearers: Collection[UUID], zones: Collection[str] = ()
    ) -> tuple[Sequence[Episode], Positions]:
        """Return none, at the end of the log."""
        del wearers, zones
        return [], _positions()


class MemoryZones:
    """No zone was judged yet."""

    async def stood(self, only: Collection[str]) -> tuple[Sequence[ZoneStatus], Positions]:
        """Return none, at the end of the log."""
        del only
        return [], _positions()


class EmptyLog:
    """A log whose records were all dropped by retention."""

    async def bounds(self, topic: str, partition: int) -> tuple[int, int]:
        """Return that nothing is left before its end."""
        del topic, partition
        return _END, _END

    async def read(self, topic: str, partition: int, start: int, end: int) -> AsyncIterator[Sequence[LogRecord]]:
        """Yield nothing."""
        del topic, partition, start, end
        return
        yield []


class Tally:
    """Counts the lines of the audit, and what the meter is told."""

    def __init__(self) -> None:
        self.lines = 0

    def note(self, entry: AuditEntry) -> None:
        """Count a line of the audit."""
        del entry
        self.lines += 1

    def observe(self, name: str, seconds: npt.NDArray[np.float64] | float) -> None:
        """Leave out."""

    def count(self, name: str, amount: int = 1, **labels: str) -> None:
        """Leave out."""

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Leave out."""


def _positions() -> Positions:
    return {number: Position(next_offset=_END, clock_ms=NOW_MS) for number in range(PARTITIONS)}


def live_ports() -> Ports:
    """Return ports over which the live socket works; those that it does not reach for are None."""
    access, tally, decoding = MemoryAccess(), Tally(), Decoding(lambda _: None)
    hub = Hub(grants=access, decoding=decoding, meter=tally)
    for topic in FOLLOWED:
        for partition in range(PARTITIONS):
            hub.begin(topic, partition, _END)
    nothing: Any = None
    return Ports(
        access=access,
        people=cast(People, nothing),
        sign_in=cast(SignIn, nothing),
        reads=cast(Reads, MemoryReads()),
        zones=cast(Zones, MemoryZones()),
        commands=cast(Commands, nothing),
        audit=tally,
        probes=cast(Probes, nothing),
        metrics=cast(Metrics, nothing),
        meter=tally,
        hub=hub,
        decoding=decoding,
        log=EmptyLog(),
        videos=cast(Videos, nothing),
        jobs=cast(JobDesk, nothing),
        clock=lambda: datetime.fromtimestamp(NOW_MS / 1000, UTC),
        new_id=lambda: _SPACE,
        sleep=asyncio.sleep,
    )
