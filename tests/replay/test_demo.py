"""The shipped demo recording (Stress-Predict S06, Iqbal et al., Sensors 2022) and its injected episode."""

import numpy as np
import pytest

from inference.recordings.e4 import Recording, read_e4
from ingest.client.replay import DEMO_FOLDER, DEMO_INJECTION, DEMO_PRESENT_S, DEMO_SPEED, ReplayPlan

START_MS = 1_795_252_241_000
FLOOR_BPM = 180
"""The clinical floor of design section 6: more than 180 bpm at rest for 2 minutes."""
FLOOR_S = 120


@pytest.fixture(scope="module")
def recording() -> Recording:
    """Return the shipped recording."""
    return read_e4(DEMO_FOLDER)


def test_the_demo_s_recording_is_whole(recording: Recording) -> None:
    """It lasts 55 minutes, has a heart rate, temperature and motion nearly throughout, and 3,128 beats."""
    assert recording.seconds == 3322
    assert len(recording.beats_ms) == 3128
    assert set(recording.left_out.values()) == {0}
    assert all(np.isfinite(values[10:3300]).all() for values in recording.vitals.values())


def test_the_episode_falls_on_a_person_at_rest(recording: Recording) -> None:
    """From 5 minutes before the episode to its end no 5 s mean of motion passes 0.08 g, within it none 0.05 g."""
    motion = recording.vitals["motion"]
    inside = motion[DEMO_INJECTION.start_s : DEMO_INJECTION.end_s].reshape(-1, 5).mean(axis=1)
    before = motion[DEMO_INJECTION.start_s - 300 : DEMO_INJECTION.start_s].reshape(-1, 5).mean(axis=1)
    assert inside.max() <= 0.05
    assert before.max() <= 0.08


def test_the_episode_passes_the_clinical_floor_before_the_present(recording: Recording) -> None:
    """The added rate stays above 180 bpm for at least 2 minutes before the present, while the real one is below 90."""
    plan = ReplayPlan(
        recording=recording, present_s=DEMO_PRESENT_S, speed=DEMO_SPEED, start_ms=START_MS, injection=DEMO_INJECTION
    )
    readings = list(plan.readings(0, recording.seconds))
    above = [
        reading["time"]
        for reading in readings
        if reading.get("heart_rate", 0) > FLOOR_BPM and reading["time"] <= START_MS
    ]
    assert START_MS - above[0] >= FLOOR_S * 1000
    assert len(above) == (START_MS - above[0]) // 1000 + 1
    marked = [reading["time"] for reading in readings if reading.get("injected")]
    assert marked[0] == START_MS - 149_000
    assert np.nanmax(recording.vitals["heart_rate"][DEMO_INJECTION.start_s : DEMO_INJECTION.end_s]) < 90


def test_the_recording_shows_recovery_after_the_episode(recording: Recording) -> None:
    """More than a quarter of an hour of unchanged readings follows the episode's end."""
    assert recording.seconds - DEMO_INJECTION.end_s > 900
