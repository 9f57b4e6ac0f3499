"""Whom live topics tell of, wearers and community zones, and which of them a caller may follow."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import UUID

from api.errors import RefusedError
from api.records import Caller, Scope, ZoneScope
from schemas.episodes import Subject
from schemas.live_protocol import LiveTopic
from schemas.topics import ALERTS, EPISODES, READINGS, SCORES, ZONES, partition_of

_MARK: Final = b"a community's zone: "
"""Before a zone's name: longer than the 16 bytes of a wearer's id, so that neither is ever taken for the other."""


@dataclass(frozen=True, slots=True)
class LiveKind:
    """Which topic of the log a live topic tells, and by which scope of whom; None where it tells nothing of such."""

    topic: str
    of_wearers: Scope | None
    of_zones: ZoneScope | None


KINDS: Final[Mapping[LiveTopic, LiveKind]] = {
    "readings": LiveKind(READINGS.name, "readings", None),
    "scores": LiveKind(SCORES.name, "scores", None),
    "episodes": LiveKind(EPISODES.name, "scores", "alerts"),
    "alerts": LiveKind(ALERTS.name, "alerts", "alerts"),
    "zones": LiveKind(ZONES.name, None, "status"),
}


class Grants(Protocol):
    """What the hub asks of who may see what."""

    def holds(self, token_sha256: bytes) -> bool:
        """Return whether a token that was good still is."""
        ...

    def scopes(self, user_id: UUID, wearer: UUID) -> frozenset[str]:
        """Return what a user may do with a wearer's data now."""
        ...

    def wearers(self, user_id: UUID, scope: str) -> frozenset[UUID]:
        """Return the wearers for which a user holds a scope now."""
        ...

    def zone_scopes(self, user_id: UUID, zone: str) -> frozenset[str]:
        """Return what a user may know and do of a community zone now."""
        ...

    def zones(self, user_id: UUID, scope: str) -> frozenset[str]:
        """Return the community zones for which a user holds a scope now."""
        ...


def key_of(subject: Subject) -> bytes:
    """Return the bytes that a subject's followers are found by: a wearer's id, a zone's name behind a mark."""
    return subject.wearer.bytes if subject.wearer is not None else zone_key(subject.zone or "")


def zone_key(zone: str) -> bytes:
    """Return the bytes that a zone's followers are found by."""
    return _MARK + zone.encode()


def subject_of(key: bytes) -> Subject:
    """Return whose key this is."""
    if key.startswith(_MARK):
        return Subject(zone=key.removeprefix(_MARK).decode())
    return Subject(wearer=UUID(bytes=key))


def partition_of_key(key: bytes) -> int:
    """Return the partition of a subject: of a wearer's id, or of a zone's name."""
    return partition_of(key.removeprefix(_MARK))


def visible(grants: Grants, caller: Caller, name: LiveTopic, asked: Subject | None) -> set[bytes]:
    """Return the keys of whom a caller may follow in a live topic: of one subject, or of all.

    Raises:
        RefusedError: The topic tells nothing of such a subject, or the grant is missing or lacks the scope.
    """
    kind, user = KINDS[name], caller.user_id
    if asked is None:
        wearers = grants.wearers(user, kind.of_wearers) if kind.of_wearers else ()
        zones = grants.zones(user, kind.of_zones) if kind.of_zones else ()
        return {wearer.bytes for wearer in wearers} | {zone_key(zone) for zone in zones}
    scope: str | None
    if asked.wearer is not None:
        what, scope, held = "wearer", kind.of_wearers, grants.scopes(user, asked.wearer)
    else:
        what, scope, held = "zone", kind.of_zones, grants.zone_scopes(user, asked.zone or "")
    if scope is None:
        raise RefusedError(422, "not_supported", f"The topic {name} tells nothing of a {what}.")
    if not held:
        raise RefusedError(404, "not_found", f"There is no such {what}, or none that you may see.")
    if scope not in held:
        raise RefusedError(403, "forbidden", f"Your grant for this {what} lacks the scope {scope}.")
    return {key_of(asked)}
