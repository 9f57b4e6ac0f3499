"""The plan of a replay: what is sent when, with which time, and what the injection changes."""

from datetime import datetime

import numpy as np
import pytest

from inference.recordings.e4 import Recording
from inference.recordings.track import Track
from ingest.client.replay import Injection, ReplayPlan
from schemas.errors import ContractError

START_MS = 1_795_252_241_000


def recording(seconds: int = 1000, heart_rate_bpm: float = 70.0) -> Recording:
    """Return a recording with one steady heart rate and a beat a second."""
    return Recording(
        name="made",
        start_ms=1_000,
        vitals={"heart_rate": np.full(seconds, heart_rate_bpm)},
        beats_ms=np.full(seconds, 857.1),
        beat_ends_s=np.arange(1, seconds + 1, dtype=np.float64),
        beat_starts=np.arange(seconds + 1),
        left_out={},
    )


def plan(present_s: int = 720, speed: float = 60.0, injection: Injection | None = None) -> ReplayPlan:
    """Return a plan over the made recording."""
    return ReplayPlan(recording=recording(), present_s=present_s, speed=speed, start_ms=START_MS, injection=injection)


def test_the_recordings_present_is_now() -> None:
    """The second that ends at the present carries the start of the replay as its time."""
    made = plan()
    assert made.time_ms(719) == START_MS
    assert made.time_ms(0) == START_MS - 719_000
    assert made.time_ms(720) == START_MS + 1000


def test_backlog_goes_at_speed_until_it_has_caught_up_with_the_clock() -> None:
    """720 s at 60 s a second catch up after 720 / 59 s; from there one second a second."""
    made = plan()
    assert [made.sent_by(elapsed) for elapsed in (0, 1, 2, 12)] == [0, 60, 120, 720]
    assert made.in_backlog(12.2)
    assert not made.in_backlog(12.3)
    assert [made.sent_by(elapsed) for elapsed in (13, 14, 100)] == [733, 734, 820]


def test_nothing_is_sent_before_its_time() -> None:
    """At no moment of the replay has a reading gone out whose time still lies ahead."""
    made = plan()
    for elapsed_ms in range(0, 60_000, 250):
        sent = made.sent_by(elapsed_ms / 1000)
        assert sent == 0 or made.time_ms(sent - 1) <= START_MS + elapsed_ms


def test_without_backlog_everything_is_real_time() -> None:
    """A recording whose present is its start goes at one second a second, whatever the speed."""
    made = plan(present_s=0)
    assert [made.sent_by(elapsed) for elapsed in (0, 0.9, 1, 30)] == [0, 0, 1, 30]
    assert not made.in_backlog(0)


def test_the_recording_ends() -> None:
    """No more is due than there is."""
    assert plan().sent_by(1e6) == 1000


@pytest.mark.parametrize(("present_s", "speed"), [(720, 1.0), (720, 0.0), (720, float("nan")), (-1, 60.0)])
def test_a_plan_that_never_reaches_the_present_is_refused(present_s: int, speed: float) -> None:
    """Backlog needs a speed above 1, and the present cannot lie before the recording."""
    with pytest.raises(ContractError):
        plan(present_s=present_s, speed=speed)


def test_an_injection_changes_the_heart_rate_and_says_so() -> None:
    """The injected rate rises over linear ramps and is marked; the beats that contradict it are absent."""
    made = plan(injection=Injection(start_s=100, end_s=200, ramp_s=10, add_bpm=120))
    readings = list(made.readings(0, 1000))
    assert [reading["heart_rate"] for reading in readings[98:112]] == [
        70, 70, 82, 94, 106, 118, 130, 142, 154, 166, 178, 190, 190, 190,
    ]  # fmt: skip
    assert [reading["heart_rate"] for reading in readings[188:202]] == [
        190, 190, 190, 178, 166, 154, 142, 130, 118, 106, 94, 82, 70, 70,
    ]  # fmt: skip
    marked = [place for place, reading in enumerate(readings) if reading.get("injected")]
    assert marked == list(range(100, 200))
    assert all(("ibi" in reading) != ("injected" in reading) for reading in readings)


def test_an_injection_invents_no_heart_rate() -> None:
    """A second without a heart rate stays without one and unmarked within the injection."""
    gap = recording()
    gap.vitals["heart_rate"][150] = np.nan
    made = ReplayPlan(
        recording=gap,
        present_s=0,
        speed=60,
        start_ms=START_MS,
        injection=Injection(start_s=100, end_s=200, ramp_s=10, add_bpm=120),
    )
    (reading,) = made.readings(150, 151)
    assert reading == {"time": START_MS + 151_000, "source": "watch", "ibi": [857.1]}


def test_an_injected_rate_stays_plausible() -> None:
    """The raised rate never passes the registry's 250 bpm, which the gateway would refuse."""
    made = plan(injection=Injection(start_s=0, end_s=100, ramp_s=1, add_bpm=500))
    assert {reading["heart_rate"] for reading in made.readings(0, 100)} == {250}


def test_a_replay_that_was_stopped_goes_on_where_it_was() -> None:
    """The second replay sends what the first has not, with the times that the first would have given."""
    began = plan()
    later = ReplayPlan(recording=recording(), present_s=720, speed=60, start_ms=START_MS + 60_400)
    resumed = later.resumed(newest_ms=began.time_ms(700), began=began)
    assert resumed.first_s == 701
    assert [resumed.time_ms(second) for second in (0, 701)] == [began.time_ms(second) for second in (0, 701)]
    assert resumed.sent_by(0) == 701
    assert resumed.in_backlog(0)
    assert resumed.sent_by(60) == 840
    assert not resumed.in_backlog(60)


def test_a_recording_that_is_over_begins_again_after_what_was_sent() -> None:
    """Nothing of the new replay lies in minutes that an earlier one has filled, known or not."""
    began = plan()
    for newest_ms, present_s in ((began.time_ms(999), 120), (START_MS - 10**9, 720)):
        later = ReplayPlan(
            recording=recording(), present_s=720, speed=60, start_ms=max(newest_ms, START_MS + 280_000) + 121_000
        )
        for before in (began, None):
            again = later.resumed(newest_ms=newest_ms, began=before)
            assert (again.first_s, again.present_s) == (0, present_s)
            assert again.time_ms(0) > newest_ms


def test_a_table_keeps_the_hours_of_its_days() -> None:
    """What was measured at night is sent with a time at which it is night where the wearer is said to live."""
    track = Track(
        name="Ada",
        start_ms=0,
        times_ms=np.array([1_000, 62_000]),
        local_ms=np.array([1_000, 62_000]) + (3 * 60 + 30) * 60_000,
        vitals={"heart_rate": np.array([60.0, np.nan])},
        left_out={},
    )
    noon_ms = 1_795_262_400_000
    made = ReplayPlan(recording=track, present_s=62, speed=60, start_ms=noon_ms)
    (reading,) = made.readings(0, 62)
    sent = datetime.fromisoformat(str(reading["time"]))
    assert sent.timestamp() * 1000 == noon_ms - 61_000
    assert abs(sent.hour * 60 + sent.minute - (3 * 60 + 30)) <= 1
    assert reading["heart_rate"] == 60.0
