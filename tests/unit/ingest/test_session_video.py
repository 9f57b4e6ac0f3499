"""A session takes what a camera saw: colours as a message of the agreed encoding, pictures behind a header."""

import json
from typing import Any

import msgspec
import pytest

from ingest.admission import Limits
from ingest.effects import AdmitVideo, Pause
from ingest.encoding import MSGPACK
from ingest.session import DeviceSession
from schemas.topics import partition_of
from schemas.video import MAX_MESSAGE_BYTES
from tests.camera_messages import JPEG, records, trace, video
from tests.device_sessions import (
    BOOT,
    DEVICE,
    NOW_MS,
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


def say(session: DeviceSession, message: dict[str, Any]) -> list[Any]:
    """Hand a message to a session as JSON text."""
    return session.receive(json.dumps(message))


def packed() -> DeviceSession:
    """Return a session that speaks msgpack and has answered hello."""
    session = open_session(encoding=MSGPACK)
    session.receive(msgspec.msgpack.encode(json.loads(hello_text())))
    return session


def test_a_trace_becomes_one_record_of_its_wearer() -> None:
    """All of a trace lies in one record on its wearer's partition: who, when, and every colour."""
    effects = say(greeted(origin="replay", firmware="2"), trace(seq=5, background=[[1, 2, 3]] * 3, injected=True))
    [admit] = [effect for effect in effects if isinstance(effect, AdmitVideo)]
    assert (admit.kind, admit.partition, admit.seq) == ("trace", partition_of(WEARER), 5)
    [record] = records(effects)
    assert (record.wearer, record.boot, record.seq) == (WEARER.bytes, BOOT.bytes, 5)
    assert (record.device_number, record.stream_id) == (DEVICE.number, DEVICE.number * 256 + 3)
    assert (record.time_ms, record.received_ms, record.offsets_ms) == (NOW_MS, NOW_MS, [0, 33.4, 66.7])
    assert (record.origin, record.injected, record.firmware) == (1, True, "2")
    assert record.rgb == [(150.5, 110.25, 90), None, (151, 110, 90)]
    assert record.background == [(1, 2, 3)] * 3


@pytest.mark.parametrize("session", [greeted, packed], ids=["json", "msgpack"])
def test_pictures_are_taken_in_both_encodings(session: Any) -> None:
    """A binary message with pictures is the same whatever was agreed on; each picture is found by its size."""
    effects = session().receive(video(seq=3, times=[0, 40, 80]))
    [record] = records(effects)
    assert (record.kind, record.seq, record.frames) == ("jpeg", 3, [JPEG] * 3)


def test_a_trace_travels_in_msgpack() -> None:
    """A trace in msgpack is the record that the same in JSON is."""
    effects = packed().receive(msgspec.msgpack.encode(trace()))
    assert records(effects) == records(say(greeted(), trace()))


def test_video_takes_part_in_the_sequence_of_readings() -> None:
    """Acks wait for the topic that is slower: whatever lies before the acknowledged seq is durable."""
    session = greeted()
    assert acks(session.receive(readings_text(1, reading()))) == []
    assert acks(say(session, trace(seq=2))) == []
    assert acks(session.receive(video(seq=3))) == []
    assert acks(session.settled([2])) == []
    assert acks(session.settled([1])) == [2]
    assert acks(session.settled([3])) == [3]


def test_a_resend_is_taken_again() -> None:
    """A lower seq is a resend: it is made durable and acknowledged again."""
    session = greeted()
    say(session, trace(seq=1))
    session.settled([1])
    assert len(records(say(session, trace(seq=1)))) == 1
    assert acks(session.settled([1])) == [1]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"times": []}, (0, "times", "no_frames")),
        ({"times": list(range(65))}, (0, "times", "too_many_frames")),
        ({"times": [0, 0, 20]}, (1, "times", "not_rising")),
        ({"times": [0, 50, 40]}, (2, "times", "not_rising")),
        ({"times": [0, 5, 10]}, (2, "times", "too_fast")),
        ({"times": [0, -1, 10]}, (1, "times", "out_of_range")),
        ({"times": [0, 30, 60_001]}, (2, "times", "out_of_range")),
        ({"times": "now"}, (0, "times", "wrong_type")),
        ({"times": [0, True, 9]}, (1, "times", "wrong_type")),
        ({"time": "2026-11-21T08:00:00"}, (0, "time", "naive_time")),
        ({"time": "noon"}, (0, "time", "bad_time")),
        ({"time": None}, (0, "time", "bad_time")),
        ({"time": NOW_MS + 300_001}, (0, "time", "future_time")),
        ({"time": NOW_MS + 290_000, "times": [0, 30, 20_000]}, (0, "time", "future_time")),
        ({"time": NOW_MS - 366 * 86_400_000}, (0, "time", "older_than_retention")),
        ({"time": float("nan")}, (0, "time", "not_finite")),
        ({"injected": "yes"}, (0, "injected", "wrong_type")),
    ],
)  # fmt: skip
def test_frames_without_a_believable_time_are_refused_whole(fields: dict[str, Any], expected: Any) -> None:
    """Traces and pictures alike: the field and the frame are named, nothing is appended, the message is handled."""
    for effects in (say(greeted(), trace(**fields)), greeted().receive(video(**fields))):
        assert expected in codes(effects)
        assert records(effects) == []
        assert acks(effects) == [1]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"rgb": [[1, 2, 3]]}, (0, "rgb", "wrong_length")),
        ({"rgb": [[1, 2, 3], [1, 2], None]}, (1, "rgb", "wrong_type")),
        ({"rgb": [[1, 2, 256], None, None]}, (0, "rgb", "out_of_range")),
        ({"rgb": [None, [1, 2, float("inf")], None]}, (1, "rgb", "not_finite")),
        ({"rgb": None}, (0, "rgb", "wrong_type")),
    ],
)
def test_colours_that_are_none_are_refused_whole(fields: dict[str, Any], expected: Any) -> None:
    """A trace whose colours break a rule is not taken."""
    effects = say(greeted(), trace(**fields))
    assert codes(effects) == [expected]
    assert records(effects) == []


def test_a_trace_without_colours_is_refused() -> None:
    """What the protocol demands and is not there is named."""
    message = {name: value for name, value in trace().items() if name not in {"rgb", "times"}}
    assert codes(say(greeted(), message)) == [(0, "times", "missing"), (0, "rgb", "missing")]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"saturated": [0.1, 0.2, 1.5]}, "out_of_range"),
        ({"motion": [0.1]}, "wrong_length"),
        ({"background": [[1, 2, 3], None, "grey"]}, "wrong_type"),
        ({"motion": [float("nan"), None, None]}, "not_finite"),
    ],
)
def test_what_only_helps_to_judge_is_left_out_and_named(fields: dict[str, Any], code: str) -> None:
    """A bad column beside the colours is refused by name, and the colours are kept."""
    effects = say(greeted(), trace(**fields))
    [name] = fields
    assert [(field, found) for _, field, found in codes(effects)] == [(name, code)]
    [record] = records(effects)
    assert getattr(record, name) is None
    assert record.rgb is not None


def test_not_a_number_is_refused_in_msgpack_too() -> None:
    """Msgpack can spell NaN where JSON cannot: it is found among the colours all the same."""
    rgb = [[1.0, float("nan"), 3.0], None, None]
    effects = packed().receive(msgspec.msgpack.encode(trace(rgb=rgb)))
    assert [(field, code) for _, field, code in codes(effects)] == [("rgb", "not_finite")]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (video(body=JPEG * 2), (0, "sizes", "wrong_sum")),
        (video(body=JPEG * 4), (0, "sizes", "wrong_sum")),
        (video(sizes=[len(JPEG)]), (0, "sizes", "wrong_length")),
        (video(sizes=[0, 1, 2]), (0, "sizes", "out_of_range")),
        (video(sizes=...), (0, "sizes", "missing")),
        (video(encoding="png"), (0, "encoding", "bad_encoding")),
        (video(body=JPEG * 2 + b"\x00" * len(JPEG)), (2, "picture", "not_jpeg")),
    ],
)
def test_pictures_that_do_not_fit_their_header_are_refused_whole(message: bytes, expected: Any) -> None:
    """Sizes must add up to what follows the header, and each picture begins as a JPEG does."""
    effects = greeted().receive(message)
    assert codes(effects) == [expected]
    assert records(effects) == []
    assert acks(effects) == [1]


def test_unknown_fields_are_ignored() -> None:
    """A field that the protocol does not name changes nothing, in a trace or in a header."""
    for effects in (say(greeted(), trace(lens="wide")), greeted().receive(video(lens="wide"))):
        assert codes(effects) == []
        assert len(records(effects)) == 1


def test_a_refusal_tells_nothing_of_what_was_seen() -> None:
    """Details of refusals hold no colour and no byte of a picture."""
    effects = say(greeted(), trace(rgb=[[201.0625, 2, 900], None, None]))
    assert "201" not in str(effects)
    assert "900" not in str(effects)


@pytest.mark.parametrize("message", [json.dumps(trace()), video()], ids=["trace", "pictures"])
def test_hello_comes_before_any_video(message: str | bytes) -> None:
    """Frames of somebody who has not said hello close 4400."""
    assert closes(open_session().receive(message)) == [4400]


@pytest.mark.parametrize("message", [json.dumps(trace(seq=3)), video(seq=3)], ids=["trace", "pictures"])
def test_a_gap_before_video_closes(message: str | bytes) -> None:
    """Video takes part in the sequence: one left out closes 4400."""
    session = greeted()
    session.receive(readings_text(1, reading()))
    effects = session.receive(message)
    assert closes(effects) == [4400]
    assert [error.code for error in errors(effects)] == ["gap"]


def test_a_trace_is_not_sent_as_binary() -> None:
    """A binary message whose header says trace closes 4400: it is no message with pictures."""
    header = json.dumps(trace()).encode()
    assert closes(greeted().receive(len(header).to_bytes(4, "big") + header)) == [4400]


def test_only_pictures_may_be_larger_than_other_messages() -> None:
    """Two MiB of pictures are taken, a byte more closes 4413, and so does text of more than 256 KiB."""
    head = video(frames=1, sizes=[MAX_MESSAGE_BYTES - 150], body=b"")
    most = JPEG.ljust(MAX_MESSAGE_BYTES - 150, b"\0")
    assert len(records(greeted().receive(head + most))) == 1
    assert closes(greeted().receive(b"\0" * (MAX_MESSAGE_BYTES + 1))) == [4413]
    assert closes(greeted().receive("x" * 262_145)) == [4413]
    assert closes(packed().receive(b"\x81" * 262_145)) == [4413]


def test_frames_are_paid_for() -> None:
    """More frames than the allowance throttle, and a second later there is room again; readings are not slowed."""
    clock = ManualClock()
    session = greeted(clock, limits=Limits(frames_per_s=10, burst_s=1.0))
    assert throttles(say(session, trace(seq=1, times=list(range(0, 320, 32)), rgb=[None] * 10))) == []
    effects = say(session, trace(seq=2))
    assert throttles(effects) == [300]
    assert any(isinstance(effect, Pause) for effect in effects)
    assert len(records(effects)) == 1
    clock.now_s += 0.3
    assert throttles(session.receive(readings_text(3, reading()))) == []


def test_large_pictures_cost_more() -> None:
    """A picture counts as a frame for each 64 KiB, so that a device cannot send its allowance in posters."""
    session = greeted(limits=Limits(frames_per_s=10, burst_s=1.0))
    size = 1_048_576
    effects = session.receive(video(frames=1, sizes=[size], body=JPEG.ljust(size, b"\0")))
    assert throttles(effects) == [600]


def test_video_admits_no_readings() -> None:
    """What a camera saw makes no row of a reading in the gateway."""
    assert admitted(say(greeted(), trace())) == []
