"""What the API needs to define community zones, to say who may see them, and to read how they stood."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from api.errors import RefusedError
from api.records import Carer, Positions, Span, Zone, ZoneNow
from schemas.zones import ZoneStatus


class TooManyZonesError(RefusedError):
    """There is no room for another zone."""

    def __init__(self, most: int) -> None:
        super().__init__(409, "too_many_zones", f"There may be {most} zones; withdraw one first.", most=most)


class CrossingZonesError(RefusedError):
    """A zone would share cells with another of which neither holds the other whole."""

    def __init__(self, zone: str, name: str) -> None:
        super().__init__(
            409,
            "crosses",
            f"This zone and {name} ({zone}) would cross: they share cells, and neither holds the other whole. What "
            "such zones tell can be subtracted. Draw it within the other, around the whole of it, or beside it; or "
            "change or withdraw the other first.",
            zone_id=zone,
            name=name,
        )


class Definitions(Protocol):
    """Knows zones as they are defined now. Both raise DatabaseAwayError when the database is away."""

    async def definitions(self, only: Collection[str] | None) -> Sequence[Zone]:
        """Return zones as they are defined now, by name: all, or those named."""
        ...

    async def listed(self, only: Collection[str] | None) -> Sequence[Zone]:
        """Return the same without the cells, which are long."""
        ...


class Zones(Definitions, Protocol):
    """Keeps zones by version, grants for them, and their history.

    Every method raises DatabaseAwayError when the database is away. `area`, the whole area, is always there; it can be
    granted and read, and has no definition.
    """

    async def define(self, zone: str, *, name: str, cells: Sequence[int], by: UUID) -> Zone | None:
        """Add a zone; return it, or None where its id was ever given.

        Raises:
            TooManyZonesError: There is no room for another.
            CrossingZonesError: It crosses another.
        """
        ...

    async def redefine(self, zone: str, *, name: str, cells: Sequence[int], by: UUID) -> Zone | None:
        """Add a version to a zone, unless nothing changes; return the newest, or None where there is no such zone.

        Raises:
            CrossingZonesError: Its cells change, and it would cross another.
        """
        ...

    async def withdraw(self, zone: str) -> bool:
        """End a zone and every grant for it; return whether there was such a zone. Its id is not given again."""
        ...

    async def grant(self, zone: str, user: UUID, *, scopes: Sequence[str], expires: datetime | None, by: UUID) -> None:
        """Grant exactly these scopes, replacing what was granted before.

        Raises:
            UnknownSubjectError: There is no such zone or user.
        """
        ...

    async def ungrant(self, zone: str, user: UUID) -> bool:
        """Withdraw a grant; return whether there was one."""
        ...

    async def people(self, zone: str) -> Sequence[Carer]:
        """Return who holds a grant for a zone, by name."""
        ...

    async def now(self, only: Collection[str]) -> Sequence[ZoneNow]:
        """Return how zones stood last, by name, without their cells; what is withdrawn is left out."""
        ...

    async def history(self, zone: str, span: Span) -> Sequence[ZoneStatus]:
        """Return how a zone stood, newest first; `after` is (bin,)."""
        ...

    async def stood(self, only: Collection[str]) -> tuple[Sequence[ZoneStatus], Positions]:
        """Return how zones stood last, and storage's offsets of the topic in the same transaction."""
        ...
