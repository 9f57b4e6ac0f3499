"""Whatever a device says of where it is, it gets the truth, and nobody else gets its coordinates."""

import json

import h3.api.basic_int as h3
from hypothesis import given
from hypothesis import strategies as st

from ingest.columns import batch_of
from tests.device_sessions import NOW_MS, ManualClock, acks, admitted, codes, greeted, reading, readings_text

DEGREES = st.floats(-90, 90) | st.integers(-90, 90) | st.none()
ODD = st.floats() | st.booleans() | st.text(max_size=4) | st.integers() | st.lists(st.none(), max_size=2)
STEPS = st.lists(
    st.tuples(st.integers(0, 1_900), st.integers(-1_900, 310), DEGREES | ODD, DEGREES | ODD), min_size=1, max_size=8
)


@given(STEPS)
def test_a_reading_has_the_newest_place_that_was_taken_or_none(steps: list[tuple[int, int, object, object]]) -> None:
    """A model that keeps the newest acknowledged place for 30 min says the same cells, and all is acknowledged."""
    clock = ManualClock()
    session = greeted(clock)
    seq, now_s = 0, 0
    newest_s, cell, until_s = None, None, 0
    for passed_s, before_s, latitude, longitude in steps:
        now_s += passed_s
        clock.now_s = now_s
        at_s = now_s + before_s
        seq += 1
        place = {"latitude": latitude, "longitude": longitude}
        effects = session.receive(json.dumps({"type": "location", "seq": seq, "time": NOW_MS + at_s * 1000, **place}))
        assert acks(effects) == [seq]
        refused = codes(effects)
        if not refused and (newest_s is None or at_s >= newest_s):
            assert -1_800 <= before_s <= 300
            newest_s, until_s = at_s, now_s + 1_800
            cell = None if latitude is None else h3.latlng_to_cell(latitude, longitude, 8)
        seq += 1
        [admit] = admitted(session.receive(readings_text(seq, reading(time=NOW_MS + now_s * 1000))))
        told = newest_s is not None and now_s < until_s and abs(now_s - newest_s) <= 1_800
        assert batch_of([admit]).column("cell").to_pylist() == [cell if told else None]
        assert acks(session.settled([seq])) == [seq]


@given(st.floats(-90, 90), st.floats(-180, 180))
def test_every_place_of_the_globe_is_taken(latitude: float, longitude: float) -> None:
    """No pair of degrees within range is refused, and each gets a cell of resolution 8."""
    session = greeted()
    place = {"time": NOW_MS, "latitude": latitude, "longitude": longitude}
    assert codes(session.receive(json.dumps({"type": "location", "seq": 1, **place}))) == []
    [cell] = batch_of(admitted(session.receive(readings_text(2, reading())))).column("cell").to_pylist()
    assert h3.get_resolution(cell) == 8
