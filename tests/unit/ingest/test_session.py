"""The device session: hello, the order of messages and their acks, clocks and rates."""

import json
from typing import Any

import pytest

from ingest.acks import ACK_SPACING_S
from ingest.admission import Limits
from ingest.effects import Admit, Close, Pause, Send
from schemas.device_protocol import Welcome
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
    throttles,
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


def test_a_device_that_sends_on_is_told_ten_times_a_second() -> None:
    """While more is on its way, an ack within a tenth of a second of the last one is left to the next."""
    clock = ManualClock()
    session = greeted(clock)
    told: list[int] = []
    for seq in range(1, 101):
        session.receive(readings_text(seq, reading()))
        if seq > 1:
            told += acks(session.settled([seq - 1]))
        clock.now_s += 0.06
    assert told == [*range(1, 100, 2)]
    assert acks(session.settled([100])) == [100]


def test_a_device_that_waits_for_each_ack_is_told_at_once() -> None:
    """Where nothing else is on its way no ack is held back, however soon it follows the last."""
    session = greeted(ManualClock())
    for seq in range(1, 11):
        session.receive(readings_text(seq, reading()))
        assert acks(session.settled([seq])) == [seq]


def test_what_is_withheld_is_said_in_time_and_once() -> None:
    """An ack that was withheld is due a tenth of a second after the last; one that another said is not said again."""
    clock = ManualClock()
    session = greeted(clock)
    for seq in (1, 2, 3, 4):
        session.receive(readings_text(seq, reading()))
    assert acks(session.settled([1])) == [1]
    assert session.overdue_in_s() is None
    assert acks(session.settled([2])) == []
    clock.now_s += 0.04
    assert acks(session.overdue()) == []
    assert session.overdue_in_s() == pytest.approx(ACK_SPACING_S - 0.04)
    clock.now_s += ACK_SPACING_S - 0.04
    assert acks(session.overdue()) == [2]
    assert session.overdue_in_s() is None
    assert acks(session.settled([3])) == []
    assert acks(session.settled([4])) == [4]
    assert acks(session.overdue()) == []


def test_a_resend_that_was_withheld_is_said_with_what_settles_next() -> None:
    """A resend's ack is withheld like any other, and is not lost when what comes next is not durable yet."""
    clock = ManualClock()
    session = greeted(clock)
    for seq in (1, 2, 3):
        session.receive(readings_text(seq, reading()))
    assert acks(session.settled([1])) == [1]
    session.receive(readings_text(1, reading()))
    assert acks(session.settled([1])) == []
    clock.now_s += 1.0
    assert acks(session.settled([3])) == [1]


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
