"""One reading's whole journey through a running system, seen from outside."""

import json
import math
from typing import Any

import pytest
import websockets

from tests.running_system import RunningSystem, TestDevice, eventually, now_ms, reading

pytestmark = [pytest.mark.connected, pytest.mark.timeout(180)]


def latest(system: RunningSystem, wearer: str) -> dict[str, Any]:
    """Return what GET /wearers/{id}/latest answers."""
    with system.client() as client:
        found: dict[str, Any] = client.get(f"/wearers/{wearer}/latest").raise_for_status().json()
        return found


async def test_an_acknowledged_reading_is_the_latest(system: RunningSystem) -> None:
    """What a device sends and gets acknowledged is soon what the API calls the wearer's latest."""
    wearer, device_id, token = system.new_wearer()
    device = await TestDevice.connect(system.devices_url, token)
    at = now_ms()
    await device.acked(await device.send([reading(at, heart_rate=71, spo2=97)]))
    found = await eventually(lambda: (row := latest(system, wearer))["time"] and row)
    assert (found["heart_rate"], found["spo2"], found["device_id"], found["source"]) == (71, 97, device_id, "watch")
    assert found["respiratory_rate"] is None
    await device.close()


async def test_vitals_sent_apart_become_one_row(system: RunningSystem) -> None:
    """Heart rate and SpO2 sent in two messages for one instant are one row with both."""
    wearer, _, token = system.new_wearer()
    device = await TestDevice.connect(system.devices_url, token)
    at = now_ms()
    await device.send([reading(at, heart_rate=64)])
    await device.acked(await device.send([reading(at, spo2=96)]))

    def both() -> list[dict[str, Any]]:
        with system.client() as client:
            rows = client.get(f"/wearers/{wearer}/readings").raise_for_status().json()["items"]
        return [row for row in rows if (row.get("heart_rate"), row.get("spo2")) == (64, 96)]

    assert len(await eventually(both)) == 1
    await device.close()


async def test_one_bad_reading_harms_no_other(system: RunningSystem) -> None:
    """Each bad reading is answered with index, field and code; every good one beside it is stored."""
    wearer, _, token = system.new_wearer()
    device = await TestDevice.connect(system.devices_url, token)
    base = now_ms() - 60_000
    bad: list[tuple[dict[str, Any], str, str]] = [
        ({"heart_rate": 900}, "heart_rate", "out_of_range"),
        ({"heart_rate": -5}, "heart_rate", "out_of_range"),
        ({"heart_rate": 0}, "heart_rate", "out_of_range"),
        ({"heart_rate": math.nan}, "heart_rate", "not_finite"),
        ({"spo2": math.inf}, "spo2", "not_finite"),
        ({"heart_rate": "70"}, "heart_rate", "wrong_type"),
        ({"heart_rate": True}, "heart_rate", "wrong_type"),
        ({"hrv": 50}, "hrv", "ambiguous_hrv"),
        ({"blood_sugar": 5}, "blood_sugar", "unknown_field"),
        ({"time": "2026-11-21T10:00:00", "heart_rate": 70}, "time", "naive_time"),
        ({"time": now_ms() + 3_600_000, "heart_rate": 70}, "time", "future_time"),
        ({"time": 946_684_800_000, "heart_rate": 70}, "time", "older_than_retention"),
        ({"time": "yesterday", "heart_rate": 70}, "time", "bad_time"),
    ]
    for number, (wrong, field, code) in enumerate(bad):
        good = [reading(base + number * 2_000 + place * 500, heart_rate=60 + number) for place in (0, 2)]
        odd = reading(base + number * 2_000 + 500) | wrong
        seq = await device.send([good[0], odd, good[1]])
        await device.acked(seq)
        named = [(one["index"], one["field"], one["code"]) for one in device.nacks.get(seq, [])]
        assert (1, field, code) in named, (wrong, named)

    def stored() -> bool:
        with system.client() as client:
            page = client.get(f"/wearers/{wearer}/readings", params={"limit": 500}).raise_for_status().json()
        return len([row for row in page["items"] if row.get("heart_rate") is not None]) == 2 * len(bad)

    await eventually(stored)
    await device.close()


async def test_a_racing_heart_at_rest_becomes_one_explained_alert(system: RunningSystem) -> None:
    """Two minutes over the floor at rest raise one alert with its reason; it is answered, and clears by itself."""
    wearer, _, token = system.new_wearer("Racing")
    headers = {"Authorization": f"Bearer {system.ready['admin_token']}"}
    async with websockets.connect(
        system.live_url, subprotocols=[websockets.Subprotocol("pulsera.live.v1+json")], additional_headers=headers
    ) as live:
        await live.send(json.dumps({"type": "subscribe", "id": 1, "topic": "alerts", "wearer": wearer}))
        assert json.loads(await live.recv())["type"] == "snapshot"
        device = await TestDevice.connect(system.devices_url, token)
        begun = now_ms() - 150_000
        racing = [reading(begun + n * 1000, heart_rate=198 + n % 5, motion=0.01) for n in range(140)]
        await device.acked(await device.send(racing))
        update = json.loads(await live.recv())
        alert = update["data"] if isinstance(update["data"], dict) else update["data"][0]
        assert alert["subject"] == {"wearer": wearer}
        assert (alert["priority"], alert["type"], alert["kind"]) == ("high", "physiological", "heart_rate.high")
        assert "rest" in alert["reason"]
        assert alert["evidence"]["threshold"] == 180
        with system.client() as client:
            answer = client.post(f"/alerts/{alert['alert_id']}/acknowledge", json={"note": "on my way"})
            assert answer.status_code == 200, answer.text
            assert answer.json()["response"] == "acknowledged"
            assert answer.json()["condition"] == "active"
        calm = [reading(now_ms() - 10_000 + n * 100, heart_rate=70 + n % 3, motion=0.01) for n in range(100)]
        await device.acked(await device.send(calm))
        await device.close()
    with system.client() as client:
        listed = client.get("/alerts", params={"wearer": wearer}).raise_for_status().json()["items"]
    assert [one["alert_id"] for one in listed if one["type"] == "physiological"] == [alert["alert_id"]]
