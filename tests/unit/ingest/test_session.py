"""The device session: messages in, effects out."""

import json
import struct
from typing import Any

import pytest

from ingest.admission import Limits
from ingest.effects import Admit, Close, Pause, Send
from schemas.device_protocol import NOT_BUILT_YET, Welcome
from tests.device_sessions import (
    BOOT,
    DEVICE,
    NOW_MS,
    SESSION,
    WEARER,
    ManualClock,
    acks,
    admitted,
    closes,
    codes,
    errors,
    greeted,
    hello_text,
    open_session,
    reading,
    readings_text,
    rejected,
    throttles,
    values,
)


def test_hello_is_welcomed_with_wearer_and_limits() -> None:
    """Hello is answered with the session, the token's wearer, the limits and the server's time."""
    effects = open_session().receive(hello_text())
    assert len(effects) == 1
    assert isinstance(effects[0], Send)
    welcome = effects[0].answer
    assert isinstance(welcome, Welcome)
    assert (welcome.session, welcome.wearer, welcome.acked, welcome.server_time) == (SESSION, WEARER, 0, NOW_MS)
    assert welcome.limits["readings_per_message"] == 500


@pytest.mark.parametrize(("boot", "acked"), [(BOOT, 41), (DEVICE.device_id, 0)])
def test_welcome_hints_at_what_the_same_boot_had_acknowledged(boot: Any, acked: int) -> None:
    """The hint is the previous connection's last ack if the boot is the same, else 0."""
    effects = open_session(resume=(boot, 41)).receive(hello_text())
    assert isinstance(effects[0], Send)
    assert isinstance(effects[0].answer, Welcome)
    assert effects[0].answer.acked == acked


def test_a_device_that_says_nothing_is_closed_after_ten_seconds() -> None:
    """Without hello the session closes 4408 at 10 s and not before."""
    clock = ManualClock()
    session = open_session(clock)
    clock.now_s = 9.9
    assert session.hello_overdue() == []
    clock.now_s = 10.0
    assert closes(session.hello_overdue()) == [4408]


def test_a_device_that_said_hello_is_not_overdue() -> None:
    """After hello nothing is overdue."""
    clock = ManualClock()
    session = greeted(clock)
    clock.now_s = 100.0
    assert session.hello_overdue() == []


def test_a_second_hello_is_an_error_and_changes_nothing() -> None:
    """Hello said twice is answered with an error and the connection goes on."""
    session = greeted()
    assert [error.code for error in errors(session.receive(hello_text(origin="replay")))] == ["already_greeted"]
    assert admitted(session.receive(readings_text(1, reading())))[0].provenance.origin == 0


@pytest.mark.parametrize(
    "fields",
    [{"boot": "x"}, {"clock": "2026-11-21T08:00:00"}, {"clock": None}, {"origin": "made up"}, {"clock": float("nan")},
     {"firmware": "\ud800"}, {"model": 3}],
)  # fmt: skip
def test_a_bad_hello_is_named_and_closed(fields: dict[str, Any]) -> None:
    """A hello that breaks the contract gets an error and 4400."""
    effects = open_session().receive(hello_text(**fields))
    assert [error.code for error in errors(effects)] == ["bad_hello"]
    assert closes(effects) == [4400]


@pytest.mark.parametrize(
    "text", [readings_text(1, reading()), '{"type":"event","seq":1}', readings_text(1, *[reading()] * 501)]
)
def test_nothing_with_a_seq_comes_before_hello(text: str) -> None:
    """A message of the sequence before hello closes 4400."""
    assert closes(open_session().receive(text)) == [4400]


def test_an_ack_waits_until_the_message_is_durable() -> None:
    """A good message is answered with nothing until it is settled, then with its ack."""
    session = greeted()
    effects = session.receive(readings_text(5, reading()))
    assert [type(effect) for effect in effects] == [Admit]
    assert acks(session.settled([5])) == [5]


def test_acks_are_cumulative() -> None:
    """What is settled out of order is acknowledged only when everything before it is settled."""
    session = greeted()
    for seq in (1, 2, 3):
        session.receive(readings_text(seq, reading()))
    assert acks(session.settled([3, 2])) == []
    assert acks(session.settled([1])) == [3]


def test_one_settling_of_many_messages_is_one_ack() -> None:
    """Many messages that settle together are acknowledged once."""
    session = greeted()
    for seq in range(1, 11):
        session.receive(readings_text(seq, reading()))
    assert acks(session.settled(range(1, 11))) == [10]


def test_a_lower_seq_is_a_resend_and_handled_again() -> None:
    """A resend is admitted again and acknowledged again when it is durable."""
    session = greeted()
    session.receive(readings_text(1, reading()))
    session.settled([1])
    assert len(admitted(session.receive(readings_text(1, reading())))) == 1
    assert acks(session.settled([1])) == [1]


def test_no_ack_passes_a_resend_that_is_not_durable() -> None:
    """While a resend is on its way nothing is acknowledged, even what came after it and is durable."""
    session = greeted()
    for seq in (1, 2, 1):
        session.receive(readings_text(seq, reading()))
    assert acks(session.settled([2])) == []
    assert acks(session.settled([1])) == []
    assert acks(session.settled([1])) == [2]


def test_a_gap_closes_and_names_the_expected_seq() -> None:
    """A seq that leaves a gap is admitted in no part and closes 4400, naming what was expected."""
    session = greeted()
    session.receive(readings_text(1, reading()))
    effects = session.receive(readings_text(3, reading()))
    assert admitted(effects) == []
    assert closes(effects) == [4400]
    assert "expected seq 2" in errors(effects)[0].detail
    assert any(isinstance(effect, Close) and "expected seq 2" in effect.reason for effect in effects)


def test_nothing_is_handled_after_a_close() -> None:
    """A closed session ignores messages and says no acks."""
    session = greeted()
    session.receive(readings_text(1, reading()))
    session.receive("not JSON")
    assert session.receive(readings_text(2, reading())) == []
    assert session.settled([1]) == []


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


@pytest.mark.parametrize(("clock", "offset_ms", "correction_ms"), [
    (NOW_MS, 0, 0), (NOW_MS - 5_000, 5_000, 0), (NOW_MS - 5_001, 5_001, 5_001),
    (NOW_MS + 86_400_000, -86_400_000, -86_400_000), (NOW_MS - 2**31 + 1, 2**31 - 1, 2**31 - 1),
])  # fmt: skip
def test_the_clock_offset_is_server_minus_device(clock: int, offset_ms: int, correction_ms: int) -> None:
    """Offsets over 5 s correct the device's times."""
    month_ago_ms = NOW_MS - 30 * 86_400_000
    provenance = admitted(greeted(clock=clock).receive(readings_text(1, reading(time=month_ago_ms))))[0].provenance
    assert (provenance.clock_offset_ms, provenance.correction_ms) == (offset_ms, correction_ms)


@pytest.mark.parametrize(
    ("behind_s", "offset_ms"), [(0, 0), (9, 0), (10, 0), (11, 11_000), (600, 600_000), (-60, -60_000)]
)
def test_a_hello_that_waited_unread_is_no_slow_clock(behind_s: int, offset_ms: int) -> None:
    """Where the wait since the connection was accepted explains what a clock seems behind, it counts as right."""
    clock = ManualClock()
    session = open_session(clock)
    clock.now_s = 10.0
    session.receive(hello_text(clock=NOW_MS + 10_000 - behind_s * 1000))
    (admit,) = admitted(session.receive(readings_text(1, reading(time=NOW_MS - 3_600_000))))
    assert admit.provenance.clock_offset_ms == offset_ms


@pytest.mark.parametrize("clock", [0, NOW_MS - 2**31, NOW_MS + 2**31])
def test_a_clock_that_cannot_be_corrected_is_refused(clock: int) -> None:
    """A clock more than 24 days off is refused at the hello: no time is corrected by half, none is refused for good."""
    effects = open_session().receive(hello_text(clock=clock))
    assert [type(effect) for effect in effects] == [Send, Close]
    assert "days off, set it" in str(effects[0])


def test_a_time_is_future_by_the_corrected_clock() -> None:
    """A device whose clock is an hour ahead may send its own present, not what is 5 min beyond it."""
    hour_ms = 3_600_000
    session = greeted(clock=NOW_MS + hour_ms)
    effects = session.receive(
        readings_text(1, reading(time=NOW_MS + hour_ms), reading(time=NOW_MS + hour_ms + 300_001))
    )
    assert codes(effects) == [(1, "time", "future_time")]


def test_provenance_comes_from_the_token_and_hello() -> None:
    """Wearer and device number are the token's whatever a frame says; boot, origin and firmware are hello's."""
    session = greeted(origin="simulated", firmware="f" * 100)
    text = json.dumps({"type": "readings", "seq": 1, "wearer": "someone else", "readings": [reading()]})
    provenance = admitted(session.receive(text))[0].provenance
    assert (provenance.wearer, provenance.device_number, provenance.boot) == (WEARER.bytes, 7, BOOT.bytes)
    assert (provenance.origin, provenance.firmware) == (2, "f" * 64)


def test_a_device_over_its_rate_is_throttled_and_paused() -> None:
    """After its burst a device is told to wait as long as it owes, and its message is still admitted."""
    session = greeted(limits=Limits(messages_per_s=10, burst_s=1))
    effects = [session.receive(readings_text(seq, reading())) for seq in range(1, 11)]
    assert throttles(effects[8]) == []
    assert throttles(effects[9]) == [100]
    assert Pause(0.1) in effects[9]
    assert len(admitted(effects[9])) == 1


def test_a_device_that_never_rests_is_closed() -> None:
    """A device that is throttled again and again for 30 s is closed 4429."""
    clock = ManualClock()
    session = greeted(clock, limits=Limits(messages_per_s=10, burst_s=1))
    seq = 0
    closed: list[int] = []
    while not closed and clock.now_s < 60:
        seq += 1
        effects = session.receive(readings_text(seq, reading()))
        clock.now_s += sum(throttles(effects)) / 1000
        closed = closes(effects)
    assert closed == [4429]
    assert 30 <= clock.now_s <= 31


def test_the_session_tells_a_device_what_it_measured_against() -> None:
    """The detail of an out-of-range vital gives the range and its unit."""
    (entry,) = rejected(greeted().receive(readings_text(1, reading(heart_rate=500, spo2=98))))
    assert entry.detail == "20 to 250 /min"


@pytest.mark.parametrize(("firmware", "kept"), [("1.2\0beta", "1.2beta"), ("\0", None), ("", None)])
def test_firmware_is_kept_without_what_the_database_cannot_hold(firmware: str, kept: str | None) -> None:
    """A NUL in one device's firmware would set the whole frame aside, its neighbours' readings with it."""
    effects = greeted(firmware=firmware).receive(readings_text(1, reading()))
    assert [effect.provenance.firmware for effect in effects if isinstance(effect, Admit)] == [kept]


@pytest.mark.parametrize(
    ("fields", "told"),
    [({"clock": "2026-11-21T08:00:00"}, "offset"), ({"boot": None}, "UUID"), ({"origin": "x"}, "replay")],
)
def test_a_bad_hello_is_told_in_the_protocols_words(fields: dict[str, Any], told: str) -> None:
    """The detail says what the field must be, not how this program is made."""
    [error] = errors(open_session().receive(hello_text(**fields)))
    assert told in error.detail
    assert "$" not in error.detail


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
