"""The hub and community zones: who is told how they stand, and whose alerts and episodes."""

from typing import Any

import pytest

from api.errors import RefusedError
from api.live.hub import Hub
from api.live.subjects import key_of, partition_of_key, subject_of, zone_key
from schemas import episodes, zones
from schemas.alerts import AlertEvent, encode_change
from schemas.episodes import Subject
from schemas.live_protocol import Subscribe
from schemas.topics import ALERTS, EPISODES, ZONES, partition_of
from schemas.zones import AREA, ZoneStatus
from stream_processors.ports import Record
from tests.care_events import episode
from tests.live_clients import ADA, Counts, Grants, follow, join, sent
from tests.made_alerts import made_alert
from tests.made_frames import NOW_MS

ZONE, OTHER = "old-town", "suburb"


def record(topic: str, zone: str, offset: int, value: bytes) -> Record:
    """Return a record on a zone's partition."""
    partition = partition_of(zone.encode())
    return Record(topic=topic, partition=partition, offset=offset, append_ms=NOW_MS, key=None, value=value)


def status(zone: str = ZONE, offset: int = 0, **changes: Any) -> Record:
    """Return the record of a zone's status."""
    values: dict[str, Any] = {
        "zone_id": zone,
        "name": zone,
        "version": 1,
        "revision": offset + 1,
        "bin_ms": NOW_MS,
        "state": "ok",
        "level": "usual",
        "coverage": "good",
        "recurrence": "on most days",
    }
    return record(ZONES.name, zone, offset, zones.encode(ZoneStatus(**{**values, **changes})))


def alert(zone: str = ZONE, offset: int = 0) -> Record:
    """Return the record of a zone's alert."""
    found = made_alert()
    events = [AlertEvent(kind="raised", at_ms=NOW_MS)]
    values = {name: getattr(found, name) for name in found.__struct_fields__}
    made = type(found)(**{**values, "subject": Subject(zone=zone), "kind": "zone.count", "events": events})
    return record(ALERTS.name, zone, offset, encode_change(made, time="2026-11-18T08:00:00Z"))


def test_neither_subject_is_taken_for_the_other() -> None:
    """A key tells its subject, and lies on the partition where care and the zones family put it."""
    for zone in (ZONE, AREA, "a" * 16, "0" * 64):
        assert subject_of(zone_key(zone)) == Subject(zone=zone)
        assert len(zone_key(zone)) > len(ADA.bytes)
        assert partition_of_key(zone_key(zone)) == partition_of(zone.encode())
    assert subject_of(key_of(Subject(wearer=ADA))) == Subject(wearer=ADA)
    assert partition_of_key(ADA.bytes) == partition_of(ADA)


def test_a_zone_is_told_to_who_holds_status_and_to_nobody_else(hub: Hub, grants: Grants) -> None:
    """Without a zone in the request all that the caller may see come, with one that alone; the shape is HTTP's."""
    grants.zones_held = {ZONE: {"status"}, AREA: {"status"}, "third": {"alerts", "act"}}
    client, _ = join(hub)
    follow(hub, client, 1, "zones")
    follow(hub, client, 2, "zones", zone=ZONE)
    sent(client)
    for zone in (OTHER, "third", ZONE, AREA):
        hub.take(status(zone))
    told = sent(client)
    assert sorted((one["id"], one["data"]["zone_id"]) for one in told) == [(1, AREA), (1, ZONE), (2, ZONE)]
    assert {one["data"]["risk_level"] for one in told} == {"safe"}
    with pytest.raises(RefusedError) as refused:
        hub.open(client, Subscribe(id=3, topic="zones", zone="third"))
    assert refused.value.status == 403


def test_alerts_and_episodes_of_a_zone_are_for_who_holds_its_alerts(hub: Hub, grants: Grants) -> None:
    """A zone's come beside the wearers' where the scope is held, and with `zone` alone; a wearer's grant is not it."""
    grants.zones_held = {ZONE: {"alerts"}, OTHER: {"status"}}
    client, _ = join(hub)
    for number, topic in enumerate(("alerts", "episodes")):
        follow(hub, client, 10 + number, topic)
        follow(hub, client, 20 + number, topic, zone=ZONE)
        follow(hub, client, 30 + number, topic, wearer=ADA)
        with pytest.raises(RefusedError):
            hub.open(client, Subscribe(id=99, topic="alerts", zone=OTHER))
    sent(client)
    for zone in (ZONE, OTHER):
        hub.take(alert(zone))
        made = episode(subject=Subject(zone=zone), condition="zone.count", writer="zones")
        hub.take(record(EPISODES.name, zone, 0, episodes.encode(made, time="2026-11-18T08:00:00Z")))
    told = sent(client)
    assert {tuple(one["data"]["subject"].items()) for one in told} == {(("zone", ZONE),)}
    assert sorted(one["id"] for one in told) == [10, 11, 20, 21]


def test_a_lost_zone_grant_ends_what_was_open_under_it(hub: Hub, grants: Grants) -> None:
    """The subscription to the zone ends by name, and that to all zones tells it no more."""
    grants.zones_held = {ZONE: {"status"}, OTHER: {"status"}}
    client, _ = join(hub)
    follow(hub, client, 1, "zones", zone=ZONE)
    follow(hub, client, 2, "zones")
    sent(client)
    del grants.zones_held[ZONE]
    hub.recheck()
    told = sent(client)
    assert [(one["type"], one["id"]) for one in told] == [("error", 1), ("unsubscribed", 1), ("error", 2)]
    assert all("old-town" in one["detail"] for one in told if one["type"] == "error")
    hub.take(status(ZONE))
    assert sent(client) == []
    hub.take(status(OTHER))
    assert [one["data"]["zone_id"] for one in sent(client)] == [OTHER]


def test_a_new_zone_grant_asks_for_a_new_snapshot(hub: Hub, grants: Grants) -> None:
    """A zone that is granted meanwhile joins the subscription to all."""
    client, again = join(hub)
    subscription = follow(hub, client, 1, "zones")
    grants.zones_held = {ZONE: {"status"}}
    hub.recheck()
    assert again == [subscription]
    assert subscription.subjects == {zone_key(ZONE)}


def test_what_a_compacted_topic_left_out_is_no_gap(hub: Hub, grants: Grants, counts: Counts) -> None:
    """Offsets are missing where newer statuses replaced older ones; nobody is told anew, and the next one arrives."""
    grants.zones_held = {ZONE: {"status"}}
    client, again = join(hub)
    follow(hub, client, 1, "zones")
    hub.take(status(offset=0))
    hub.take(status(offset=7))
    assert [one["data"]["revision"] for one in sent(client)[1:]] == [1, 8]
    assert again == []
    assert "gap_records_total" not in counts.counted


def test_a_withdrawn_zone_s_last_record_tells_nothing(hub: Hub, grants: Grants, counts: Counts) -> None:
    """A record without a value is no fault and no message."""
    grants.zones_held = {ZONE: {"status"}}
    client, _ = join(hub)
    follow(hub, client, 1, "zones")
    sent(client)
    hub.take(record(ZONES.name, ZONE, 0, b""))
    assert sent(client) == []
    assert "unshown_total" not in counts.counted
