"""The sentence of an episode."""

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
    assert reasons.physiological(seen) == "Heart rate 171 for 6 min at rest; usual at rest 62 to 78."


def test_an_unknown_usual_is_said() -> None:
    """Without a baseline the sentence invents none."""
    seen = Evidence(vital="heart_rate", observed=190.0, duration_s=120.0, context="activity unknown")
    sentence = reasons.physiological(seen)
    assert sentence == "Heart rate 190 for 2 min, activity unknown; what is usual for this wearer is not known yet."


def test_saturation_carries_its_unit() -> None:
    """Oxygen saturation is said in percent, without a usual range."""
    seen = Evidence(vital="spo2", observed=82.4, duration_s=130.0)
    assert reasons.physiological(seen) == "Oxygen saturation 82 % for 2 min 10 s."


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
