"""Gives a subscription its snapshot and joins it to the updates that follow, without a gap between the two."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import msgspec

from api import views, zone_views
from api.cursors import open_log
from api.errors import RefusedError
from api.live.entries import Decoding
from api.live.hub import RESUMED, Hub, Subscription
from api.live.subjects import key_of, subject_of, zone_key
from api.paging import ON_LOOP_MOST
from api.ports import LogReader, Reads
from api.records import AlertQuery, Latest, Positions
from api.zone_ports import Zones
from schemas.alerts import Alert
from schemas.errors import BrokerAwayError, PassingError

_RETRY_S: Final = 1.0
_RECENT_ALERTS: Final = 200
_OPEN_ALERTS: Final = 2_000
_UNRESOLVED: Final = ("unseen", "seen", "acknowledged")
_ROOM_STEP_S: Final = 0.05

_ENCODER: Final = msgspec.json.Encoder()

Told = Sequence[tuple[bytes, bytes]]
"""Items of a snapshot: the key of whom each is about, and its JSON."""


@dataclass(frozen=True, slots=True)
class _Followed:
    """Whom a subscription tells of."""

    wearers: Sequence[UUID]
    zones: Sequence[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where snapshots come from."""

    hub: Hub
    reads: Reads
    zones: Zones
    log: LogReader
    decoding: Decoding
    sleep: Callable[[float], Awaitable[None]]


async def attach(sources: Sources, subscription: Subscription, *, reset: bool = False) -> None:
    """Bring a subscription to life; while the database or Kafka is away, say so once and try again each second."""
    said = False
    while not subscription.ended:
        try:
            if not reset and subscription.since is not None:
                reset = not await _resume(sources, subscription, subscription.since)
                if not reset:
                    return
            if await _afresh(sources, subscription, reset=reset):
                return
        except RefusedError as refusal:
            sources.hub.close(subscription.client, subscription.id, because=refusal)
            return
        except PassingError as error:
            if not said:
                away = RefusedError(503, "away", f"The snapshot follows as soon as it can be read. {error}")
                subscription.client.refuse(subscription.id, away)
                said = True
            await sources.sleep(_RETRY_S)


async def _afresh(sources: Sources, subscription: Subscription, *, reset: bool) -> bool:
    """Queue a snapshot and start; return False where grants or the log moved on, so that it must be read anew."""
    hub, keys = sources.hub, set(subscription.subjects)
    followed = _followed(keys)
    behind_s: float | None = None
    if subscription.name == "alerts":
        # Attach first: whatever commits after this has not been published before it.
        at = hub.recent.positions(subscription.topic)
        told = _alerts(await _open_and_recent(sources.reads, followed))
        if not hub.recent.covers(subscription.topic, at):
            return False
    else:
        told, positions = await _stored(sources, subscription, followed)
        mine = {number: positions[number] for number in subscription.partitions if number in positions}
        # A partition that storage has never moved in is told from its beginning.
        at = {number: mine[number].next_offset if number in mine else 0 for number in subscription.partitions}
        behind_s = hub.recent.behind_s(subscription.topic, mine)
    if subscription.subjects - keys:
        return False
    hub.snapshot(subscription, told, at=at, reset=reset or subscription.since is not None, behind_s=behind_s)
    hub.start(subscription, at)
    return True


def _followed(keys: Collection[bytes]) -> _Followed:
    subjects = [subject_of(key) for key in keys]
    return _Followed(
        [one.wearer for one in subjects if one.wearer is not None],
        [one.zone for one in subjects if one.zone is not None],
    )


async def _stored(sources: Sources, subscription: Subscription, followed: _Followed) -> tuple[Told, Positions]:
    reads = sources.reads
    if subscription.name == "readings":
        latest, positions = await reads.readings_now(followed.wearers)
        if len(latest) <= ON_LOOP_MOST:
            return _all_readings(latest), positions
        return await asyncio.to_thread(_all_readings, latest), positions
    if subscription.name == "scores":
        scores, positions = await reads.scores_now(followed.wearers)
        return [(found.wearer.bytes, _ENCODER.encode(views.score(found))) for found in scores], positions
    if subscription.name == "zones":
        stood, positions = await sources.zones.stood(followed.zones)
        return [(zone_key(found.zone_id), _ENCODER.encode(zone_views.status(found))) for found in stood], positions
    episodes, positions = await reads.episodes_now(followed.wearers, followed.zones)
    return [(key_of(found.subject), _ENCODER.encode(views.episode(found))) for found in episodes], positions


def _all_readings(latest: Sequence[Latest]) -> Told:
    return [item for found in latest for item in _readings(found)]


def _readings(found: Latest) -> Told:
    """Return the readings that hold the newest value of some vital, oldest first, for a client to apply in order."""
    distinct = {(one.time, one.stream_id): one for one in (found.reading, *found.vitals.values())}
    return [(one.wearer.bytes, _ENCODER.encode(views.reading(one))) for _, one in sorted(distinct.items())]


async def _open_and_recent(reads: Reads, of: _Followed) -> Sequence[Alert]:
    recent = await reads.alerts(AlertQuery(wearers=of.wearers, zones=of.zones, limit=_RECENT_ALERTS))
    still_open = await reads.alerts(
        AlertQuery(wearers=of.wearers, zones=of.zones, responses=_UNRESOLVED, limit=_OPEN_ALERTS)
    )
    newest: dict[UUID, Alert] = {}
    for found in (*recent, *still_open):
        before = newest.get(found.alert_id)
        if before is None or found.revision > before.revision:
            newest[found.alert_id] = found
    return sorted(newest.values(), key=lambda found: found.raised_ms, reverse=True)


def _alerts(found: Sequence[Alert]) -> Told:
    return [(key_of(one.subject), _ENCODER.encode(views.alert(one))) for one in found]


async def _resume(sources: Sources, subscription: Subscription, since: str) -> bool:
    """Queue every change after a cursor and start; return False where the log cannot tell all of them."""
    if subscription.name not in RESUMED:
        return False
    known = open_log(subscription.seal, subscription.name, since)
    if known is None or any(partition not in known for partition in subscription.partitions):
        return False
    at = {partition: known[partition] for partition in subscription.partitions}
    if not await _in_the_log(sources, subscription.topic, at):
        return False
    sources.hub.snapshot(subscription, [], at=at)
    while not subscription.ended and not sources.hub.recent.covers(subscription.topic, at):
        for partition in subscription.partitions:
            await _read_up(sources, subscription, partition, at)
    sources.hub.start(subscription, at)
    return True


async def _in_the_log(sources: Sources, topic: str, at: Mapping[int, int]) -> bool:
    """Return whether the log holds everything from these offsets on, and has come as far."""
    for partition, offset in at.items():
        recent = sources.hub.recent.of(topic, partition)
        if recent.first is not None and recent.next is not None and recent.first <= offset <= recent.next:
            continue
        first, end = await sources.log.bounds(topic, partition)
        if not first <= offset <= end:
            return False
    return True


async def _read_up(sources: Sources, subscription: Subscription, partition: int, at: dict[int, int]) -> None:
    """Queue what lies in the log before memory begins; `at` moves along, so that a retry goes on from there."""
    recent = sources.hub.recent.of(subscription.topic, partition)
    while not subscription.ended and (recent.first is None or at[partition] < recent.first):
        if recent.first is None:
            raise BrokerAwayError("Kafka has not been reached yet.")
        end = recent.first
        async for records in sources.log.read(subscription.topic, partition, at[partition], end):
            for record in records:
                at[partition] = record.offset + 1
                sources.hub.catch_up(subscription, sources.decoding.entry(record), at)
            while subscription.client.outbox.crowded:
                await sources.sleep(_ROOM_STEP_S)
        at[partition] = max(at[partition], end)  # a compacted topic may hold nothing just before it
