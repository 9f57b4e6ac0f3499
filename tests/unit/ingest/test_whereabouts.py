"""A place becomes a cell that is stamped on what follows for a while; its coordinates are nowhere afterwards."""

import json
from typing import Any

import h3.api.basic_int as h3
import msgspec
import pytest

from inference.zones.cells import SCANNED
from ingest.columns import batch_of
from ingest.effects import Effect
from ingest.encoding import MSGPACK
from ingest.session import DeviceSession
from schemas.device_protocol import Location
from schemas.frame import CELL_RESOLUTION
from tests.camera_messages import records, trace
from tests.device_sessions import (
    NOW_MS,
    ManualClock,
    acks,
    admitted,
    closes,
    codes,
    greeted,
    hello_text,
    open_session,
    reading,
    readings_text,
)

LATITUDE, LONGITUDE = 46.948123, 7.447321
CELL = h3.latlng_to_cell(LATITUDE, LONGITUDE, 8)
ELSEWHERE = h3.latlng_to_cell(46.5, 7.0, 8)
HALF_HOUR_S = 1_800


def location(seq: Any = 1, **fields: Any) -> str:
    """Return a location message of now; a field of ... is left out."""
    made = {
        "type": "location",
        "seq": seq,
        "time": NOW_MS,
        "latitude": LATITUDE,
        "longitude": LONGITUDE,
        **fields,
    }
    return json.dumps({name: value for name, value in made.items() if value is not ...})


def cells(effects: list[Effect]) -> list[int | None]:
    """Return the cell of each admitted reading as it goes into the log."""
    found: list[int | None] = batch_of(admitted(effects)).column("cell").to_pylist()
    return found


def after(session: DeviceSession, seq: int = 2, **fields: Any) -> int | None:
    """Return the cell that a reading gets now."""
    [cell] = cells(session.receive(readings_text(seq, reading(**fields))))
    return cell


def test_a_place_is_stamped_on_readings_and_video_that_follow() -> None:
    """Readings and traces after a location carry its cell of resolution 8, those before it none."""
    session = greeted()
    assert after(session, 1) is None
    assert acks(session.settled([1])) == [1]
    assert acks(session.receive(location(2))) == [2]
    assert after(session, 3) == CELL
    [record] = records(session.receive(json.dumps(trace(4))))
    assert record.cell == CELL


def test_cells_are_those_that_zones_scan() -> None:
    """Gateway and scan speak of the same resolution."""
    assert CELL_RESOLUTION == SCANNED == h3.get_resolution(CELL)


def test_a_place_waits_in_line() -> None:
    """It is acknowledged only when the readings before it are durable."""
    session = greeted()
    session.receive(readings_text(1, reading()))
    assert acks(session.receive(location(2))) == []
    assert acks(session.settled([1])) == [2]


def test_a_place_expires_after_thirty_minutes_of_the_gateways_clock() -> None:
    """Up to 30 min after its receipt it is stamped, then no more, whatever time the readings bear."""
    clock = ManualClock()
    session = greeted(clock)
    session.receive(location(1))
    clock.now_s = HALF_HOUR_S - 0.001
    assert after(session, 2) == CELL
    clock.now_s = HALF_HOUR_S
    assert after(session, 3) is None
    session.receive(location(4, time=NOW_MS + HALF_HOUR_S * 1000))
    assert after(session, 5, time=NOW_MS + HALF_HOUR_S * 1000) == CELL


def test_a_backlog_is_not_placed_where_the_device_is_now() -> None:
    """What was measured more than 30 min before or after the place has none; rows of one message differ."""
    session = greeted()
    session.receive(location(1, time=NOW_MS - 60_000))
    offsets_ms = (-1_860_000, -1_860_001, 0, 240_000)
    many = [reading(time=NOW_MS + offset) for offset in offsets_ms]
    assert cells(session.receive(readings_text(2, *many))) == [CELL, None, CELL, CELL]
    [record] = records(session.receive(json.dumps(trace(3, time=NOW_MS - 3_600_000))))
    assert record.cell is None


def test_a_connection_starts_without_a_place() -> None:
    """The session of a new connection knows nothing of the place that another was told."""
    session = greeted()
    session.receive(location(1))
    assert after(session, 2) == CELL
    assert after(greeted(), 2) is None


def test_a_device_takes_its_place_back() -> None:
    """Null and null end the stamping at once, and an older place that comes again changes nothing."""
    session = greeted()
    session.receive(location(1))
    effects = session.receive(location(2, time=NOW_MS + 1, latitude=None, longitude=None))
    assert (acks(effects), codes(effects)) == ([2], [])
    assert after(session, 3) is None
    assert acks(session.settled([3])) == [3]
    assert acks(session.receive(location(1))) == [3]
    assert after(session, 4) is None


def test_the_newest_place_counts() -> None:
    """A later place takes over; an earlier one that comes again is acknowledged and changes nothing."""
    session = greeted()
    session.receive(location(1))
    session.receive(location(2, time=NOW_MS + 1, latitude=46.5, longitude=7.0))
    assert acks(session.receive(location(1))) == [2]
    assert after(session, 3) == ELSEWHERE


@pytest.mark.parametrize(
    ("fields", "refused"),
    [
        ({"latitude": 90.001}, [("latitude", "out_of_range")]),
        ({"longitude": -181}, [("longitude", "out_of_range")]),
        ({"latitude": 10**400}, [("latitude", "out_of_range")]),
        ({"latitude": float("nan")}, [("latitude", "not_finite")]),
        ({"longitude": float("inf"), "latitude": True}, [("latitude", "wrong_type"), ("longitude", "not_finite")]),
        ({"latitude": "46.9"}, [("latitude", "wrong_type")]),
        ({"latitude": [46.9]}, [("latitude", "wrong_type")]),
        ({"latitude": None}, [("latitude", "wrong_type")]),
        ({"longitude": None}, [("longitude", "wrong_type")]),
        ({"latitude": ..., "time": ...}, [("time", "missing"), ("latitude", "missing")]),
        ({"longitude": ...}, [("longitude", "missing")]),
        ({"time": None}, [("time", "bad_time")]),
        ({"time": float("nan")}, [("time", "not_finite")]),
        ({"time": "2026-11-21T08:00:00"}, [("time", "naive_time")]),
        ({"time": NOW_MS + 300_001}, [("time", "future_time")]),
        ({"time": NOW_MS - 1_800_001}, [("time", "stale_time")]),
        ({"time": NOW_MS // 1000}, [("time", "older_than_retention")]),
    ],
)
def test_a_bad_place_is_refused_by_field_and_code(fields: dict[str, Any], refused: list[tuple[str, str]]) -> None:
    """A nack names what is wrong and no value, the message is handled, and the place of before stays."""
    session = greeted()
    session.receive(location(1, latitude=46.5, longitude=7.0))
    effects = session.receive(location(2, **fields))
    assert [(field, code) for _, field, code in codes(effects)] == refused
    assert acks(effects) == [2]
    assert "46.9" not in repr(effects)
    assert after(session, 3) == ELSEWHERE


def test_the_limits_of_the_globe_are_places() -> None:
    """Poles and the date line have a cell, and whole numbers are degrees too."""
    session = greeted()
    for seq, (latitude, longitude) in enumerate([(90, 180), (-90, -180), (0, 0), (-0.0, 180.0)], start=1):
        effects = session.receive(location(seq, time=NOW_MS + seq, latitude=latitude, longitude=longitude))
        assert (codes(effects), acks(effects)) == ([], [seq])
    assert after(session, 5) == h3.latlng_to_cell(0.0, 180.0, 8)


def test_a_slow_clock_is_corrected_before_a_place_is_called_old() -> None:
    """A device an hour behind tells its place by its own clock, and it is taken; one of its past is not."""
    session = greeted(clock=NOW_MS - 3_600_000)
    assert codes(session.receive(location(1, time=NOW_MS - 3_600_000))) == []
    assert after(session, 2, time=NOW_MS - 3_600_000) == CELL
    assert codes(session.receive(location(3, time=NOW_MS - 5_400_001))) == [(0, "time", "stale_time")]


def test_msgpack_says_the_same() -> None:
    """A place in msgpack is taken, and NaN in it is refused by its name."""
    session = open_session(encoding=MSGPACK)
    session.receive(msgspec.msgpack.encode(json.loads(hello_text())))
    assert acks(session.receive(msgspec.msgpack.encode(json.loads(location(1))))) == [1]
    bad = json.loads(location(2)) | {"latitude": float("nan")}
    assert codes(session.receive(msgspec.msgpack.encode(bad))) == [(0, "latitude", "not_finite")]
    assert cells(session.receive(msgspec.msgpack.encode(json.loads(readings_text(3, reading()))))) == [CELL]


def test_a_place_has_its_turn() -> None:
    """Before hello, without a usable seq, after a gap or behind a binary header it closes 4400."""
    assert closes(open_session().receive(location(1))) == [4400]
    assert closes(greeted().receive(location("1"))) == [4400]
    header = location(1).encode()
    assert closes(greeted().receive(len(header).to_bytes(4, "big") + header)) == [4400]
    session = greeted()
    session.receive(location(1))
    assert closes(session.receive(location(3))) == [4400]


def test_nothing_that_is_kept_or_printed_holds_a_coordinate() -> None:
    """Neither the message's own text, nor the session's state, nor what is admitted shows degrees."""
    session = greeted()
    session.receive(location(1))
    [admit] = admitted(session.receive(readings_text(2, reading())))
    message = msgspec.json.decode(location(1), type=Location)
    for told in (repr(message), str(message), repr(admit), repr(session.__dict__)):
        assert "46.94" not in told
        assert "7.447" not in told
