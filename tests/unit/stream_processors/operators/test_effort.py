"""What a record leaves to be done is known before it is done: by its bins, minutes and episodes, not by its bytes."""

from collections.abc import Sequence
from typing import Any, Final

import pytest

from schemas import frame
from schemas.topics import READINGS
from stream_processors.families.vitals import VitalsFamily, VitalsState
from stream_processors.hosts.lane import ON_LOOP_MOST_MS
from stream_processors.ports import Record
from tests.made_model import detector
from tests.vitals_frames import T0_MS, batch, reading

WEARERS: Final = 1_000


def opened() -> VitalsState:
    """Return the state of a new partition, under a made-up anomaly model."""
    return VitalsFamily(detector).open(0, None)


def record(append_ms: int, readings: Sequence[dict[str, Any]] = ()) -> Record:
    """Return a record, a heartbeat without readings."""
    value = frame.encode(batch(readings)) if readings else frame.heartbeat()
    return Record(topic=READINGS.name, partition=0, offset=0, append_ms=append_ms, key=None, value=value)


def foreseen(state: VitalsState, append_ms: int, readings: Sequence[dict[str, Any]] = ()) -> float:
    """Return what the state says of one more record, and let it do that."""
    told_ms = state.begin(record(append_ms, readings))
    state.finish()
    return told_ms


def second(at: int, wearers: int) -> list[dict[str, Any]]:
    """Return a reading of each wearer."""
    return [reading(T0_MS + at * 1000, wearer=wearer, heart_rate=70.0 + at % 5) for wearer in range(wearers)]


def told(wearers: int, *, silent: bool) -> list[float]:
    """Return what is said of a hundred seconds, after 12 s of readings of so many wearers."""
    state = opened()
    for at in range(12):
        foreseen(state, T0_MS + at * 1000 + 50, second(at, wearers))
    return [foreseen(state, T0_MS + at * 1000 + 50, [] if silent else second(at, wearers)) for at in range(12, 112)]


def test_a_few_live_wearers_are_little_work() -> None:
    """No second of ten wearers is said to take long, whether their bins close in it or their minutes end."""
    said = told(10, silent=False)
    assert 0.0 < max(said) <= ON_LOOP_MOST_MS


def test_heartbeats_after_which_many_fell_silent_are_long_work() -> None:
    """Twice or more an empty record is much: as all bins close, as all minutes end, as all are said to be missed."""
    assert sum(one > ON_LOOP_MOST_MS for one in told(WEARERS, silent=True)) >= 3
    assert max(told(10, silent=True)) <= ON_LOOP_MOST_MS


@pytest.mark.parametrize("every_s", [5, 60])
def test_a_backlog_of_one_wearer_is_long_work_however_few_its_bytes(every_s: int) -> None:
    """Forty minutes of one wearer are judged one after the other, be it with twelve readings a minute or with one."""
    times = range(T0_MS - 2_400_000, T0_MS, every_s * 1000)
    told_ms = foreseen(opened(), T0_MS, [reading(time, heart_rate=70.0 + time // 1000 % 7) for time in times])
    assert told_ms > 10 * ON_LOOP_MOST_MS


def test_a_long_pause_is_no_work() -> None:
    """Of a wearer who comes back after a day, no more minutes are counted than end: one."""
    state = opened()
    for at in range(12):
        foreseen(state, T0_MS + at * 1000, second(at, 1))
    assert foreseen(state, T0_MS + 86_400_000, second(86_400, 1)) <= 2 * ON_LOOP_MOST_MS


def test_a_look_at_who_is_forgotten_is_long_work(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a partition has more wearers than it looked at last, the whole state may be written anew."""
    monkeypatch.setattr("stream_processors.families.vitals.LOOK_AT", WEARERS - 1)
    state = opened()
    assert foreseen(state, T0_MS, second(0, WEARERS)) > ON_LOOP_MOST_MS
