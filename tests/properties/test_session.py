"""The device session under any split, loss, reconnect and resend, and under any bytes."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.effects import Admit, Effect, Send
from ingest.encoding import MSGPACK
from ingest.session import DeviceSession
from schemas.device_protocol import Welcome
from tests.device_sessions import (
    NOW_MS,
    acks,
    admitted,
    closes,
    codes,
    errors,
    greeted,
    hello_text,
    open_session,
    readings_text,
    values,
)

ACTIONS = st.sampled_from(["connect", "send", "settle", "settle newest"])
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELD = st.sampled_from(["time", "source", "heart_rate", "spo2", "ibi", "worn", "quality", "injected", "hrv", "x"])
ALMOST_READING = st.dictionaries(FIELD, ANY_JSON | st.integers(NOW_MS - 10, NOW_MS), max_size=6)
ALMOST_MESSAGE = st.fixed_dictionaries(
    {"type": st.sampled_from(["readings", "hello", "event", "location", "video", "?"]) | ANY_JSON},
    optional={
        "seq": st.integers(0, 3) | ANY_JSON,
        "readings": st.lists(ALMOST_READING | ANY_JSON, max_size=4) | ANY_JSON,
        "time": st.integers(NOW_MS - 10, NOW_MS) | ANY_JSON,
        "latitude": st.floats(-90, 90) | ANY_JSON,
        "longitude": st.floats(-180, 180) | ANY_JSON,
        "boot": st.uuids().map(str) | ANY_JSON,
        "clock": st.integers(0, 2 * NOW_MS) | ANY_JSON,
    },
)


class Client:
    """Sends numbered messages, loses connections, and sends again what was not acknowledged."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.acked = 0
        self.sent = 0
        self.session: DeviceSession | None = None
        self.waiting: list[int] = []
        self.durable: list[int] = []
        self.heard: list[int] = []

    def step(self, action: str, many: int) -> None:
        """Do one thing: connect anew, send the next messages, or make the first of what waits durable."""
        if action == "connect" or self.session is None:
            self.session = greeted()
            # What the lost connection had handed on may still become durable; nobody is told.
            self.durable += self.waiting
            self.waiting, self.heard, self.sent = [], [], self.acked
        elif action == "send":
            for seq in range(self.sent + 1, min(self.sent + many, self.total) + 1):
                effects = self.session.receive(readings_text(seq, {"time": NOW_MS - seq, "heart_rate": 72}))
                self.waiting += [admit.seq for admit in admitted(effects)]
                self.hear(acks(effects))
                self.sent = seq
        elif action == "settle":
            now, self.waiting = self.waiting[:many], self.waiting[many:]
            self.durable += now
            self.hear(acks(self.session.settled(now)))
        else:  # settle the newest first, as other partitions or a retry might
            now, self.waiting = self.waiting[-many:], self.waiting[:-many]
            self.durable += now
            self.hear(acks(self.session.settled(now)))

    def hear(self, seqs: list[int]) -> None:
        """Check an ack against what is durable, and against the acks before it."""
        for seq in seqs:
            assert set(range(1, seq + 1)) <= set(self.durable)
            assert not self.heard or seq >= self.heard[-1]
            self.heard.append(seq)
            self.acked = max(self.acked, seq)


@given(
    st.integers(1, 30),
    st.lists(st.tuples(ACTIONS, st.integers(1, 9)), max_size=60),
)
def test_an_ack_never_precedes_durability(total: int, actions: list[tuple[str, int]]) -> None:
    """Whatever is sent, settled and cut off in whatever order, acked messages are durable and acks never fall."""
    client = Client(total)
    for action, many in actions:
        client.step(action, many)
    client.step("connect", 1)
    while client.acked < total:
        client.step("send", total)
        client.step("settle", total)
    assert set(client.durable) == set(range(1, total + 1))


@given(st.lists(st.integers(1, 5), min_size=1, max_size=20), st.data())
def test_any_split_into_messages_admits_the_same_readings(sizes: list[int], data: st.DataObject) -> None:
    """Readings cut into messages in any way, some sent twice, are admitted with the same times and values."""
    session = greeted()
    taken: set[tuple[int, float]] = set()
    first = 0
    sent: list[str] = []
    for seq, size in enumerate(sizes, start=1):
        batch = [{"time": NOW_MS - number, "heart_rate": 60 + number % 90} for number in range(first, first + size)]
        first += size
        sent.append(readings_text(seq, *batch))
        again = data.draw(st.lists(st.sampled_from(sent), max_size=2))
        for text in (sent[-1], *again):
            for admit in admitted(session.receive(text)):
                taken |= set(zip(values(admit, "time_ms"), values(admit, "heart_rate"), strict=True))
    assert taken == {(NOW_MS - number, 60 + number % 90) for number in range(first)}


@given(st.lists(st.integers(0, 6), max_size=30))
def test_seqs_are_taken_exactly_when_they_leave_no_gap(seqs: list[int]) -> None:
    """The session closes at the first seq beyond the expected one and at no other."""
    session = greeted()
    expected: int | None = None
    for seq in seqs:
        effects = session.receive(readings_text(seq, {"time": NOW_MS, "heart_rate": 72}))
        if expected is not None and seq > expected:
            assert closes(effects) == [4400]
            return
        assert closes(effects) == []
        expected = seq + 1 if expected is None or seq == expected else expected


def _plain(text: str) -> str | bytes:
    return text


@pytest.mark.parametrize("encode", [_plain, str.encode], ids=["text", "binary"])
@given(messages=st.lists(st.text(max_size=60) | ALMOST_MESSAGE.map(json.dumps), max_size=6))
def test_any_message_gets_an_answer_and_none_raises(encode: Callable[[str], str | bytes], messages: list[str]) -> None:
    """Whatever arrives, the session answers, admits, or closes; it never raises and never stays silent."""
    session = open_session()
    session.receive(hello_text())
    closed = False
    for message in messages:
        effects = session.receive(encode(message))
        assert bool(effects) != closed
        closed = closed or bool(closes(effects))


@given(st.lists(ALMOST_READING | ANY_JSON, max_size=5))
def test_every_reading_is_admitted_or_named(readings: list[Any]) -> None:
    """No reading vanishes: each is among the admitted rows, or a nack names its index."""
    session = greeted()
    effects = session.receive(readings_text(1, *readings))
    rows = sum(admit.rows.count for admit in admitted(effects))
    named = {index for index, _, _ in codes(effects)}
    assert errors(effects) == []
    assert rows + len(named) >= len(readings)
    assert closes(effects) == []


@given(st.binary(max_size=80))
def test_any_binary_message_gets_an_answer(data: bytes) -> None:
    """Arbitrary bytes are refused or close; they never raise."""
    effects = greeted().receive(data)
    assert effects
    assert not any(isinstance(effect, Admit) for effect in effects)


def _plain_effects(effects: list[Effect]) -> list[Any]:
    """Return effects with what an encoding cannot change."""
    return [
        (effect.seq, effect.rows.packed, effect.rows.beats) if isinstance(effect, Admit) else effect
        for effect in effects
        if not (isinstance(effect, Send) and isinstance(effect.answer, Welcome))
    ]


MSGPACK_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
EITHER_READING = st.fixed_dictionaries(
    {"time": st.integers(NOW_MS - 10, NOW_MS)}, optional={"heart_rate": st.floats(20, 250), "ibi": MSGPACK_JSON}
)
EITHER_MESSAGE = st.fixed_dictionaries(
    {"type": st.sampled_from(["readings", "readings", "readings", "hello", "event", "?"]) | MSGPACK_JSON},
    optional={
        "seq": st.integers(1, 3) | MSGPACK_JSON,
        "readings": st.lists(EITHER_READING | st.dictionaries(FIELD, MSGPACK_JSON, max_size=4), max_size=4)
        | MSGPACK_JSON,
    },
)


@given(st.lists(EITHER_MESSAGE, max_size=5))
def test_both_encodings_have_the_same_effects(messages: list[dict[str, Any]]) -> None:
    """The same messages as JSON and as msgpack are admitted, refused and answered alike, the bad ones included."""
    text, packed = open_session(), open_session(encoding=MSGPACK)
    for message in [json.loads(hello_text()), *messages]:
        in_text = text.receive(json.dumps(message))
        in_msgpack = packed.receive(msgspec.msgpack.encode(message))
        assert _plain_effects(in_text) == _plain_effects(in_msgpack)


@given(st.lists(st.binary(max_size=80), min_size=1, max_size=4))
def test_any_bytes_are_answered_in_msgpack(messages: list[bytes]) -> None:
    """Whatever arrives where msgpack was agreed on is answered or closes; it never raises."""
    session = open_session(encoding=MSGPACK)
    session.receive(msgspec.msgpack.encode(json.loads(hello_text())))
    closed = False
    for message in messages:
        effects = session.receive(message)
        assert bool(effects) != closed
        closed = closed or bool(closes(effects))
