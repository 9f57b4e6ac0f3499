"""The hub without I/O: who is told what, in which order, and what ends it."""

from typing import Any
from uuid import UUID

import pytest

from api.errors import RefusedError
from api.live.entries import FrameEntry
from api.live.hub import Hub
from api.records import Position
from schemas import frame
from schemas.live_protocol import Subscribe
from schemas.topics import READINGS, partition_of
from stream_processors.ports import Record
from tests import made_frames
from tests.care_events import WEARER, episode
from tests.live_clients import ADA, PARTITION, Counts, Grants, follow, join, rates, reading, sent
from tests.made_alerts import alert_record
from tests.made_frames import NOW_MS


def test_the_snapshot_goes_first_and_the_buffer_follows_it_in_order(hub: Hub) -> None:
    """Records between the snapshot's offsets and now are sent after it, in order, and then live ones."""
    client, _ = join(hub)
    hub.take(reading(0, heart_rate=60.0))
    hub.take(reading(1, heart_rate=61.0))
    subscription = hub.open(client, Subscribe(id=3, topic="readings", wearer=ADA))
    hub.take(reading(2, heart_rate=62.0))
    assert sent(client) == []
    hub.snapshot(subscription, [(ADA.bytes, b'{"stored":60}')], at={PARTITION: 1})
    hub.start(subscription, {PARTITION: 1})
    hub.take(reading(3, heart_rate=63.0))
    messages = sent(client)
    assert messages[0]["type"] == "snapshot"
    assert messages[0]["data"] == [{"stored": 60}]
    assert rates(messages) == [61.0, 62.0, 63.0]
    assert {message["id"] for message in messages} == {3}


def test_a_record_is_told_once_however_often_the_log_repeats_it(hub: Hub) -> None:
    """A record below the next offset is passed over."""
    client, _ = join(hub)
    follow(hub, client)
    for _ in range(2):
        hub.take(reading(0, heart_rate=60.0))
    assert rates(sent(client)) == [60.0]


def test_nobody_hears_of_a_wearer_without_a_grant(hub: Hub) -> None:
    """A frame of two wearers tells a follower of the granted one only."""
    client, _ = join(hub)
    follow(hub, client)
    both = made_frames.readings({"wearer": 1, "heart_rate": 60.0}, {"wearer": 2, "heart_rate": 90.0})
    hub.take(Record(topic=READINGS.name, partition=PARTITION, offset=0, append_ms=NOW_MS, key=None,
                    value=frame.encode(both.batch)))  # fmt: skip
    assert rates(sent(client)) == [60.0]


def test_a_frame_that_nobody_follows_is_never_decoded(hub: Hub) -> None:
    """Bytes that are no frame harm nobody while nobody follows a wearer of that partition."""
    client, _ = join(hub)
    follow(hub, client)
    other = (PARTITION + 1) % 12
    hub.take(Record(topic=READINGS.name, partition=other, offset=0, append_ms=NOW_MS, key=None, value=b"broken"))
    hub.take(Record(topic=READINGS.name, partition=PARTITION, offset=0, append_ms=NOW_MS, key=None, value=b"broken"))
    hub.take(reading(1, heart_rate=60.0))
    assert rates(sent(client)) == [60.0]


@pytest.mark.parametrize(
    ("request_", "code"),
    [
        (Subscribe(id=1, topic="readings", wearer=UUID(int=99)), "not_found"),
        (Subscribe(id=1, topic="zones", zone="nowhere"), "not_found"),
        (Subscribe(id=1, topic="alerts", zone="nowhere"), "not_found"),
        (Subscribe(id=1, topic="zones", wearer=ADA), "not_supported"),
        (Subscribe(id=1, topic="readings", zone="nowhere"), "not_supported"),
        (Subscribe(id=1, topic="alerts", wearer=ADA, zone="nowhere"), "bad_message"),
        (Subscribe(id=1, topic="alerts", group="g"), "not_supported"),
    ],
)
def test_what_may_not_be_followed_is_refused_by_name(hub: Hub, request_: Subscribe, code: str) -> None:
    """A stranger's wearer or zone, what a topic does not tell of, and groups are refused."""
    client, _ = join(hub)
    with pytest.raises(RefusedError) as refused:
        hub.open(client, request_)
    assert refused.value.code == code


def test_a_grant_without_the_scope_is_refused(hub: Hub, grants: Grants) -> None:
    """Who may see readings may not see alerts for that."""
    grants.held[ADA] = {"readings"}
    client, _ = join(hub)
    with pytest.raises(RefusedError) as refused:
        hub.open(client, Subscribe(id=1, topic="alerts", wearer=ADA))
    assert refused.value.code == "forbidden"


def test_a_frame_without_a_followed_wearer_is_not_decoded(hub: Hub, grants: Grants) -> None:
    """Whether few or many are followed, a frame of others stays bytes."""
    everybody = [made_frames.wearer(number) for number in range(1, 600)]
    mine = [one for one in everybody if partition_of(one) == PARTITION]
    other = next(number for number in range(600, 900) if partition_of(made_frames.wearer(number)) == PARTITION)
    for many in (mine[-1:], mine):
        grants.held = {one: {"readings"} for one in many}
        client, _ = join(hub)
        follow(hub, client)
        sent(client)
        offset = hub.recent.positions(READINGS.name)[PARTITION]
        hub.take(reading(offset, wearer=other, heart_rate=60.0))
        assert sent(client) == []
        newest = hub.recent.of(READINGS.name, PARTITION).newest
        assert isinstance(newest, FrameEntry)
        assert newest._frame is None


def test_a_lost_grant_ends_the_subscription_and_what_waits_for_it(hub: Hub, grants: Grants) -> None:
    """The client hears the error and the end, and no reading that had not been sent."""
    client, _ = join(hub)
    follow(hub, client, wearer=ADA)
    sent(client)
    hub.take(reading(0, heart_rate=60.0))
    del grants.held[ADA]
    hub.recheck()
    hub.take(reading(1, heart_rate=61.0))
    error, end = sent(client)
    assert (error["type"], error["id"], error["code"]) == ("error", 1, "grant_withdrawn")
    assert end == {"type": "unsubscribed", "id": 1}


def test_a_lost_wearer_leaves_the_others(hub: Hub, grants: Grants) -> None:
    """A subscription to everybody goes on with those who are left."""
    bea = made_frames.wearer(2)
    grants.held[bea] = {"readings"}
    client, _ = join(hub)
    follow(hub, client)
    sent(client)
    del grants.held[bea]
    hub.recheck()
    (error,) = sent(client)
    assert (error["code"], str(bea) in error["detail"]) == ("grant_withdrawn", True)
    hub.take(reading(0, wearer=2, heart_rate=90.0))
    hub.take(reading(0 if partition_of(bea) != PARTITION else 1, heart_rate=60.0))
    assert rates(sent(client)) == [60.0]


def test_a_new_grant_asks_for_a_new_snapshot(hub: Hub, grants: Grants) -> None:
    """A subscription to everybody begins anew when somebody joins, and is silent until it has."""
    client, again = join(hub)
    subscription = follow(hub, client)
    sent(client)
    grants.held[made_frames.wearer(2)] = {"readings"}
    hub.recheck()
    assert again == [subscription]
    hub.take(reading(0, heart_rate=60.0))
    assert sent(client) == []
    hub.snapshot(subscription, [], at={PARTITION: 0}, reset=True)
    hub.start(subscription, {PARTITION: 0})
    messages = sent(client)
    assert messages[0]["reset"] is True
    assert rates(messages) == [60.0]


def test_a_lost_token_closes_the_socket(hub: Hub, grants: Grants) -> None:
    """A token that is revoked or expired ends everything with 4401."""
    client, _ = join(hub)
    follow(hub, client)
    grants.good = False
    hub.recheck()
    assert client.outbox.closing is not None
    assert client.outbox.closing[0] == 4401
    assert sent(client) == []


def test_a_gap_in_the_log_makes_followers_begin_anew(hub: Hub, counts: Counts) -> None:
    """Offsets that the log no longer holds are counted, and whoever follows that partition is told anew."""
    client, again = join(hub)
    subscription = follow(hub, client, wearer=ADA)
    hub.take(reading(0, heart_rate=60.0))
    hub.take(reading(10, heart_rate=61.0))
    assert counts.counted["gap_records_total"] == 9
    assert hub.lost_records == 9
    assert again == [subscription]


def test_a_client_that_left_is_told_nothing(hub: Hub, counts: Counts) -> None:
    """Leaving ends every subscription, and the gauge of clients goes down."""
    client, _ = join(hub)
    follow(hub, client)
    sent(client)
    hub.leave(client)
    hub.take(reading(0, heart_rate=60.0))
    assert sent(client) == []
    assert counts.counted["live_clients"] == 0


def test_a_draining_hub_closes_everybody_and_lets_nobody_in(hub: Hub) -> None:
    """Everybody is sent elsewhere with 4503."""
    client, _ = join(hub)
    hub.drain()
    assert client.outbox.closing is not None
    assert client.outbox.closing[0] == 4503
    with pytest.raises(RefusedError, match="stopping"):
        join(hub)


def test_only_a_minute_of_the_log_is_kept(hub: Hub) -> None:
    """A record a minute older than the newest goes, so a snapshot that ends before it says how far it is behind."""
    hub.take(reading(0, append_ms=NOW_MS))
    hub.take(reading(1, append_ms=NOW_MS + 59_000))
    assert hub.recent.covers(READINGS.name, {PARTITION: 0})
    hub.take(reading(2, append_ms=NOW_MS + 61_000))
    assert not hub.recent.covers(READINGS.name, {PARTITION: 0})
    behind = hub.recent.behind_s(READINGS.name, {PARTITION: Position(next_offset=0, clock_ms=NOW_MS)})
    assert behind == 59.0
    assert hub.recent.behind_s(READINGS.name, {PARTITION: Position(next_offset=1, clock_ms=NOW_MS)}) is None


def test_an_alert_says_what_it_says_over_http(hub: Hub, grants: Grants) -> None:
    """A live alert has the shape of the HTTP route, with times as text."""
    grants.held[WEARER] = {"alerts"}
    client, _ = join(hub)
    follow(hub, client, topic="alerts")
    hub.take(alert_record(0))
    _, update = sent(client)
    assert update["data"]["subject"] == {"wearer": str(WEARER)}
    assert update["data"]["episode_id"] == str(episode().episode_id)
    assert update["data"]["onset"].endswith("Z")


@pytest.mark.parametrize("topic", ["readings", "alerts"])
def test_a_record_that_cannot_be_read_is_counted(hub: Hub, grants: Grants, counts: Counts, topic: Any) -> None:
    """A record that no decoder takes is told to nobody, and counted once."""
    grants.held[ADA] = {"readings", "alerts"}
    for _ in range(2):
        client, _again = join(hub)
        follow(hub, client, topic=topic)
        sent(client)
    value = ADA.bytes + b"broken"
    hub.take(Record(topic=f"{topic}.v1", partition=PARTITION, offset=0, append_ms=NOW_MS, key=None, value=value))
    assert sent(client) == []
    assert counts.counted["unshown_total"] == 1


def test_a_record_that_cannot_be_shown_ends_nobody(
    hub: Hub, grants: Grants, counts: Counts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record whose conversion fails for a reason nobody thought of is counted; the records after it are shown."""
    grants.held[WEARER] = {"alerts"}
    client, _ = join(hub)
    follow(hub, client, topic="alerts")
    sent(client)
    with monkeypatch.context() as breaking:
        breaking.setattr("api.live.entries.views.alert", lambda _: 1 / 0)
        hub.take(alert_record(0))
    assert counts.counted["unshown_total"] == 1
    hub.take(alert_record(1, revision=2))
    assert [message["data"]["revision"] for message in sent(client)] == [2]
