"""The device half without a socket: what it sends, keeps, sends again, and when it gives up."""

import json
import random
from typing import Any
from uuid import UUID

import pytest

from ingest.client.messages import Acknowledged, Refused, Told, pack
from ingest.client.protocol import WINDOW, DeviceProtocol, Identity, Reconnect, Stop
from schemas.device_protocol import Error, Throttle, Welcome
from schemas.errors import ContractError
from tests.model_gateway import welcome

BOOT = UUID("3d6f0f0a-0000-4000-8000-000000000001")


def device(**options: Any) -> DeviceProtocol:
    """Return a device half with a fixed boot and fixed jitter."""
    return DeviceProtocol(Identity(boot=BOOT, model="watch"), random=random.Random(1), **options)  # noqa: S311


def give(protocol: DeviceProtocol, *times: int) -> None:
    """Queue one message of one reading for each time."""
    for time in times:
        for packed in pack([{"time": time, "heart_rate": 60}]):
            protocol.enqueue(packed)


def connect(protocol: DeviceProtocol, *, now_s: float = 0.0) -> list[int]:
    """Open a connection, welcomed; return the seqs sent on it."""
    protocol.hello(0)
    protocol.receive(welcome(), now_s)
    return sent(protocol, now_s)


def sent(protocol: DeviceProtocol, now_s: float = 0.0) -> list[int]:
    """Return the seqs of what is due."""
    return [json.loads(message)["seq"] for message in protocol.due(now_s)]


def test_hello_carries_who_connects() -> None:
    """The first message of a connection says boot, clock, model, firmware and origin."""
    protocol = DeviceProtocol(
        Identity(boot=BOOT, model="watch", firmware="1.2", origin="replay"),
        random=random.Random(1),  # noqa: S311
    )
    assert json.loads(protocol.hello(1_795_252_241_000)) == {
        "type": "hello",
        "boot": str(BOOT),
        "clock": 1_795_252_241_000,
        "model": "watch",
        "firmware": "1.2",
        "origin": "replay",
    }


def test_nothing_is_sent_before_the_welcome() -> None:
    """Readings wait until the gateway has said welcome."""
    protocol = device()
    give(protocol, 1)
    protocol.hello(0)
    assert protocol.due(0.0) == []
    events = protocol.receive(welcome(), 0.0)
    assert isinstance(events[0], Welcome)
    assert sent(protocol) == [1]


def test_messages_are_sent_once_a_connection_in_order() -> None:
    """Each message is due once on a connection, by rising seq from 1."""
    protocol = device()
    give(protocol, 1, 2, 3)
    assert connect(protocol) == [1, 2, 3]
    assert sent(protocol) == []
    give(protocol, 4)
    assert sent(protocol) == [4]


def test_an_ack_frees_everything_up_to_its_seq() -> None:
    """An acknowledgement of N drops messages up to N and leaves the rest."""
    protocol = device()
    give(protocol, 1, 2, 3)
    connect(protocol)
    assert protocol.receive('{"type":"ack","seq":2}', 0.0) == [Acknowledged(2, 2)]
    assert (protocol.readings, protocol.messages) == (1, 1)
    assert protocol.receive('{"type":"ack","seq":1}', 0.0) == [Acknowledged(1, 0)]
    assert protocol.readings == 1


def test_everything_unacknowledged_is_sent_again_under_its_seq() -> None:
    """After a lost connection the next one begins with the oldest unacknowledged message, boot and seq kept."""
    protocol = device()
    give(protocol, 1, 2, 3)
    connect(protocol)
    protocol.receive('{"type":"ack","seq":1}', 0.0)
    assert isinstance(protocol.disconnected(None), Reconnect)
    give(protocol, 4)
    assert protocol.due(0.0) == []
    assert json.loads(protocol.hello(5))["boot"] == str(BOOT)
    protocol.receive(welcome(), 0.0)
    assert sent(protocol) == [2, 3, 4]


def test_an_ack_of_what_was_not_sent_is_refused() -> None:
    """A gateway that acknowledges more than it was sent on this connection breaks the protocol, and frees nothing."""
    protocol = device()
    give(protocol, 1, 2)
    protocol.hello(0)
    protocol.receive(welcome(), 0.0)
    with pytest.raises(ContractError, match="not sent"):
        protocol.receive('{"type":"ack","seq":1}', 0.0)
    protocol.due(0.0)
    with pytest.raises(ContractError, match="not sent"):
        protocol.receive('{"type":"ack","seq":3}', 0.0)
    assert protocol.readings == 2


def test_the_hint_in_welcome_frees_nothing() -> None:
    """Messages that the welcome hints at as acknowledged are still sent again."""
    protocol = device()
    give(protocol, 1, 2)
    protocol.hello(0)
    protocol.receive(welcome().replace('"acked": 0', '"acked": 2'), 0.0)
    assert sent(protocol) == [1, 2]


def test_only_a_window_is_on_the_way() -> None:
    """No more than the window's messages are sent before an acknowledgement makes place."""
    protocol = device()
    give(protocol, *range(WINDOW + 5))
    assert connect(protocol) == list(range(1, WINDOW + 1))
    protocol.receive('{"type":"ack","seq":3}', 0.0)
    assert sent(protocol) == [WINDOW + 1, WINDOW + 2, WINDOW + 3]


def test_a_throttle_holds_messages_back() -> None:
    """After a throttle nothing is due until its time is over."""
    protocol = device()
    connect(protocol)
    assert protocol.receive('{"type":"throttle","retry_after_ms":1500}', 10.0) == [Throttle(1500)]
    give(protocol, 1)
    assert sent(protocol, 11.4) == []
    assert protocol.held_s(11.0) == pytest.approx(0.5)
    assert sent(protocol, 11.5) == [1]


def test_a_throttle_ends_with_its_connection() -> None:
    """A throttle of the previous connection does not hold back the next one."""
    protocol = device()
    give(protocol, 1)
    connect(protocol)
    protocol.receive('{"type":"throttle","retry_after_ms":60000}', 0.0)
    protocol.disconnected(None)
    assert connect(protocol, now_s=1.0) == [1]


def test_a_nack_names_the_reading_and_it_is_not_sent_again() -> None:
    """A refused field and a refused reading are told with what was sent, and are absent from the resend."""
    protocol = device()
    readings: list[dict[str, Any]] = [
        {"time": 1, "heart_rate": 999, "spo2": 97},
        {"time": 9e15, "heart_rate": 60},
        {"time": 3, "heart_rate": 61},
    ]
    for packed in pack(readings):
        protocol.enqueue(packed)
    connect(protocol)
    nack = {
        "type": "nack",
        "seq": 1,
        "rejected": [
            {"index": 0, "field": "heart_rate", "code": "out_of_range", "detail": ""},
            {"index": 1, "field": "time", "code": "future_time", "detail": ""},
        ],
    }
    events = protocol.receive(json.dumps(nack), 0.0)
    assert [event.reading for event in events if isinstance(event, Refused)] == readings[:2]
    protocol.disconnected(None)
    protocol.hello(0)
    protocol.receive(welcome(), 0.0)
    (again,) = protocol.due(0.0)
    assert json.loads(again)["readings"] == [{"time": 1, "spo2": 97}, {"time": 3, "heart_rate": 61}]
    assert protocol.readings == 2


def test_a_message_refused_whole_keeps_its_place_in_the_sequence() -> None:
    """A message of which nothing is left is sent empty again, so that no gap arises."""
    protocol = device()
    give(protocol, 1, 2)
    connect(protocol)
    nack = {"type": "nack", "seq": 1, "rejected": [{"index": 0, "field": "reading", "code": "no_vital"}]}
    protocol.receive(json.dumps(nack), 0.0)
    protocol.disconnected(None)
    protocol.hello(0)
    protocol.receive(welcome(), 0.0)
    assert [json.loads(message) for message in protocol.due(0.0)] == [
        {"type": "readings", "seq": 1, "readings": []},
        {"type": "readings", "seq": 2, "readings": [{"time": 2, "heart_rate": 60}]},
    ]


def test_too_many_unknown_fields_do_not_cost_the_reading() -> None:
    """A nack that counts further unknown fields of a reading does not take the reading out of the resend."""
    protocol = device()
    give(protocol, 1)
    connect(protocol)
    nack = {"type": "nack", "seq": 1, "rejected": [{"index": 0, "field": "reading", "code": "unknown_field"}]}
    protocol.receive(json.dumps(nack), 0.0)
    protocol.disconnected(None)
    protocol.hello(0)
    assert protocol.readings == 1


def test_errors_and_unknown_messages_are_passed_on() -> None:
    """An error, and a message of a type from the future, reach the producer as they are."""
    protocol = device()
    connect(protocol)
    assert protocol.receive('{"type":"error","code":"gap","seq":7}', 0.0) == [Error("gap", "", 7)]
    assert protocol.receive('{"type":"instruction","text":"sit"}', 0.0) == [Told("instruction", {"text": "sit"})]


@pytest.mark.parametrize("data", ["[]", "{}", '{"type":"ack"}', '{"type":5}', "no json"])
def test_what_is_no_message_of_the_protocol_is_refused(data: str) -> None:
    """Bytes that are no message raise, so that the connection is ended."""
    with pytest.raises(ContractError):
        device().receive(data, 0.0)


@pytest.mark.parametrize("code", [4401, 4409, 4413, 1009])
def test_final_closes_stop_the_device(code: int) -> None:
    """A revoked token, a newer connection and a message that is too big end the attempts with a sentence."""
    assert isinstance(device().disconnected(code, "why"), Stop)


@pytest.mark.parametrize("code", [None, 1000, 1001, 1006, 1011, 4408, 4429, 4503])
def test_passing_closes_reconnect(code: int | None) -> None:
    """Network losses, draining and rate limits lead to another connection."""
    assert isinstance(device().disconnected(code), Reconnect)


def test_unreadable_twice_stops_the_device() -> None:
    """A second 4400 without an acknowledgement between them stops; one with an acknowledgement between does not."""
    protocol = device()
    give(protocol, 1, 2)
    connect(protocol)
    assert isinstance(protocol.disconnected(4400), Reconnect)
    connect(protocol)
    protocol.receive('{"type":"ack","seq":1}', 0.0)
    assert isinstance(protocol.disconnected(4400), Reconnect)
    connect(protocol)
    assert isinstance(protocol.disconnected(4400, "gap"), Stop)


@pytest.mark.parametrize(
    ("status", "kind"), [(400, Stop), (401, Stop), (404, Stop), (500, Reconnect), (503, Reconnect)]
)
def test_the_handshake_answer_decides(status: int, kind: type) -> None:
    """A refused token or address stops; a server's trouble reconnects."""
    assert isinstance(device().not_accepted(status), kind)


def test_back_off_grows_with_jitter_within_bounds() -> None:
    """Delays stay between 0.5 and 30 s, reach beyond 10 s when trouble lasts, and differ from one another."""
    protocol = device()
    delays = [outcome.delay_s for _ in range(50) if isinstance(outcome := protocol.disconnected(None), Reconnect)]
    assert all(0.5 <= delay <= 30 for delay in delays)
    assert delays[0] <= 1.0
    assert max(delays) > 10
    assert len(set(delays)) > 40


def test_back_off_starts_anew_after_an_ack() -> None:
    """An acknowledgement proves the way, so the next loss is followed by a short delay."""
    protocol = device()
    for _ in range(20):
        protocol.disconnected(None)
    give(protocol, 1)
    connect(protocol)
    protocol.receive('{"type":"ack","seq":1}', 0.0)
    outcome = protocol.disconnected(None)
    assert isinstance(outcome, Reconnect)
    assert outcome.delay_s <= 1.0


def test_a_full_buffer_says_so_and_takes_nothing() -> None:
    """A full buffer refuses a message instead of dropping one, and takes it after an acknowledgement."""
    protocol = device(capacity_bytes=300_000)
    (big,) = pack([{"time": 1, "ibi": [800.0] * 600}] * 50)
    protocol.enqueue(big)
    assert not protocol.has_room(big)
    with pytest.raises(ContractError, match="full"):
        protocol.enqueue(big)
    assert protocol.readings == 50
    connect(protocol)
    protocol.receive('{"type":"ack","seq":1}', 0.0)
    assert protocol.has_room(big)
    assert protocol.enqueue(big) == 2


def test_a_buffer_holds_at_least_one_message() -> None:
    """A capacity below one message is refused, because nothing could ever be sent."""
    with pytest.raises(ContractError, match="at least one"):
        device(capacity_bytes=1000)
