"""The hub: takes records of the log in, hands every follower what it may see. No I/O; a clock and grants are given."""

import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final

import msgspec
import structlog

from api.cursors import log_cursor
from api.errors import RefusedError
from api.live.delivery import Delivery
from api.live.entries import Change, Decoding, Entry
from api.live.outbox import Outbox, Outgoing
from api.live.recent import FOLLOWED, RecentLogs
from api.live.subjects import KINDS, Grants, key_of, partition_of_key, subject_of, visible
from api.ports import LogRecord, Meter
from api.records import Caller
from schemas.episodes import Subject
from schemas.live_protocol import CLOSE_DRAINING, CLOSE_REVOKED, LiveError, LiveTopic, Subscribe, Unsubscribed
from schemas.topics import BY_NAME, PARTITIONS

MOST_SUBSCRIPTIONS: Final = 256
MOST_SOCKETS_OF_A_USER: Final = 20
RESUMED: Final = frozenset({"alerts", "episodes", "zones"})
"""Live topics that `since` resumes; the others are told anew."""

_LOG = structlog.get_logger(__name__)
_ENCODER: Final = msgspec.json.Encoder()


@dataclass(eq=False, slots=True, kw_only=True)
class Subscription:
    """One subscription of one client; `live` once its snapshot is queued and updates follow.

    Attributes:
        asked: The one wearer or zone that it is to; None for all that the caller may see.
        subjects: Keys of those that it tells of now.
    """

    client: "Client"
    id: int
    name: LiveTopic
    topic: str
    asked: Subject | None
    subjects: set[bytes]
    seal: str
    since: str | None = None
    live: bool = False
    ended: bool = False

    @property
    def partitions(self) -> list[int]:
        """The partitions that its subjects can be on."""
        return list(range(PARTITIONS)) if self.asked is None else [partition_of_key(key_of(self.asked))]


@dataclass(eq=False, slots=True, kw_only=True)
class Client:
    """One live socket; `again` asks its shell to give a subscription a new snapshot."""

    caller: Caller
    outbox: Outbox
    again: Callable[[Subscription], None]
    subscriptions: dict[int, Subscription] = field(default_factory=dict)

    def say(self, message: LiveError | Unsubscribed) -> None:
        """Queue an answer."""
        self.outbox.put(Outgoing(message=_ENCODER.encode(message)))

    def refuse(self, number: int | None, refusal: RefusedError) -> None:
        """Queue the answer that a request is refused, or that a subscription ended."""
        self.say(LiveError(number, refusal.code, str(refusal)))


class Hub:
    """Joins the log's newest stretch, the followers and their grants."""

    def __init__(self, *, grants: Grants, decoding: Decoding, meter: Meter) -> None:
        self.draining = False
        self.lost_records = 0
        """Records that the log had dropped before this process read them; who follows was told anew."""
        self.log_id = ""
        """Identity of the log; a cursor of another log is not resumed."""
        self.recent = RecentLogs()
        self.delivery = Delivery(meter)
        self.clients: set[Client] = set()
        self._grants = grants
        self._decoding = decoding
        self._meter = meter
        # By topic, partition and subject: a frame of which nobody follows a wearer is never decoded.
        self._followers: dict[str, list[dict[bytes, set[Subscription]]]] = {
            topic: [{} for _ in range(PARTITIONS)] for topic in FOLLOWED
        }

    # The log.

    def begin(self, topic: str, partition: int, offset: int) -> None:
        """Stand at an offset; where that is not where the hub stood, followers are told anew."""
        recent = self.recent.of(topic, partition)
        known = recent.next
        if known == offset:
            return
        if known is not None and offset > known:
            self.lost_records += offset - known
            self._meter.count("gap_records_total", offset - known, topic=topic)
            _LOG.error("the log dropped records before they were read", topic=topic, partition=partition, first=known)
        recent.begin(offset)
        if known is not None:
            self._tell_anew(topic, partition)

    def take(self, record: LogRecord) -> None:
        """Keep a record and hand it to those who follow a subject in it."""
        recent = self.recent.of(record.topic, record.partition)
        if recent.next is not None and record.offset < recent.next:
            return
        # A compacted topic leaves out what a later record replaced.
        if recent.next is not None and record.offset > recent.next and BY_NAME[record.topic].cleanup != "compact":
            self.begin(record.topic, record.partition, record.offset)
        entry = self._decoding.entry(record)
        recent.append(entry)
        followers = self._followers[record.topic][record.partition]
        if followers:
            try:
                self._fan_out(entry, record, followers)
            except Exception:  # noqa: BLE001 - one record that cannot be shown must not end the live way of all
                self._meter.count("unshown_total", topic=record.topic)
                _LOG.exception(
                    "a record cannot be shown live",
                    topic=record.topic,
                    partition=record.partition,
                    offset=record.offset,
                )
            else:
                if entry.broken:
                    self._meter.count("unshown_total", topic=record.topic)

    # The clients.

    def join(self, client: Client) -> None:
        """Let a client in.

        Raises:
            RefusedError: The user has too many sockets, or the process is stopping.
        """
        if self.draining:
            raise RefusedError(503, "draining", "This server is stopping; reconnect in a moment.")
        if sum(other.caller.user_id == client.caller.user_id for other in self.clients) >= MOST_SOCKETS_OF_A_USER:
            raise RefusedError(429, "too_many_sockets", f"A user may hold {MOST_SOCKETS_OF_A_USER} live sockets.")
        self.clients.add(client)
        self._meter.gauge("live_clients", len(self.clients))

    def leave(self, client: Client) -> None:
        """Let a client go, with everything it follows."""
        self.delivery.left(client.outbox)
        for subscription in list(client.subscriptions.values()):
            self._end(subscription)
        self.clients.discard(client)
        self._meter.gauge("live_clients", len(self.clients))

    def open(self, client: Client, request: Subscribe) -> Subscription:
        """Take a subscription on; it becomes live with `start`.

        Raises:
            RefusedError: The topic tells nothing of this, the grant is missing, the id is taken, or there are too many.
        """
        if request.group is not None:
            raise RefusedError(422, "not_supported", "Groups are not supported yet.")
        if request.wearer is not None and request.zone is not None:
            raise RefusedError(422, "bad_message", "Ask for a wearer or for a zone, not for both.")
        if request.id in client.subscriptions:
            raise RefusedError(409, "id_taken", f"The id {request.id} is in use on this socket.")
        if len(client.subscriptions) >= MOST_SUBSCRIPTIONS:
            raise RefusedError(429, "too_many", f"A socket may hold {MOST_SUBSCRIPTIONS} subscriptions.")
        one = request.wearer is not None or request.zone is not None
        asked = Subject(wearer=request.wearer, zone=request.zone) if one else None
        subjects = visible(self._grants, client.caller, request.topic, asked)
        subscription = Subscription(
            client=client,
            id=request.id,
            name=request.topic,
            topic=KINDS[request.topic].topic,
            asked=asked,
            subjects=subjects,
            seal=seal_of(self.log_id, subjects),
            since=request.since,
        )
        client.subscriptions[request.id] = subscription
        return subscription

    def close(self, client: Client, number: int, *, because: RefusedError | None = None) -> None:
        """End a subscription that the client no longer wants, or that cannot go on."""
        subscription = client.subscriptions.get(number)
        if subscription is None:
            unknown = RefusedError(404, "unknown_id", f"There is no subscription {number} on this socket.")
            client.refuse(number, unknown)
            return
        self._end(subscription)
        if because is not None:
            client.refuse(number, because)
        client.say(Unsubscribed(number))

    def snapshot(
        self,
        subscription: Subscription,
        data: Sequence[tuple[bytes, bytes]],
        *,
        at: Mapping[int, int],
        reset: bool = False,
        behind_s: float | None = None,
    ) -> None:
        """Queue the present state, items with their subjects' keys; what waited for it is older and goes."""
        if subscription.ended:
            return
        outbox = subscription.client.outbox
        outbox.forget(subscription.id)
        told = b",".join(body for key, body in data if key in subscription.subjects)
        marks = (b',"reset":true' if reset else b"") + (b',"behind_s":%.1f' % behind_s if behind_s is not None else b"")
        cursor = cursor_at(subscription, at)
        message = b'{"type":"snapshot","id":%d,"data":[%b],"cursor":"%b"%b}' % (subscription.id, told, cursor, marks)
        outbox.put(Outgoing(message=message, subscription=subscription.id))

    def start(self, subscription: Subscription, at: Mapping[int, int]) -> None:
        """Queue what came from these offsets on, and let updates follow."""
        if subscription.ended:
            return
        reached = dict(at)
        for partition in subscription.partitions:
            recent = self.recent.of(subscription.topic, partition)
            for entry in recent.since(reached.get(partition, 0)):
                reached[partition] = entry.offset + 1
                self.catch_up(subscription, entry, reached)
        subscription.live = True
        for key in subscription.subjects:
            self._of(subscription.topic, key).setdefault(key, set()).add(subscription)

    def catch_up(self, subscription: Subscription, entry: Entry, reached: Mapping[int, int]) -> None:
        """Queue what an older record tells; its delay is not that of the live way, so it is not counted."""
        changes = entry.changes(subscription.subjects)
        if changes:
            cursor = cursor_at(subscription, reached)
            for change in changes:
                subscription.client.outbox.put(_update(subscription.id, change, cursor, counted=False))

    # The grants.

    def recheck(self) -> None:
        """End what a lost grant or token no longer allows; take in what a new grant allows."""
        self.delivery.count()
        for client in list(self.clients):
            self.delivery.lost(client.outbox)
            if not self._grants.holds(client.caller.token_sha256):
                client.outbox.close(CLOSE_REVOKED, "token revoked or expired")
                continue
            for subscription in list(client.subscriptions.values()):
                self._recheck(subscription)

    def drain(self) -> None:
        """Let nobody in any more and ask everybody to reconnect elsewhere."""
        self.draining = True
        for client in self.clients:
            client.outbox.close(CLOSE_DRAINING, "draining: reconnect in a moment")

    def _recheck(self, subscription: Subscription) -> None:
        caller = subscription.client.caller
        try:
            found = visible(self._grants, caller, subscription.name, subscription.asked)
        except RefusedError:
            found = set()
        lost, gained = subscription.subjects - found, found - subscription.subjects
        took_back = False
        if lost:
            self._unfollow(subscription, lost)
            self._narrow_or_widen(subscription, subscription.subjects - lost)
            names = ", ".join(sorted(subject_of(key).key.partition(":")[2] for key in lost))
            refusal = RefusedError(403, "grant_withdrawn", f"You may no longer see the {subscription.name} of {names}.")
            if not found:
                self.close(subscription.client, subscription.id, because=refusal)
                return
            # What waits for a slow client may be about whom it may no longer see; a snapshot follows where it is live.
            took_back = subscription.live and subscription.client.outbox.forget(subscription.id)
            subscription.client.refuse(subscription.id, refusal)
        if gained or took_back:
            self._narrow_or_widen(subscription, found)
            self._restart(subscription)

    def _narrow_or_widen(self, subscription: Subscription, subjects: set[bytes]) -> None:
        subscription.subjects = subjects
        subscription.seal = seal_of(self.log_id, subjects)

    def _fan_out(self, entry: Entry, record: LogRecord, followers: Mapping[bytes, Collection[Subscription]]) -> None:
        """Queue what a record tells; sockets that follow the same subjects under the same id share the same bytes."""
        cursors: dict[tuple[bool, str], bytes] = {}
        for change in entry.changes(followers.keys()):
            made: dict[tuple[int, bool, str], Outgoing] = {}
            for subscription in followers[change.subject]:
                view = (subscription.asked is None, subscription.seal)
                kind = (subscription.id, *view)
                outgoing = made.get(kind)
                if outgoing is None:
                    cursor = cursors.get(view)
                    if cursor is None:
                        cursor = cursors[view] = self._cursor(subscription, record)
                    outgoing = made[kind] = _update(subscription.id, change, cursor, counted=True)
                subscription.client.outbox.put(outgoing)

    def _cursor(self, subscription: Subscription, record: LogRecord) -> bytes:
        whole = subscription.asked is None
        at = self.recent.positions(record.topic) if whole else {record.partition: record.offset + 1}
        return cursor_at(subscription, at)

    def _tell_anew(self, topic: str, partition: int) -> None:
        for subscription in {one for found in self._followers[topic][partition].values() for one in found}:
            self._restart(subscription)

    def _restart(self, subscription: Subscription) -> None:
        if subscription.live:
            subscription.live = False
            self._unfollow(subscription, subscription.subjects)
            subscription.client.again(subscription)

    def _unfollow(self, subscription: Subscription, keys: Collection[bytes]) -> None:
        for key in keys:
            followers = self._of(subscription.topic, key)
            found = followers.get(key)
            if found is not None:
                found.discard(subscription)
                if not found:
                    del followers[key]

    def _of(self, topic: str, key: bytes) -> dict[bytes, set[Subscription]]:
        return self._followers[topic][partition_of_key(key)]

    def _end(self, subscription: Subscription) -> None:
        subscription.ended = True
        self._unfollow(subscription, subscription.subjects)
        subscription.client.subscriptions.pop(subscription.id, None)
        subscription.client.outbox.forget(subscription.id)


def cursor_at(subscription: Subscription, at: Mapping[int, int]) -> bytes:
    """Return the cursor of a place; where none is resumed, the same for every place: it would only tell of others."""
    if subscription.name in RESUMED:
        return log_cursor(subscription.seal, subscription.name, at).encode()
    return _placeless(subscription.seal, subscription.name)


@lru_cache(maxsize=4_096)
def _placeless(seal: str, name: str) -> bytes:
    return log_cursor(seal, name, {}).encode()


def seal_of(log_id: str, subjects: Collection[bytes]) -> str:
    """Return what cursors are sealed with: the log and who is followed.

    A cursor that was given when others were followed so begins anew: what is open of somebody granted meanwhile lies
    before it and would never be told.
    """
    return f"{log_id}/{zlib.crc32(b''.join(sorted(subjects))):08x}"


def _update(number: int, change: Change, cursor: bytes, *, counted: bool) -> Outgoing:
    key = change.newest_key
    return Outgoing(
        message=b'{"type":"update","id":%d,"data":%b,"cursor":"%b"}' % (number, change.data, cursor),
        subscription=number,
        update=True,
        span=change.span if counted else None,
        received_ms=change.received_ms,
        newest_key=None if key is None else (number, *key),
        at_us=change.at_us,
    )
