"""A real person's recording, however it is shuffled, split and doubled on its way, ends in the same rows and alerts.

Stress-Predict S06 (Iqbal et al., Sensors 2022) around its injected episode, through session, framing, vitals and care.
"""

import json
from collections.abc import Sequence
from functools import cache
from typing import Any, Final
from uuid import UUID

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from inference.recordings.e4 import read_e4
from ingest.client.replay import DEMO_FOLDER, DEMO_INJECTION, DEMO_PRESENT_S, DEMO_SPEED, ReplayPlan
from ingest.columns import batch_of
from schemas import frame
from stream_processors.families.care import decide
from stream_processors.families.vitals import VitalsFamily
from stream_processors.operators.care import Moment, Tracked
from stream_processors.operators.merge import merge_readings
from stream_processors.ports import CareBook
from tests.device_sessions import NOW_MS, admitted, greeted
from tests.vitals_frames import LoggedState

FIRST_S: Final = DEMO_INJECTION.start_s - 40
LAST_S: Final = DEMO_INJECTION.start_s + 200
FAMILY: Final = VitalsFamily()
MOST_LATE_S: Final = 2

Reading = dict[str, Any]
Arrival = tuple[int, list[list[Reading]]]
"""When records are appended (seconds after the slice's first), and the readings of each."""

quick = settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@cache
def slice_of_s06() -> list[Reading]:
    """Return the readings of the slice, whose last is measured now."""
    plan = ReplayPlan(
        recording=read_e4(DEMO_FOLDER),
        present_s=DEMO_PRESENT_S,
        speed=DEMO_SPEED,
        start_ms=NOW_MS + (DEMO_PRESENT_S - LAST_S) * 1000,
        injection=DEMO_INJECTION,
    )
    return [dict(reading) for reading in plan.readings(FIRST_S, LAST_S)]


def in_order() -> list[Arrival]:
    """Return one record a second, as the demo sends them."""
    return [(number, [[reading]]) for number, reading in enumerate(slice_of_s06())]


def disturbed(seed: int) -> list[Arrival]:
    """Return the same readings up to 2 s late, out of order, in messages of any size, and one in five of them twice."""
    random = np.random.default_rng(seed)
    later: list[list[Reading]] = [[] for _ in range(len(slice_of_s06()) + MOST_LATE_S)]
    for number, reading in enumerate(slice_of_s06()):
        for _ in range(1 + int(random.random() < 0.2)):
            later[number + int(random.integers(0, MOST_LATE_S + 1))].append(reading)
    arrivals = []
    for number, readings in enumerate(later):
        random.shuffle(readings)
        cuts = sorted(random.integers(0, len(readings) + 1, size=int(random.integers(0, 3))))
        parts = [part for part in np.split(np.arange(len(readings)), cuts) if len(part)]
        arrivals.append((number, [[readings[place] for place in part] for part in parts]))
    return arrivals


def records(arrivals: Sequence[Arrival]) -> list[tuple[int, bytes]]:
    """Return what the gateway makes of the messages: the frames, and when each is appended."""
    session, seq, made = greeted(), 0, []
    for second, messages in arrivals:
        append_ms = NOW_MS - (LAST_S - FIRST_S) * 1000 + second * 1000 + 2_100
        for readings in messages:
            seq += 1
            text = json.dumps({"type": "readings", "seq": seq, "readings": readings})
            (admit,) = admitted(session.receive(text))
            made.append((append_ms, frame.encode(batch_of([admit]))))
    return made


def play(made: Sequence[tuple[int, bytes]], *, cut: int | None = None) -> LoggedState:
    """Hand the frames to the vitals family, restored from its own snapshot before record `cut`; let all bins close."""
    log = LoggedState(FAMILY.open(0, None))
    for number, (append_ms, value) in enumerate(made):
        if number == cut:
            log.state = FAMILY.open(0, log.state.snapshot())
        log.append_bytes(append_ms, value)
    log.idle(made[-1][0] + 1_000, 20)
    return log


def rows_of(made: Sequence[tuple[int, bytes]]) -> list[dict[str, Any]]:
    """Return the rows that storage makes of the frames, without the number of the message that brought them."""
    merged = merge_readings([frame.decode(value) for _, value in made]).batch
    return [{name: value for name, value in row.items() if name != "seq"} for row in merged.to_pylist()]


def scores_of(log: LoggedState) -> dict[Any, dict[str, Any]]:
    """Return the scores by bin, without the count of arrivals, in which a repeat counts."""
    assert sum(row["late"] for row in log.rows) == 0
    return {row["bin"]: {name: value for name, value in row.items() if name != "backfill"} for row in log.rows}


def alerts_of(log: LoggedState) -> dict[UUID, tuple[Any, ...]]:
    """Return what care makes of the episodes: of each alert what no order of arrival may change."""
    known: dict[UUID, Tracked] = {}
    moment = Moment(now_ms=NOW_MS, generation=1)
    for episode in log.episodes:
        entries = decide([episode], CareBook(moment=moment, alerts=known, answered=(), early=()))
        known |= {tracked.alert.alert_id: tracked for tracked in entries.alerts}
    return {
        number: (tracked.alert.kind, tracked.alert.priority, tracked.alert.condition, tracked.alert.onset_ms)
        for number, tracked in known.items()
    }


def episodes_of(log: LoggedState) -> dict[UUID, tuple[Any, ...]]:
    """Return what each episode came to."""
    return {one.episode_id: (one.condition, one.onset_ms, one.tier, one.type, one.phase) for one in log.episodes}


@cache
def straight() -> tuple[list[dict[str, Any]], LoggedState]:
    """Return the rows and the log of the recording as it was."""
    made = records(in_order())
    return rows_of(made), play(made)


def test_the_slice_holds_an_alert() -> None:
    """The slice has a row a second, and its injected episode becomes an alert of the highest priority."""
    rows, log = straight()
    assert len(rows) == LAST_S - FIRST_S
    assert ("heart_rate.high", "high") in {alert[:2] for alert in alerts_of(log).values()}


@quick
@given(seed=st.integers(0, 10_000))
def test_no_disturbance_within_the_lateness_changes_anything(seed: int) -> None:
    """Shuffled inside 2 s, split and doubled, the recording gives the same rows, scores, episodes and alerts."""
    rows, log = straight()
    made = records(disturbed(seed))
    other = play(made)
    assert rows_of(made) == rows
    assert scores_of(other) == scores_of(log)
    assert episodes_of(other) == episodes_of(log)
    assert alerts_of(other) == alerts_of(log)


@quick
@given(seed=st.integers(0, 10_000), cut=st.floats(0, 1))
def test_a_replay_is_the_same_bit_for_bit(seed: int, cut: float) -> None:
    """The same log played again, through a snapshot at any record of it, emits the same bytes and ends in the same."""
    made = records(disturbed(seed))
    one, other = play(made), play(made, cut=int(cut * (len(made) - 1)))
    assert one.emissions == other.emissions
    assert one.state.snapshot() == other.state.snapshot()
