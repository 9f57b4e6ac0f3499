"""The vitals family from readings to the rows of a wearer's bins: which reading counts, and when a bin closes."""

import pytest

from tests.vitals_frames import T0_MS, beating, fresh, live, physiological, reading, still, wearer_id

pytestmark = pytest.mark.story


def test_beats_become_rmssd_where_the_device_tells_none() -> None:
    """Five minutes of beats give the wearer's bins an RMSSD once a minute, and none where their quality is low."""
    log = fresh()
    for second in range(420):
        at = T0_MS + second * 1000
        beats = [800.0 + 20.0 * (second % 2)]
        rows = [reading(at, heart_rate=74.0, quality=0.9, ibi=beats)]
        log.append(at + 50, [*rows, reading(at, wearer=1, heart_rate=74.0, quality=0.2, ibi=beats)])
    told = [(row["wearer"], row["value_hrv_rmssd"]) for row in log.rows if row["value_hrv_rmssd"] is not None]
    assert {wearer for wearer, _ in told} == {wearer_id(0).bytes}
    assert 1 <= len(told) <= 7
    assert told[-1][1] == pytest.approx(20.0, abs=1.0)


def test_late_readings_are_counted_and_not_scored() -> None:
    """A reading for a closed bin leaves that bin as it was and is counted once with the wearer's next row."""
    log = fresh()
    live(log, 30, beating(70))
    log.append(T0_MS + 30_000, [reading(T0_MS + 2_500, heart_rate=200.0, boot=b"x" * 16)])
    live(log, 10, beating(70), start=31)
    assert sum(row["late"] for row in log.rows) == 1
    assert all(row["value_heart_rate"] < 80 for row in log.rows)
    assert log.rows[0]["readings"] == 5


def test_readings_of_one_identity_merge_within_the_bin() -> None:
    """Of each vital the first value that is known counts, and the identity counts once."""
    log = fresh()
    log.append(T0_MS + 10, [reading(T0_MS, heart_rate=60.0)])
    log.append(T0_MS + 20, [reading(T0_MS, heart_rate=90.0, spo2=97.0)])
    log.append(T0_MS + 8_000, [reading(T0_MS + 7_500, heart_rate=70.0)])
    row = log.rows[0]
    assert (row["readings"], row["value_heart_rate"], row["value_spo2"]) == (1, 60.0, 97.0)


def test_of_two_sources_the_better_quality_counts() -> None:
    """A wearer's bin takes each vital from the source of the highest quality that has one."""
    log = fresh()
    rows = [
        reading(T0_MS, heart_rate=60.0, quality=0.6, spo2=95.0),
        reading(T0_MS, source="phone", heart_rate=80.0, quality=0.9),
    ]
    log.append(T0_MS + 10, rows)
    log.append(T0_MS + 8_000, [reading(T0_MS + 7_500, source=source, heart_rate=70.0) for source in ("watch", "phone")])
    row = log.rows[0]
    assert (row["value_heart_rate"], row["value_spo2"], row["readings"]) == (80.0, 95.0, 2)


def test_a_live_stream_that_lags_holds_the_bin_open() -> None:
    """The wearer's bin waits for a live phone that is 5 s behind the watch, and takes its reading."""
    log = fresh()
    for second in range(30):
        at = T0_MS + second * 1000
        log.append(at + 50, [reading(at, heart_rate=70.0), reading(at - 5_000, source="phone", spo2=97.0)])
    assert len(log.rows) == 4 + 1
    assert all(row["late"] == 0 for row in log.rows)
    assert log.rows[1]["value_spo2"] == 97.0


def test_bins_of_a_silent_wearer_close() -> None:
    """With no live stream left, the last bin closes by observed time."""
    log = fresh()
    live(log, 8, beating(70))
    log.idle(T0_MS + 8_050, 20)
    assert [row["readings"] for row in log.rows] == [5, 3]


def test_a_backlog_is_scored_in_order_as_history() -> None:
    """Ten minutes of backlog in a few messages give every bin, and an episode that calls nobody as it is old."""
    log = fresh()
    hour = 3_600_000
    past = [reading(T0_MS - hour + second * 1000, backfill=True, **still(185.0 + second % 7)) for second in range(600)]
    for number in range(6):
        log.append(T0_MS + number * 40, past[number * 100 : number * 100 + 100])
    assert len(log.rows) == 119
    assert [row["bin"] for row in log.rows] == sorted(row["bin"] for row in log.rows)
    opened = physiological(log)[0]
    assert (opened.phase, opened.pages) == ("opened", False)
    assert sum(row["backfill"] for row in log.rows) == 600


def test_a_silent_partition_carries_the_clock() -> None:
    """A heartbeat a second in gives an empty frame of scores a second."""
    log = fresh()
    steps = [log.append(T0_MS + number * 500) for number in range(9)]
    assert [len(step.emissions) for step in steps] == [1, 0, 1, 0, 1, 0, 1, 0, 1]


def test_receipts_of_the_record_are_returned() -> None:
    """A step names when the gateway received what is now processed."""
    log = fresh()
    step = log.append(T0_MS + 50, [reading(T0_MS), reading(T0_MS + 1)])
    assert step.received_ms.tolist() == [T0_MS, T0_MS + 1]
