"""The hub and clients that do not read: what waits, what gives way, and where it ends."""

import pytest

from api.errors import RefusedError
from api.live.hub import MOST_SOCKETS_OF_A_USER, MOST_SUBSCRIPTIONS, Hub
from api.live.outbox import COALESCE_FROM, MOST_QUEUED
from schemas import frame
from schemas.topics import READINGS, partition_of
from stream_processors.ports import Record
from tests import made_frames
from tests.care_events import WEARER
from tests.live_clients import ADA, PARTITION, Counts, Grants, follow, join, rates, reading, sent
from tests.made_alerts import alert_record
from tests.made_frames import NOW_MS


def test_a_slow_client_gets_the_newest_measured_reading(hub: Hub, counts: Counts) -> None:
    """Waiting readings of a stream give way to the newest by event time, and those that went are counted."""
    client, _ = join(hub)
    follow(hub, client)
    sent(client)
    for number in range(COALESCE_FROM + 1):
        at_s = 1_000 if number == 5 else number
        hub.take(reading(number, at_s=at_s, heart_rate=float(60 + number)))
    assert rates(sent(client)) == [65.0]
    hub.recheck()
    assert counts.counted["coalesced_total"] == COALESCE_FROM


def test_many_wearers_on_a_slow_socket_keep_the_newest_of_each(hub: Hub, grants: Grants) -> None:
    """However long nobody reads, not more than two updates a wearer wait, and the newest of each is there."""
    wearers = [number for number in range(1, 400) if partition_of(made_frames.wearer(number)) == PARTITION][:20]
    for number in wearers:
        grants.held[made_frames.wearer(number)] = {"readings"}
    client, _ = join(hub)
    follow(hub, client)
    sent(client)
    for offset in range(30):
        rows = [{"wearer": number, "time": (NOW_MS + offset * 1000) * 1000, "heart_rate": 60.0 + offset}
                for number in wearers]  # fmt: skip
        value = frame.encode(made_frames.readings(*rows).batch)
        hub.take(Record(topic=READINGS.name, partition=PARTITION, offset=offset, append_ms=NOW_MS, key=None,
                        value=value))  # fmt: skip
    waiting = sent(client)
    assert len(waiting) <= max(COALESCE_FROM, 2 * len(wearers))
    assert rates(waiting)[-len(wearers) :] == [89.0] * len(wearers)


def test_what_waited_when_a_socket_closed_is_counted(hub: Hub, counts: Counts, grants: Grants) -> None:
    """Updates that a closed or a lost socket was never told are dropped by number, not silently."""
    grants.held[WEARER] = {"alerts"}
    client, _ = join(hub)
    follow(hub, client, topic="alerts")
    sent(client)
    for number in range(MOST_QUEUED + 3):
        hub.take(alert_record(number, revision=number + 1))
    hub.leave(client)
    assert counts.counted["dropped_total"] == MOST_QUEUED + 3
    assert counts.counted["live_closed_total"] == 1
    other, _ = join(hub)
    follow(hub, other)
    hub.take(reading(0, heart_rate=60.0))
    hub.leave(other)
    assert counts.counted["dropped_total"] == MOST_QUEUED + 4


def test_what_was_sent_is_counted(hub: Hub, counts: Counts) -> None:
    """Every update handed to a socket counts, snapshots do not."""
    client, _ = join(hub)
    follow(hub, client)
    hub.take(reading(0, heart_rate=60.0))
    hub.take(reading(1, at_s=1, heart_rate=61.0))
    hub.delivery.sent(client.outbox.take(1 << 20), now_ms=NOW_MS)
    hub.recheck()
    assert counts.counted["delivered_total"] == 2


def test_alerts_are_never_dropped_but_close_a_client_that_is_too_slow(hub: Hub, grants: Grants) -> None:
    """The update after the last that may wait closes the socket with 4413."""
    grants.held[WEARER] = {"alerts"}
    client, _ = join(hub)
    follow(hub, client, topic="alerts")
    sent(client)
    for number in range(MOST_QUEUED):
        hub.take(alert_record(number, revision=number + 1))
    assert client.outbox.closing is None
    hub.take(alert_record(MOST_QUEUED, revision=MOST_QUEUED + 1))
    assert client.outbox.closing is not None
    assert client.outbox.closing[0] == 4413


def test_alerts_go_before_readings_that_wait(hub: Hub, grants: Grants) -> None:
    """An alert overtakes readings that a slow client has not taken."""
    grants.held[WEARER] = {"alerts"}
    client, _ = join(hub)
    follow(hub, client, 1)
    follow(hub, client, 2, "alerts")
    sent(client)
    hub.take(reading(0, heart_rate=60.0))
    hub.take(alert_record(0))
    assert [message["id"] for message in sent(client)] == [2, 1]


def test_a_lost_wearer_is_taken_out_of_what_waits(hub: Hub, grants: Grants) -> None:
    """Updates that a slow client has not taken may be about whom it may no longer see: they go, a snapshot follows."""
    mine = next(number for number in range(2, 99) if partition_of(made_frames.wearer(number)) == PARTITION)
    lost = made_frames.wearer(mine)
    grants.held[lost] = {"readings"}
    client, again = join(hub)
    subscription = follow(hub, client)
    sent(client)
    hub.take(reading(0, wearer=mine, heart_rate=90.0))
    del grants.held[lost]
    hub.recheck()
    assert [message.get("code") for message in sent(client)] == ["grant_withdrawn"]
    assert again == [subscription]
    hub.snapshot(subscription, [(ADA.bytes, b"{}"), (lost.bytes, b'{"lost":1}')], at={PARTITION: 0}, reset=True)
    hub.start(subscription, {PARTITION: 0})
    (snapshot,) = sent(client)
    assert snapshot["data"] == [{}]


def test_sockets_and_subscriptions_have_a_limit(hub: Hub) -> None:
    """One more than allowed is refused."""
    client, _ = join(hub)
    for number in range(MOST_SUBSCRIPTIONS):
        follow(hub, client, number)
    with pytest.raises(RefusedError, match="subscriptions"):
        follow(hub, client, MOST_SUBSCRIPTIONS)
    for _ in range(MOST_SOCKETS_OF_A_USER - 1):
        join(hub)
    with pytest.raises(RefusedError, match="live sockets"):
        join(hub)
