"""The device half tells its place in turn, and again on each new connection, while it is news."""

import json
import random
from typing import Any
from uuid import UUID

import pytest

from ingest.client.messages import pack
from ingest.client.places import STAYS_MS, Place
from ingest.client.protocol import DeviceProtocol, Identity
from tests.model_gateway import welcome

HERE = Place(1_000, 46.9, 7.4)


def device() -> DeviceProtocol:
    """Return a device half that has said nothing yet."""
    boot = UUID("3d6f0f0a-0000-4000-8000-000000000001")
    return DeviceProtocol(Identity(boot=boot, model="watch"), random=random.Random(1))  # noqa: S311


def connect(protocol: DeviceProtocol, clock_ms: int = 2_000) -> list[tuple[str, int]]:
    """Open a connection, welcomed; return type and seq of what is sent on it."""
    protocol.hello(clock_ms)
    protocol.receive(welcome(), 0.0)
    return sent(protocol)


def sent(protocol: DeviceProtocol) -> list[tuple[str, int]]:
    """Return type and seq of what is due."""
    messages: list[dict[str, Any]] = [json.loads(message) for message in protocol.due(0.0)]
    return [(message["type"], message["seq"]) for message in messages]


def hear(protocol: DeviceProtocol, **answer: Any) -> None:
    """Take an answer of the gateway."""
    protocol.receive(json.dumps(answer), 0.0)


def give(protocol: DeviceProtocol) -> None:
    """Queue one reading."""
    for packed in pack([{"time": 1_500, "heart_rate": 60}]):
        protocol.enqueue(packed)


def test_a_place_is_a_message_with_a_seq() -> None:
    """It lies in line with the readings and says time and degrees; printed, it says no degrees."""
    protocol = device()
    give(protocol)
    protocol.enqueue(HERE)
    assert connect(protocol) == [("readings", 1), ("location", 2)]
    assert json.loads(HERE.message(2)) == {
        "type": "location", "seq": 2, "time": 1_000, "latitude": 46.9, "longitude": 7.4
    }  # fmt: skip
    assert "46.9" not in repr(HERE)
    assert "7.4" not in repr(HERE)


def test_an_acknowledged_place_goes_first_on_a_new_connection() -> None:
    """It comes under the seq before the oldest that waits, so that what waits follows without a gap."""
    protocol = device()
    protocol.enqueue(HERE)
    connect(protocol)
    hear(protocol, type="ack", seq=1)
    give(protocol)
    assert connect(protocol) == [("location", 1), ("readings", 2)]
    hear(protocol, type="ack", seq=1)
    hear(protocol, type="ack", seq=2)
    assert protocol.messages == 0
    assert connect(protocol) == [("location", 2)]
    give(protocol)
    assert sent(protocol) == [("readings", 3)]


def test_a_place_that_waits_is_sent_once_and_in_turn() -> None:
    """One that was not acknowledged keeps its place among the readings; before it comes the one that was."""
    protocol = device()
    protocol.enqueue(HERE)
    connect(protocol)
    hear(protocol, type="ack", seq=1)
    give(protocol)
    protocol.enqueue(Place(1_600, 46.8, 7.3))
    assert connect(protocol) == [("location", 1), ("readings", 2), ("location", 3)]


@pytest.mark.parametrize(("clock_ms", "told"), [(1_000 + STAYS_MS, [("location", 1)]), (1_001 + STAYS_MS, [])])
def test_an_old_place_is_not_told_again(clock_ms: int, told: list[tuple[str, int]]) -> None:
    """After 30 min the gateway would refuse it."""
    protocol = device()
    protocol.enqueue(HERE)
    connect(protocol)
    hear(protocol, type="ack", seq=1)
    assert connect(protocol, clock_ms) == told


def test_a_place_taken_back_is_not_told_again() -> None:
    """After None and None no place is sent on a new connection."""
    protocol = device()
    protocol.enqueue(HERE)
    protocol.enqueue(Place(1_500, None, None))
    connect(protocol)
    hear(protocol, type="ack", seq=2)
    assert connect(protocol) == []


def test_a_refused_place_is_not_sent_again() -> None:
    """What a nack names goes neither in its turn nor first: an empty message keeps its seq."""
    refused = [{"index": 0, "field": "latitude", "code": "out_of_range"}]
    protocol = device()
    protocol.enqueue(HERE)
    connect(protocol)
    hear(protocol, type="nack", seq=1, rejected=refused)
    assert connect(protocol) == [("readings", 1)]
    hear(protocol, type="ack", seq=1)
    assert connect(protocol) == []
    protocol.enqueue(HERE)
    sent(protocol)
    hear(protocol, type="ack", seq=2)
    assert connect(protocol) == [("location", 2)]
    hear(protocol, type="nack", seq=2, rejected=refused)
    assert connect(protocol) == []
