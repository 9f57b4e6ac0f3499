"""The table of topics: what lies on each, who writes it, who reads it, how long it is kept."""

import zlib
from dataclasses import dataclass
from typing import Literal
from uuid import UUID

PARTITIONS = 12
"""Partitions of every topic; recorded at the first migrate and checked at every start."""

_DAY_MS = 86_400_000
_MIB = 1_048_576


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One row of the table.

    Attributes:
        name: Name in Kafka, with the version of its contract.
        record: What one record is.
        written_by: Rooms or processor families that append.
        read_by: Rooms or processor families that follow.
        retention_ms: How long a record is kept; ignored for compacted topics.
        cleanup: Kafka's cleanup policy.
        max_message_bytes: Largest record batch the broker takes.
        intimate: Whether records show a body: none is copied to where it would lie longer, such as a dead letter.
        segment_ms: When a log begins a new file; whole files are removed, so that a record may lie longer by as much.
    """

    name: str
    record: str
    written_by: tuple[str, ...]
    read_by: tuple[str, ...]
    retention_ms: int = 7 * _DAY_MS
    cleanup: Literal["delete", "compact"] = "delete"
    max_message_bytes: int = _MIB
    intimate: bool = False
    segment_ms: int | None = None


READINGS = Topic(
    name="readings.v1",
    record="Arrow frame of readings; empty is a heartbeat",
    written_by=("gateway", "video"),
    read_by=("storage", "vitals", "live"),
)
VIDEO = Topic(
    name="video.v1",
    record="half a second of one wearer's frames, msgpack",
    written_by=("gateway",),
    read_by=("video",),
    retention_ms=600_000,
    max_message_bytes=2 * _MIB + 65_536,
    intimate=True,
    segment_ms=60_000,
)
SCORES = Topic(
    name="scores.v1",
    record="Arrow frame of scores; empty carries the writer's clock",
    written_by=("vitals",),
    read_by=("storage", "zones", "live"),
)
EPISODES = Topic(
    name="episodes.v1",
    record="CloudEvents JSON, key subject: opened, updated, ended",
    written_by=("vitals", "zones", "care"),
    read_by=("care", "storage", "live"),
)
ALERTS = Topic(
    name="alerts.v1",
    record="CloudEvents JSON, key subject: every change of an alert",
    written_by=("care",),
    read_by=("live",),
)
COMMANDS = Topic(name="commands.v1", record="JSON with a command id", written_by=("api", "gateway"), read_by=("care",))
INSTRUCTIONS = Topic(
    name="instructions.v1",
    record="JSON to a device",
    written_by=("care", "video"),
    read_by=("gateway",),
    retention_ms=600_000,
)
ZONES = Topic(
    name="zones.v1",
    record="JSON, key zone: present status",
    written_by=("zones",),
    read_by=("storage", "live"),
    cleanup="compact",
)
DEAD = Topic(name="dead.v1", record="original bytes, coordinates, error class, version",
             written_by=("storage", "vitals", "care", "video", "zones"), read_by=("dead-letters",),
             max_message_bytes=2 * (2 * _MIB + 65_536))  # fmt: skip

TOPICS: tuple[Topic, ...] = (READINGS, VIDEO, SCORES, EPISODES, ALERTS, COMMANDS, INSTRUCTIONS, ZONES, DEAD)
BY_NAME: dict[str, Topic] = {topic.name: topic for topic in TOPICS}


def partition_of(wearer: UUID | bytes, partitions: int = PARTITIONS) -> int:
    """Return the partition of a wearer: CRC-32 of the id's 16 bytes modulo the partition count."""
    raw = wearer.bytes if isinstance(wearer, UUID) else wearer
    return zlib.crc32(raw) % partitions
