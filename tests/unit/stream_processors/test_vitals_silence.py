"""Whom the vitals family misses: a wearable that fell silent, never a camera or an entry that came to its end."""

from typing import Any

import pytest

from inference.slots import NEVER
from stream_processors.families.vitals import FORMAT, VitalsFamily
from stream_processors.operators.packing import pack_parts, unpack_parts
from tests.vitals_frames import T0_MS, LoggedState, beating, fresh, live, reading

pytestmark = pytest.mark.story

ADDED = ("awaited_ms", "source")
"""What the state of an earlier version does not hold."""


def measured(log: LoggedState, seconds: range, *, source: str, also: str = "", **columns: Any) -> None:
    """Append a record a second with a reading of one source, and of another if there is one."""
    for second in seconds:
        sources = [source, also] if also else [source]
        at = T0_MS + second * 1000
        log.append(at + 50, [reading(at, source=name, heart_rate=70.0, **columns) for name in sources])


def idle(log: LoggedState, seconds: range) -> None:
    """Append a heartbeat a second."""
    log.idle(T0_MS + seconds.start * 1000 + 50, len(seconds))


def told(log: LoggedState) -> list[tuple[str, float, list[str]]]:
    """Return phase, second since the begin, and the named sources of every change of `no_data`."""
    return [
        (change.phase, (change.decided_append_ms - T0_MS - 50) / 1000, change.evidence.sources)
        for change in log.episodes
        if change.condition == "no_data"
    ]


def earlier(log: LoggedState) -> LoggedState:
    """Return the log with the state that a version would have left which did not tell sources apart."""
    scalars, blobs, parts = unpack_parts(FORMAT, log.state.snapshot())
    silence = parts["silence"]
    parts["silence"] = {name: array for name, array in silence.items() if name not in ADDED}
    following = LoggedState(VitalsFamily().open(0, pack_parts(FORMAT, scalars, blobs, parts)))
    following.offset = log.offset
    return following


@pytest.mark.parametrize("source", ["rppg", "manual"])
def test_what_is_measured_once_is_not_missed(source: str) -> None:
    """After a camera or an entry has ended nobody is missed, however long nothing comes."""
    log = fresh()
    measured(log, range(30), source=source)
    idle(log, range(30, 400))
    assert log.episodes == []


@pytest.mark.parametrize("source", ["watch", "phone"])
def test_a_wearable_that_falls_silent_is_missed(source: str) -> None:
    """A minute after the last reading of a wearable the wearer is missed; no source is named where none is heard."""
    log = fresh()
    measured(log, range(30), source=source)
    idle(log, range(30, 200))
    assert told(log) == [("opened", 89, [])]
    assert log.episodes[0].reason == "No readings for 1 min."


def test_a_camera_does_not_put_off_that_a_watch_is_missed() -> None:
    """A watch that falls silent while a camera measures is missed as soon as without it, by name, until it is back."""
    log = fresh()
    measured(log, range(30), source="watch")
    measured(log, range(30, 120), source="rppg")
    idle(log, range(120, 300))
    measured(log, range(300, 303), source="watch")
    assert told(log) == [("opened", 89, ["watch"]), ("ended", 300, ["watch"])]
    assert log.episodes[0].reason == "No readings from the watch for 1 min."
    assert log.episodes[1].evidence.gap_s == 271


def test_a_camera_beside_a_watch_in_one_record_is_not_taken_for_it() -> None:
    """Rows of both sources in one record, the camera's newer, arm the watch by its own row."""
    log = fresh()
    at = T0_MS + 1_000
    log.append(at + 50, [reading(at - 500, heart_rate=70.0), reading(at, source="rppg", heart_rate=71.0, worn=False)])
    idle(log, range(2, 200))
    assert told(log) == [("opened", 61, [])]


def test_a_camera_after_a_watch_was_taken_off_makes_nobody_missed() -> None:
    """Who took the watch off and then measures by camera is not missed after it."""
    log = fresh()
    measured(log, range(30), source="watch")
    measured(log, range(30, 31), source="watch", worn=False)
    measured(log, range(31, 60), source="rppg")
    idle(log, range(60, 400))
    assert log.episodes == []


def test_a_camera_says_of_a_missed_watch_that_it_is_the_watch() -> None:
    """While a wearer is missed a camera ends nothing: once, the words come to name the watch; they stay so after it."""
    log = fresh()
    measured(log, range(30), source="watch")
    idle(log, range(30, 200))
    measured(log, range(200, 220), source="rppg")
    idle(log, range(220, 400))
    assert told(log) == [("opened", 89, []), ("updated", 200, ["watch"])]
    assert log.episodes[1].reason == "No readings from the watch for 2 min 51 s."
    assert log.episodes[1].episode_id == log.episodes[0].episode_id


def test_a_watch_that_goes_on_beside_a_camera_is_heard() -> None:
    """While a watch tells, before, beside and after a camera, nobody is missed."""
    log = fresh()
    measured(log, range(30), source="watch")
    measured(log, range(30, 120), source="rppg", also="watch")
    measured(log, range(120, 180), source="watch")
    assert log.episodes == []


def test_a_state_of_an_earlier_version_tells_wearables_by_their_streams() -> None:
    """Without the newer columns a wearer of a camera is not missed, and one of a watch is from its last reading on."""
    log = fresh()
    for second in range(60):
        at = T0_MS + second * 1000
        rows = [reading(at, wearer=0, source="rppg", heart_rate=70.0)]
        rows.append(reading(at, wearer=1, source="watch" if second < 30 else "rppg", heart_rate=70.0))
        log.append(at + 50, rows)
    following = earlier(log)
    awaited, before = (
        unpack_parts(FORMAT, one.state.snapshot())[2]["silence"]["awaited_ms"] for one in (following, log)
    )
    assert awaited.tolist() == [NEVER, before[1]]
    idle(following, range(60, 300))
    assert [change.phase for change in following.episodes] == ["opened"]
    assert told(following)[0][1] == 89


def test_what_an_earlier_version_told_of_a_camera_is_ended_by_its_next_reading() -> None:
    """An open `no_data` of a wearer whom no wearable measures ends with the next reading of any source."""
    log = fresh()
    measured(log, range(30), source="watch")
    idle(log, range(30, 120))
    scalars, blobs, parts = unpack_parts(FORMAT, log.state.snapshot())
    parts["roster"]["stream_id"] = parts["roster"]["stream_id"] // 256 * 256 + 3  # as if a camera had measured
    parts["silence"] = {name: array for name, array in parts["silence"].items() if name not in ADDED}
    following = LoggedState(VitalsFamily().open(0, pack_parts(FORMAT, scalars, blobs, parts)))
    measured(following, range(120, 150), source="rppg")
    idle(following, range(150, 300))
    assert [(phase, second) for phase, second, _ in told(following)] == [("ended", 120)]


def test_a_saved_state_goes_on_alike() -> None:
    """A state saved between the camera's readings and opened again tells the same as one that went on."""
    logs = []
    for saves in (False, True):
        log = fresh()
        live(log, 30, beating(70))
        measured(log, range(30, 60), source="rppg")
        if saves:
            log.state = VitalsFamily().open(0, log.state.snapshot())
        measured(log, range(60, 70), source="rppg")
        idle(log, range(70, 200))
        logs.append((log.emissions, log.state.snapshot()))
    assert logs[0] == logs[1]
