"""What the guarantees ask of the vitals family where streams, resends, restarts and outages meet."""

from typing import Any

import pytest

from schemas import scores
from schemas.topics import SCORES
from stream_processors.families.vitals import VitalsFamily
from stream_processors.operators.telling import FRAME_ROWS
from tests.vitals_frames import T0_MS, LoggedState, reading

pytestmark = pytest.mark.story

FAMILY = VitalsFamily()
_VARIED = (-3, 1, 2, 0, -1, 3, -2)


def two_streams(log: LoggedState, *, start: int, end: int) -> None:
    """Append every other second: a watch 8 s behind recovers long before a phone of lower quality does."""
    for second in range(start, end, 2):
        at = T0_MS + second * 1_000
        rows = []
        for source, behind, high_until, quality in (("watch", 8, 780, 0.9), ("phone", 0, 860, 0.6)):
            measured = second - behind
            rate = (190 if 600 <= measured < high_until else 70) + _VARIED[measured % 7]
            rows.append(
                reading(at - behind * 1_000, source=source, quality=quality, heart_rate=rate, motion=0.01, steps=0.0)
            )
        log.append(at + 50, rows)


def test_a_restart_at_the_record_that_ends_an_episode_changes_nothing() -> None:
    """What a stream's own bins say is done within their record, also while the wearer's bins still wait."""
    whole, cut = LoggedState(FAMILY.open(0, None)), None
    for second in range(0, 1_000, 2):
        two_streams(whole, start=second, end=second + 2)
        if cut is None and whole.episodes and whole.episodes[-1].phase == "ended":
            cut, blob = second + 2, whole.state.snapshot()
    assert cut is not None
    assert whole.episodes[-1].end_reason == "recovered"
    after = LoggedState(FAMILY.open(0, blob))
    two_streams(after, start=cut, end=1_000)
    assert after.state.snapshot() == whole.state.snapshot()
    assert after.emissions == whole.emissions[-len(after.emissions) :]


def test_bins_that_close_together_after_an_outage_travel_in_frames_that_the_log_takes() -> None:
    """However many bins one record closes, no frame of scores holds more than the log takes; none is lost."""
    log, people = LoggedState(FAMILY.open(0, None)), FRAME_ROWS // 2 + 500
    for second in (0, 5):
        at = T0_MS + second * 1_000
        log.append(at + 10, [reading(at, wearer=wearer, heart_rate=70.0) for wearer in range(people)])
    assert log.rows == []
    step = log.append(T0_MS + 60_000, [reading(T0_MS + 60_000, wearer=wearer) for wearer in range(people)])
    frames = [scores.decode(one.value) for one in step.emissions if one.topic == SCORES.name]
    assert [frame.rows for frame in frames] == [FRAME_ROWS, 2 * people - FRAME_ROWS]
    assert {frame.clock_ms for frame in frames} == {T0_MS + 60_000}
    assert max(len(one.value) for one in step.emissions) < SCORES.max_message_bytes
    assert len({(row["wearer"], row["bin"]) for row in log.rows}) == 2 * people


@pytest.mark.parametrize("boot", [b"a" * 16, b"b" * 16])
def test_a_resend_under_another_correction_counts_once(boot: bytes) -> None:
    """What still waits for its bin and is sent again by a session or boot with another clock is counted once."""
    log = LoggedState(FAMILY.open(0, None))
    first = [reading(T0_MS + second * 1_000, heart_rate=70.0, boot=b"a" * 16) for second in range(5)]
    log.append(T0_MS + 4_050, first)
    anew: dict[str, Any] = {"clock_offset_ms": 5_100, "boot": boot}
    log.append(T0_MS + 4_100, [reading(T0_MS - 1_000, heart_rate=71.0, **anew)])
    log = restarted(log)
    log.append(T0_MS + 4_150, [{**row, **anew} for row in first])
    log.idle(T0_MS + 5_000, 20)
    assert sum(row["readings"] for row in log.rows) == len(first) + 1


def test_a_wrong_clock_pages_although_a_backlog_told_of_it_first() -> None:
    """An offset is as new as the session that shows it, whatever the age of the readings that come first."""
    log = LoggedState(FAMILY.open(0, None))
    hour_old = reading(T0_MS - 3_600_000 - 90_000, clock_offset_ms=90_000, received=T0_MS * 1_000, heart_rate=70.0)
    log.append(T0_MS + 50, [{**hour_old, "backfill": True}])
    (opened,) = [change for change in log.episodes if change.condition == "clock_offset"]
    assert (opened.pages, opened.onset_ms) == (True, T0_MS)


def test_history_that_reaches_the_present_calls_somebody() -> None:
    """An episode that a backlog opened silently pages, under its own id, with the first bin that is not history."""
    log, quarter_ms = LoggedState(FAMILY.open(0, None)), 900_000
    synced = T0_MS + 1_200_000
    past = [
        reading(T0_MS + second * 1_000, heart_rate=190.0 + _VARIED[second % 7], motion=0.01, steps=0.0)
        for second in range(0, 1_200, 2)
    ]
    for start in range(0, len(past), 100):
        log.append(synced, past[start : start + 100])
    told = [change for change in log.episodes if change.condition == "heart_rate.high"]
    assert (told[0].phase, told[0].pages) == ("opened", False)
    (first, *_), history = [one for one in told if one.pages], [one for one in told if not one.pages]
    assert first.episode_id == told[0].episode_id
    assert synced - (first.changed_ms - 5_000) < quarter_ms <= synced - (history[-1].changed_ms - 5_000)


def restarted(log: LoggedState) -> LoggedState:
    """Return the log with a state that was saved and opened again."""
    log.state = FAMILY.open(0, log.state.snapshot())
    return log
