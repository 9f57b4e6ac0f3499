"""The sentence of an episode."""

from typing import Any

import pytest

from schemas.episodes import Evidence
from stream_processors.operators import reasons


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [(45_000, "45 s"), (125_000, "2 min 05 s"), (360_000, "6 min"), (11_400_000, "3 h 10 min")],
)
def test_durations_are_said_as_people_say_them(milliseconds: int, words: str) -> None:
    """Seconds, minutes and hours, without a zero part."""
    assert reasons.duration(milliseconds) == words


def test_a_heart_rate_is_compared_with_what_is_usual() -> None:
    """The sentence gives value, duration, rest and the usual range of two deviations."""
    seen = Evidence(
        vital="heart_rate", observed=171.2, duration_s=360.0, expected=70.0, scale=4.0, context="at rest 9 min"
    )
    assert reasons.physiological("heart_rate.high", seen) == "Heart rate 171 for 6 min at rest; usual at rest 62 to 78."


def test_an_unknown_usual_is_said() -> None:
    """Without a baseline the sentence invents none."""
    seen = Evidence(vital="heart_rate", observed=190.0, duration_s=120.0, context="activity unknown")
    sentence = reasons.physiological("heart_rate.high", seen)
    assert sentence == "Heart rate 190 for 2 min, activity unknown; what is usual for this wearer is not known yet."


def test_saturation_carries_its_unit() -> None:
    """Oxygen saturation is said in percent, without a usual range."""
    seen = Evidence(vital="spo2", observed=82.4, duration_s=130.0)
    assert reasons.physiological("spo2.low", seen) == "Oxygen saturation 82 % for 2 min 10 s."


@pytest.mark.parametrize(
    ("seen", "words"),
    [
        (Evidence(injected=True), " Injected values, not a real event."),
        (Evidence(origin="simulated"), " Simulated data."),
        (Evidence(origin="replay"), " Replayed recording."),
        (Evidence(), ""),
    ],
)
def test_made_and_replayed_values_are_always_marked(seen: Evidence, words: str) -> None:
    """Injected, simulated and replayed data are named; live data need no word."""
    assert reasons.marks(seen) == words


@pytest.mark.parametrize(("offset_ms", "side"), [(70_000, "behind"), (-70_000, "ahead")])
def test_a_wrong_clock_says_its_side(offset_ms: int, side: str) -> None:
    """A positive offset (server minus device) is a device that is behind."""
    assert f"1 min 10 s {side}" in reasons.clock_wrong(offset_ms)


OF_THE_MOMENT: dict[str, Any] = {"baseline": 60.0, "context": "at rest 20 min"}


@pytest.mark.parametrize(
    ("condition", "seen", "sentence"),
    [
        (
            "heart_rate.high",
            {"vital": "heart_rate", "observed": 118.0, "duration_s": 840.0, "expected": 73.0, "scale": 5.5},
            "Heart rate 118 for 14 min at rest; usual for this hour 62 to 84.",
        ),
        (
            "respiratory_rate.high",
            {"vital": "respiratory_rate", "observed": 27.2, "duration_s": 480.0, "expected": 15.0, "scale": 1.5},
            "Breathing 27 a minute for 8 min at rest; usual for this hour 12 to 18.",
        ),
        (
            "skin_temperature.high",
            {"vital": "skin_temperature", "observed": 35.9, "duration_s": 7200.0, "expected": 34.5, "scale": 0.4},
            "Skin temperature 1.4 degrees above usual for 2 h.",
        ),
        (
            "body_temperature.high",
            {"vital": "body_temperature", "observed": 38.4, "duration_s": 3600.0, "expected": 36.8, "scale": 0.2},
            "Body temperature 38.4 degrees for 1 h; usual for this hour 36.4 to 37.2.",
        ),
        (
            "hrv_rmssd.low",
            {"vital": "hrv_rmssd", "observed": 14.0, "duration_s": 4200.0, "expected": 45.0, "scale": 8.0},
            "Heart rate variability (RMSSD) 14 ms for 1 h 10 min; usual for this hour 29 to 61.",
        ),
        (
            "spo2.low",
            {"vital": "spo2", "observed": 88.0, "duration_s": 600.0, "expected": 96.0, "scale": 1.0},
            "Oxygen saturation 88 % for 10 min; usual for this hour 94 to 98.",
        ),
        (
            "resting_heart_rate.high",
            {"vital": "heart_rate", "observed": 69.0, "duration_s": 60.0, "time_scale_s": 172_800.0},
            "Heart rate at night higher than usual, two nights running.",
        ),
        (
            "resting_heart_rate.high",
            {"vital": "heart_rate", "observed": 69.0, "duration_s": 60.0, "time_scale_s": 28_800.0},
            "Heart rate at rest higher than usual over 8 h; now 69, own resting value 60.",
        ),
        (
            "skin_temperature.high",
            {"vital": "skin_temperature", "observed": 34.0, "duration_s": 60.0, "time_scale_s": 172_800.0},
            "Skin temperature at night higher than usual, two nights running.",
        ),
        (
            "vitals.drift",
            {"vital": "heart_rate", "observed": 80.0, "duration_s": 3600.0, "expected": 66.0, "scale": 4.0},
            "Several vital signs together far from usual for 1 h; now heart rate 80; usual for this hour 58 to 74.",
        ),
        (
            "vitals.drift",
            {
                "vital": "heart_rate",
                "observed": 80.0,
                "duration_s": 3600.0,
                "expected": 66.0,
                "scale": 4.0,
                "time_scale_s": 3600.0,
                "parts": {"heart_rate": 2.06, "hrv_rmssd": 1.1, "skin_temperature": 0.2, "body_temperature": -0.9},
            },
            (
                "Several vital signs together far from usual for 1 h: heart rate 2.1 above, heart rate variability "
                "(RMSSD) 1.1 below (in usual spreads, average of 1 h); now heart rate 80; usual for this hour 58 to 74."
            ),
        ),
    ],
)
def test_every_condition_has_a_sentence(condition: str, seen: dict[str, Any], sentence: str) -> None:
    """Each says what was seen, for how long and what is usual, from the evidence alone."""
    assert reasons.physiological(condition, Evidence(**seen, **OF_THE_MOMENT)) == sentence


def test_a_breathing_rate_without_known_activity_says_so() -> None:
    """Where no sensor told of activity, nobody is said to be at rest."""
    seen = Evidence(vital="respiratory_rate", observed=27.0, duration_s=480.0, context="activity unknown")
    sentence = reasons.physiological("respiratory_rate.high", seen)
    assert sentence.startswith("Breathing 27 a minute for 8 min, activity unknown;")


def test_who_came_to_rest_later_is_not_said_to_have_rested_all_the_time() -> None:
    """Where the deviation is older than the rest, the sentence says how long the rest is."""
    context = reasons.at_rest_since("at rest 14 min")
    seen = Evidence(vital="heart_rate", observed=91.0, duration_s=3480.0, context=context)
    words = reasons.physiological("heart_rate.high", seen)
    assert words.startswith("Heart rate 91 for 58 min, at rest the last 14 min;")
    assert reasons.at_rest_since("moving or not yet at rest") == "moving or not yet at rest"


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        (
            {"vital": "spo2", "side": "low", "observed": 96.0, "extreme": 87.0, "time_scale_s": 300.0},
            "Oxygen saturation 96 %, back for 3 min; it had reached 87 %.",
        ),
        (
            {"vital": "skin_temperature", "side": "high", "observed": 35.5, "extreme": 36.2, "time_scale_s": 3600.0},
            "Skin temperature on average no longer far from usual, now 35.5 degrees; it had reached 36.2 degrees.",
        ),
        (
            {"vital": "heart_rate", "observed": 74.0, "extreme": 60.0, "time_scale_s": 3600.0},
            "Several vital signs together are no longer far from usual.",
        ),
    ],
)
def test_a_recovery_says_what_came_back(seen: dict[str, Any], sentence: str) -> None:
    """The minutes, where they decide; else the average, which no single value stands for."""
    assert reasons.recovered(Evidence(**seen), within_ms=180_000) == sentence
