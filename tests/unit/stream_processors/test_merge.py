"""Merging keeps one row an identity and loses no measured value."""

import math
import time

import numpy as np
import pyarrow as pa
import pytest

from schemas.episodes import Episode, Evidence, Subject, episode_id
from schemas.frame import FRAME_SCHEMA, Frame
from schemas.zones import ZoneStatus
from stream_processors.operators.merge import merge_readings, merge_scores, newest_episodes, newest_statuses
from tests.made_frames import NOW_MS, readings, rows_of, scores, wearer


@pytest.mark.parametrize("split", [True, False])
def test_vitals_sent_apart_become_one_row(split: bool) -> None:  # noqa: FBT001
    """Heart rate and SpO2 of one instant become one row with both, from one frame or from two."""
    apart = [{"heart_rate": 61.0}, {"spo2": 97.0}]
    frames = [readings(apart[0]), readings(apart[1])] if split else [readings(*apart)]
    assert rows_of(merge_readings(frames), "heart_rate", "spo2") == [(61.0, 97.0)]


def test_the_first_value_wins() -> None:
    """Of two values for one vital the first in the log's order is kept, also where a null or NaN stands before it."""
    merged = merge_readings(
        [readings({"spo2": math.nan}), readings({"heart_rate": 61.0}), readings({"heart_rate": 70.0, "spo2": 95.0})]
    )
    assert rows_of(merged, "heart_rate", "spo2") == [(61.0, 95.0)]


def test_quality_worn_and_beats_merge_as_vitals_do() -> None:
    """Quality, worn, the HRV window, beats, cell and firmware each come from the first reading that tells them."""
    names = ("quality", "worn", "hrv_window_s", "ibi", "cell", "firmware", "utc_offset_min")
    first = {"quality": 0.5, "ibi": [800.0, 810.0], "cell": 7}
    second = {"quality": 0.75, "worn": False, "hrv_window_s": 60.0, "ibi": [1.0], "firmware": "2", "utc_offset_min": 60}
    merged = merge_readings([readings(first), readings(second)])
    assert rows_of(merged, *names) == [(0.5, False, 60.0, [800.0, 810.0], 7, "2", 60)]


def test_what_is_injected_in_part_stays_marked() -> None:
    """A row that took any part from an injected or simulated reading is marked so."""
    merged = merge_readings([readings({"heart_rate": 61.0}), readings({"spo2": 80.0, "injected": True, "origin": 2})])
    assert rows_of(merged, "origin", "injected") == [(2, True)]


def test_other_columns_come_from_the_first_reading() -> None:
    """Receipt, sequence and clock offset are those of the reading that came first in the log."""
    late = {"received": (NOW_MS + 9) * 1_000, "seq": 9, "clock_offset_ms": 9, "backfill": True}
    early = {"received": (NOW_MS + 1) * 1_000, "seq": 1, "clock_offset_ms": 1}
    merged = merge_readings([readings(early), readings(late)])
    assert rows_of(merged, "received", "seq", "clock_offset_ms", "backfill") == [((NOW_MS + 1) * 1_000, 1, 1, False)]


def test_other_wearers_streams_and_times_stay_apart() -> None:
    """Readings that differ in wearer, stream or time are different readings, sorted by wearer, time, stream."""
    rows = [
        {"wearer": 2, "heart_rate": 1.0},
        {"wearer": 1, "stream_id": 258, "heart_rate": 2.0},
        {"wearer": 1, "stream_id": 257, "heart_rate": 3.0},
        {"wearer": 1, "time": NOW_MS * 1_000 - 1_000, "heart_rate": 4.0},
    ]
    merged = merge_readings([readings(*rows[:2]), readings(*rows[2:])])
    assert rows_of(merged, "wearer", "heart_rate") == [
        (wearer(1).bytes, 4.0), (wearer(1).bytes, 3.0), (wearer(1).bytes, 2.0), (wearer(2).bytes, 1.0)
    ]  # fmt: skip


def test_ids_that_end_in_zero_bytes_are_told_apart() -> None:
    """Ids that differ only in trailing zero bytes are two wearers, and sort as their bytes do."""
    ids = [b"\x01" + bytes(15), b"\x01\x00\x01" + bytes(13), b"\x01" * 16]
    frame = readings(*({"wearer": n, "heart_rate": float(n)} for n in (2, 0, 1)))
    columns = {name: frame.batch.column(name) for name in FRAME_SCHEMA.names}
    index = pa.array([2, 0, 1], pa.int32())
    columns["wearer"] = pa.DictionaryArray.from_arrays(index, pa.array(ids, pa.binary(16)))
    made = Frame(pa.RecordBatch.from_arrays(list(columns.values()), schema=FRAME_SCHEMA))
    assert rows_of(merge_readings([made]), "wearer", "heart_rate") == [(ids[0], 0.0), (ids[1], 1.0), (ids[2], 2.0)]


def test_an_id_named_twice_in_a_dictionary_is_one_wearer() -> None:
    """A frame whose dictionary repeats an id still holds one wearer."""
    frame = readings({"heart_rate": 61.0}, {"spo2": 97.0})
    columns = {name: frame.batch.column(name) for name in FRAME_SCHEMA.names}
    twice = pa.array([wearer(1).bytes] * 2, pa.binary(16))
    columns["wearer"] = pa.DictionaryArray.from_arrays(pa.array([0, 1], pa.int32()), twice)
    made = Frame(pa.RecordBatch.from_arrays(list(columns.values()), schema=FRAME_SCHEMA))
    assert rows_of(merge_readings([made]), "heart_rate", "spo2") == [(61.0, 97.0)]


def test_nothing_merges_to_nothing() -> None:
    """No frames, and heartbeats alone, merge to a frame of no rows with every column."""
    assert merge_readings([]).rows == 0
    assert merge_readings([readings(), readings()]).batch.schema == FRAME_SCHEMA
    assert merge_scores([scores()]).rows == 0


def test_the_last_of_repeated_scores_is_kept() -> None:
    """Of scores for one wearer and bin the last in the log's order is kept whole."""
    merged = merge_scores(
        [scores({"score": 1.0, "z_spo2": 2.0}, {"wearer": 0, "score": 5.0}), scores({"score": 3.0}, {"bin": 0})]
    )
    assert rows_of(merged, "wearer", "bin", "score", "z_spo2") == [
        (wearer(0).bytes, NOW_MS * 1_000, 5.0, None), (wearer(1).bytes, 0, None, None),
        (wearer(1).bytes, NOW_MS * 1_000, 3.0, None),
    ]  # fmt: skip


def test_the_highest_revision_of_an_episode_is_kept() -> None:
    """Each writer's highest revision of an episode is kept, wherever it stands in the log."""
    made = [_episode(2, "vitals"), _episode(1, "vitals"), _episode(1, "care"), _episode(2, "vitals", reason="again")]
    kept = newest_episodes(made)
    assert [(one.writer, one.revision, one.reason) for one in kept] == [("care", 1, "seen"), ("vitals", 2, "seen")]


def test_merging_does_not_loop_over_readings() -> None:
    """Merging 200,000 readings of 1,000 identities takes under a second; a loop over readings takes several."""
    frame = readings(*({"time": number * 1_000, "heart_rate": 61.0} for number in range(1_000)))
    big = Frame(frame.batch.take(pa.array(np.arange(200_000) % 1_000)))
    began = time.perf_counter()
    assert merge_readings([big]).rows == 1_000
    assert time.perf_counter() - began < 1.0


def test_a_zone_has_one_status_a_bin() -> None:
    """Of each zone and bin the highest revision stays, in order of both."""
    made = [
        _status("b", 300_000, 1_000),
        _status("a", 300_000, 1_001),
        _status("a", 300_000, 1_000),
        _status("a", 0, 1),
    ]
    kept = newest_statuses(made)
    assert [(one.zone_id, one.bin_ms, one.revision) for one in kept] == [
        ("a", 0, 1),
        ("a", 300_000, 1_001),
        ("b", 300_000, 1_000),
    ]


def _status(zone_id: str, bin_ms: int, revision: int) -> ZoneStatus:
    return ZoneStatus(
        zone_id=zone_id,
        name=zone_id,
        version=1,
        revision=revision,
        bin_ms=bin_ms,
        state="ok",
        level="usual",
        coverage="good",
        recurrence="on most days",
    )


def _episode(revision: int, writer: str, *, reason: str = "seen") -> Episode:
    subject = Subject(wearer=wearer(1))
    return Episode(
        episode_id=episode_id(subject, "spo2.low", NOW_MS),
        subject=subject,
        condition="spo2.low",
        type="physiological",
        phase="opened",
        tier=3,
        writer=writer,
        revision=revision,
        pages=True,
        onset_ms=NOW_MS,
        changed_ms=NOW_MS,
        reason=reason,
        evidence=Evidence(vital="spo2"),
        decided_received_ms=NOW_MS,
        decided_append_ms=NOW_MS,
    )
