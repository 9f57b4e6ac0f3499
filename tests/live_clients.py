"""Clients of a live hub without sockets: their grants, what they follow, and what waits for them."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import numpy as np
import numpy.typing as npt

from api.live.hub import Client, Hub, Subscription
from api.live.outbox import Outbox
from api.records import Caller
from schemas import frame
from schemas.live_protocol import Subscribe
from schemas.topics import READINGS, partition_of
from stream_processors.ports import Record
from tests import made_frames
from tests.made_frames import NOW_MS

USER = UUID(int=7)
ADA = made_frames.wearer(1)
PARTITION = partition_of(ADA)


class Grants:
    """Grants that a test changes."""

    def __init__(self) -> None:
        self.held: dict[UUID, set[str]] = {}
        self.zones_held: dict[str, set[str]] = {}
        self.good = True

    def holds(self, token_sha256: bytes) -> bool:
        """Return whether the token is good."""
        return self.good and token_sha256 == b"hash"

    def scopes(self, user_id: UUID, wearer: UUID) -> frozenset[str]:
        """Return what is held for a wearer."""
        return frozenset(self.held.get(wearer, ())) if user_id == USER else frozenset()

    def wearers(self, user_id: UUID, scope: str) -> frozenset[UUID]:
        """Return the wearers with the scope."""
        return frozenset(wearer for wearer in self.held if scope in self.scopes(user_id, wearer))

    def zone_scopes(self, user_id: UUID, zone: str) -> frozenset[str]:
        """Return what is held for a zone."""
        return frozenset(self.zones_held.get(zone, ())) if user_id == USER else frozenset()

    def zones(self, user_id: UUID, scope: str) -> frozenset[str]:
        """Return the zones with the scope."""
        return frozenset(zone for zone in self.zones_held if scope in self.zone_scopes(user_id, zone))


class Counts:
    """A meter that remembers its counters."""

    def __init__(self) -> None:
        self.counted: dict[str, int] = {}

    def observe(self, name: str, seconds: npt.NDArray[np.float64] | float) -> None:
        """Remember nothing."""

    def count(self, name: str, amount: int = 1, **_labels: str) -> None:
        """Add up."""
        self.counted[name] = self.counted.get(name, 0) + amount

    def gauge(self, name: str, value: float, **_labels: str) -> None:
        """Keep the newest."""
        self.counted[name] = int(value)


def join(hub: Hub) -> tuple[Client, list[Subscription]]:
    """Return a client of the hub, and the subscriptions that were asked to begin anew."""
    again: list[Subscription] = []
    caller = Caller(user_id=USER, name="Ben", role="carer", token_sha256=b"hash")
    client = Client(caller=caller, outbox=Outbox(lambda _: None), again=again.append)
    hub.join(client)
    return client, again


def reading(offset: int, *, wearer: int = 1, at_s: int = 0, append_ms: int = NOW_MS, **vitals: Any) -> Record:
    """Return a record of one reading on the wearer's partition."""
    made = made_frames.readings({"wearer": wearer, "time": (NOW_MS + at_s * 1000) * 1000, **vitals})
    return Record(
        topic=READINGS.name,
        partition=partition_of(made_frames.wearer(wearer)),
        offset=offset,
        append_ms=append_ms,
        key=None,
        value=frame.encode(made.batch),
    )


def sent(client: Client) -> list[dict[str, Any]]:
    """Return what waits for the client, in the order in which it is sent."""
    return [json.loads(outgoing.message) for outgoing in client.outbox.take(1 << 30)]


def follow(hub: Hub, client: Client, number: int = 1, topic: Any = "readings", **wanted: Any) -> Subscription:
    """Subscribe with an empty snapshot that ends where the hub stands."""
    subscription = hub.open(client, Subscribe(id=number, topic=topic, **wanted))
    at = hub.recent.positions(subscription.topic)
    hub.snapshot(subscription, [], at=at)
    hub.start(subscription, at)
    return subscription


def rates(messages: Sequence[dict[str, Any]]) -> list[Any]:
    """Return the heart rates that updates tell."""
    return [message["data"]["heart_rate"] for message in messages if message["type"] == "update"]
