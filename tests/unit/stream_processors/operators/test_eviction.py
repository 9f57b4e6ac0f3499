"""Wearers of whom the log tells nothing for long are forgotten; who stays is judged as if nobody had been."""

from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from stream_processors.families import vitals
from stream_processors.families.vitals import VitalsFamily
from stream_processors.operators import eviction
from stream_processors.ports import PartitionState
from tests.made_model import detector
from tests.vitals_frames import T0_MS, LoggedState, reading, wearer_id

pytestmark = pytest.mark.story

FAMILY = VitalsFamily()
MODEL = VitalsFamily(detector)
FAMILIES = pytest.mark.parametrize("family", [FAMILY, MODEL], ids=["resting rate", "model"])
GONE, STAY, NEW = range(6), range(6, 10), range(10, 24)
SILENT_S = 300
"""Longer than `FORGET_MS` is in these tests."""
END_S = 60 + SILENT_S + 180
EVERY_S = 2
"""The longest step of the log that counts in full as observed time."""


def story(log: LoggedState, *, seconds: range) -> LoggedState:
    """Append a second in two: all are heard for a minute, `STAY` always, `NEW` at last, with racing hearts."""
    for second in seconds:
        late = second >= 60 + SILENT_S
        people = [*GONE, *STAY] if second < 60 else [*STAY, *NEW] if late else [*STAY]
        at, rate = T0_MS + second * 1_000, 190.0 if late else 60.0
        given: dict[str, Any] = {"motion": 0.01, "ibi": [60_000 / rate + second % 20] * 2}
        rows = [reading(at, wearer=one, heart_rate=rate + (one + second // EVERY_S) % 5, **given) for one in people]
        log.append(at + 50, rows)
    return log


@cache
def whole_run(family: VitalsFamily) -> LoggedState:
    """Return the whole story of a family that forgets early, which tests only look at."""
    return story(LoggedState(family.open(0, None)), seconds=range(0, END_S, EVERY_S))


def known(state: PartitionState) -> set[bytes]:
    """Return the ids that a state holds."""
    return set(state._roster.ids)  # type: ignore[attr-defined]


def rows_of(log: LoggedState, wearers: range) -> list[dict[str, Any]]:
    """Return the rows of some wearers."""
    ids = {wearer_id(one).bytes for one in wearers}
    return [row for row in log.rows if row["wearer"] in ids]


def hasten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let four minutes stand for thirty days, and few wearers for many."""
    monkeypatch.setattr(vitals, "LOOK_AT", 8)
    monkeypatch.setattr(eviction, "FORGET_MS", 240_000)


@pytest.fixture
def early(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for whom to forget among few wearers already, and after four minutes."""
    hasten(monkeypatch)


@pytest.mark.usefixtures("early")
def test_who_was_not_heard_for_long_is_forgotten() -> None:
    """State, slots and the episode `no_data` of the silent go; who is heard, or has an open episode, stays."""
    log = whole_run(FAMILY)
    assert known(log.state) == {wearer_id(one).bytes for one in [*STAY, *NEW]}
    ended = [change for change in log.episodes if change.condition == "no_data" and change.end_reason == "data_ended"]
    assert {change.subject.wearer for change in ended} == {wearer_id(one) for one in GONE}
    assert "no longer waited for" in ended[0].reason


@FAMILIES
def test_who_stays_is_judged_as_if_nobody_had_been_forgotten(
    monkeypatch: pytest.MonkeyPatch, family: VitalsFamily
) -> None:
    """Scores and episodes of those who stay are the same, whether others were forgotten or not."""
    whole = story(LoggedState(family.open(0, None)), seconds=range(0, END_S, EVERY_S))
    hasten(monkeypatch)
    less = whole_run(family)
    assert len(known(less.state)) < len(known(whole.state))
    assert rows_of(less, range(6, 24)) == rows_of(whole, range(6, 24))
    ids = {wearer_id(one) for one in [*STAY, *NEW]}
    mine = [[change for change in log.episodes if change.subject.wearer in ids] for log in (less, whole)]
    assert mine[0]
    assert mine[0] == mine[1]


@pytest.mark.usefixtures("early")
@FAMILIES
def test_a_restart_forgets_at_the_same_record(family: VitalsFamily) -> None:
    """A state that is saved before and again after somebody was forgotten goes on to the same bytes."""
    whole, log = whole_run(family), LoggedState(family.open(0, None))
    for start, end in pairwise((0, 200, END_S - 100, END_S)):
        log.state = family.open(0, log.state.snapshot())
        story(log, seconds=range(start, end, EVERY_S))
    assert log.state.snapshot() == whole.state.snapshot()
    assert log.emissions == whole.emissions


@pytest.mark.usefixtures("early")
def test_who_returns_is_new() -> None:
    """A forgotten wearer who is heard again gets bins and scores like anybody who is heard for the first time."""
    log = LoggedState(FAMILY.open(0, whole_run(FAMILY).state.snapshot()))
    at = T0_MS + END_S * 1_000
    for second in range(0, 20, 2):
        log.append(at + second * 1_000 + 50, [reading(at + second * 1_000, wearer=0, heart_rate=70.0)])
    assert rows_of(log, GONE)
    assert wearer_id(0).bytes in known(log.state)
