"""Watermarks and the closing of bins, where the general property is unlikely to reach."""

from stream_processors.families.vitals import VitalsFamily
from tests.vitals_frames import T0_MS, LoggedState, reading


def behind_everybody() -> LoggedState:
    """Return a log where a source 11 s behind went on for 5 s after both live streams had died."""
    log = LoggedState(VitalsFamily().open(0, None))
    at = T0_MS + 100_000
    log.append(at, [reading(at, heart_rate=70.0), reading(at - 9_000, source="phone", heart_rate=71.0)])
    for second in range(1, 16):
        manual = reading(at - 11_000 + second, source="manual", heart_rate=72.0)
        log.append(at + second * 1_000, [manual])
    return log


def test_without_a_live_stream_a_bin_waits_two_seconds_for_more() -> None:
    """A bin that still gets readings stays open until 2 s of observed time after the last."""
    log = behind_everybody()
    assert log.rows == []
    log.append(T0_MS + 116_999)
    assert log.rows == []
    log.append(T0_MS + 117_000)
    assert log.rows[0]["readings"] == 15


def test_without_a_live_stream_later_bins_wait_for_earlier_ones() -> None:
    """Bins that could close wait for an earlier one, so that a wearer's bins are scored in order."""
    log = behind_everybody()
    log.append(T0_MS + 117_000)
    assert [row["readings"] for row in log.rows] == [15, 1, 1]
    assert [row["bin"] for row in log.rows] == sorted(row["bin"] for row in log.rows)


def test_a_reading_from_the_future_moves_no_watermark_beyond_the_clock() -> None:
    """A device that runs ahead cannot close bins before their time."""
    log = LoggedState(VitalsFamily().open(0, None))
    log.append(T0_MS, [reading(T0_MS - 1_000, heart_rate=70.0), reading(T0_MS + 60_000, heart_rate=90.0)])
    assert log.rows == []
    log.append(T0_MS + 4_000, [reading(T0_MS + 3_900, heart_rate=70.0)])
    assert [row["value_heart_rate"] for row in log.rows] == [70.0]
