"""What a device session refuses, and in which words: types, sizes and readings."""

import json
import struct
from typing import Any

import pytest

from ingest.effects import Admit, Close, Send
from schemas.device_protocol import NOT_BUILT_YET
from tests.device_sessions import (
    NOW_MS,
    acks,
    admitted,
    closes,
    codes,
    errors,
    greeted,
    reading,
    readings_text,
    rejected,
    values,
)


@pytest.mark.parametrize("kind", NOT_BUILT_YET)
def test_a_type_not_built_yet_is_refused_by_name_and_handled(kind: str) -> None:
    """It is answered with not_supported and its seq, and acknowledged."""
    effects = greeted().receive(json.dumps({"type": kind, "seq": 4, "latitude": 1.5}))
    assert [(error.code, error.seq, kind in error.detail) for error in errors(effects)] == [("not_supported", 4, True)]
    assert acks(effects) == [4]


@pytest.mark.parametrize("kind", ["reading", "", "\ud800", 5, None, ["readings"]])
def test_an_unknown_type_is_refused_by_name(kind: Any) -> None:
    """A type that the protocol does not know is answered with unknown_type; the connection goes on."""
    session = greeted()
    effects = session.receive(json.dumps({"type": kind, "seq": 1}))
    assert [error.code for error in errors(effects)] == ["unknown_type"]
    assert acks(effects) == [1]
    assert admitted(session.receive(readings_text(2, reading())))


def test_an_unknown_type_without_a_seq_stays_out_of_the_sequence() -> None:
    """A message without a seq is refused and expects nothing of the next."""
    session = greeted()
    assert acks(session.receive('{"type":"ping"}')) == []
    assert admitted(session.receive(readings_text(9, reading())))


def test_a_refusal_waits_in_line_for_what_came_before() -> None:
    """A refused message is acknowledged only when the admitted one before it is durable."""
    session = greeted()
    session.receive(readings_text(1, reading()))
    assert acks(session.receive('{"type":"event","seq":2}')) == []
    assert acks(session.settled([1])) == [2]


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "7", "null", "\x00", "NaN", '{"type":"readings"}', '{"type":"readings","seq":"1","readings":[]}',
     '{"type":"readings","seq":true,"readings":[]}', '{"type":"readings","seq":1.5,"readings":[]}',
     '{"type":"readings","seq":-1,"readings":[]}', '{"type":"readings","seq":NaN,"readings":[]}',
     '{"type":"readings","seq":9007199254740993,"readings":[]}', '{"type":"event","seq":null}', "[" * 100_000,
     '{"type":"readings","seq":' + "9" * 5_000 + ',"readings":[]}', '{"type":"readings","seq":1,"readings":[{'],
)  # fmt: skip
def test_what_cannot_be_parsed_as_far_as_its_seq_closes(text: str) -> None:
    """Text without a readable seq closes 4400."""
    assert closes(greeted().receive(text)) == [4400]


def test_a_binary_message_is_refused_by_its_header() -> None:
    """A binary message of a type that is not built yet is refused with not_supported and handled."""
    header = json.dumps({"type": "event", "seq": 1, "sizes": [3]}).encode()
    effects = greeted().receive(struct.pack(">I", len(header)) + header + b"jpg")
    assert [error.code for error in errors(effects)] == ["not_supported"]
    assert acks(effects) == [1]


@pytest.mark.parametrize("data", [b"", b"\x00", b"\x00\x00\x00\x00", b"\xff\xff\xff\xff{}", b"\x00\x00\x00\x02{}"])
def test_a_binary_message_without_a_header_closes(data: bytes) -> None:
    """Binary data without a header and a seq closes 4400."""
    assert closes(greeted().receive(data)) == [4400]


@pytest.mark.parametrize("text", ["x" * 262_145, "é" * 131_073])
def test_a_message_too_big_closes(text: str) -> None:
    """More than 256 KiB, counted in bytes, closes 4413."""
    assert closes(greeted().receive(text)) == [4413]


@pytest.mark.parametrize("extra", [{}, {"heart_rate": float("nan")}])
def test_too_many_readings_are_refused_whole(extra: dict[str, Any]) -> None:
    """A message of 501 readings is refused whole and handled, on the fast and on the slow path."""
    effects = greeted().receive(readings_text(1, *[reading()] * 500, reading(**extra)))
    assert codes(effects) == [(500, "readings", "too_many_readings")]
    assert acks(effects) == [1]
    assert admitted(effects) == []


def test_five_hundred_readings_are_admitted() -> None:
    """The limit itself is allowed."""
    effects = greeted().receive(readings_text(1, *[reading()] * 500))
    assert admitted(effects)[0].rows.count == 500


@pytest.mark.parametrize("readings", [None, {}, "x", 1])
def test_readings_that_are_no_list_are_refused_whole(readings: Any) -> None:
    """The message is refused and handled."""
    effects = greeted().receive(json.dumps({"type": "readings", "seq": 1, "readings": readings}))
    assert codes(effects) == [(0, "readings", "wrong_type")]
    assert acks(effects) == [1]


def test_no_readings_are_handled_at_once() -> None:
    """An empty list has nothing to make durable."""
    assert acks(greeted().receive(readings_text(1))) == [1]


def test_a_bad_reading_never_poisons_its_neighbours() -> None:
    """The neighbours of a refused reading, and the good vitals beside a bad one, are admitted."""
    effects = greeted().receive(
        readings_text(1, reading(), {"time": "2026-11-21T08:00:00"}, reading(spo2=400, heart_rate=60), "x", reading())
    )
    assert codes(effects) == [(1, "time", "naive_time"), (2, "spo2", "out_of_range"), (3, "reading", "wrong_type")]
    (admit,) = admitted(effects)
    assert values(admit, "heart_rate") == [72, 60, 72]
    assert values(admit, "spo2") == [None, None, None]


def test_the_nack_leaves_before_anything_is_made_durable() -> None:
    """A nack comes before its message's rows are handed on, so that it also precedes its ack."""
    effects = greeted().receive(readings_text(1, reading(spo2=400)))
    assert [type(effect) for effect in effects] == [Send, Admit]


def test_a_message_refused_in_all_its_readings_is_handled() -> None:
    """When no reading is left the message is acknowledged after its nack."""
    effects = greeted().receive(readings_text(1, {"time": NOW_MS}))
    assert codes(effects) == [(0, "reading", "no_vital")]
    assert acks(effects) == [1]


def test_the_session_tells_a_device_what_it_measured_against() -> None:
    """The detail of an out-of-range vital gives the range and its unit."""
    (entry,) = rejected(greeted().receive(readings_text(1, reading(heart_rate=500, spo2=98))))
    assert entry.detail == "20 to 250 /min"


@pytest.mark.parametrize("kind", ["hello", "readings"])
def test_text_messages_in_binary_are_closed_with_the_remedy(kind: str) -> None:
    """Readings as binary are not acknowledged as if they had been understood."""
    header = json.dumps({"type": kind, "seq": 1, "readings": [reading()]}).encode()
    [effect] = greeted().receive(struct.pack(">I", len(header)) + header)
    assert effect == Close(4400, f"{kind} is sent as text, not binary")


def test_an_empty_list_of_intervals_is_no_vital() -> None:
    """A reading that holds nothing else is refused; beside a vital it does no harm."""
    effects = greeted().receive(readings_text(1, {"time": NOW_MS, "ibi": []}, reading(ibi=[])))
    assert [(entry.index, entry.code) for entry in rejected(effects)] == [(0, "no_vital")]
    [kept] = admitted(effects)
    assert kept.rows.count == 1


def test_a_time_in_seconds_is_told_so() -> None:
    """Whoever sends Unix seconds learns that milliseconds are meant."""
    [entry] = rejected(greeted().receive(readings_text(1, reading(time=NOW_MS / 1000))))
    assert entry.code == "older_than_retention"
    assert "not seconds" in entry.detail
