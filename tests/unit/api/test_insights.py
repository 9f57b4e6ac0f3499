"""Rules over stored facts: each sentence with its numbers, none without data."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from api.insights import LEAST_DAYS, insights
from api.records import Point


def analysis(*reasons: str, hrv: dict[str, Any] | None = None, reason: str = "ok") -> dict[str, Any]:
    """Return an analysis with these windows."""
    windows = [{"reason": one, "heart_rate_bpm": 70.0 if one == "ok" else None} for one in reasons]
    return {"windows": windows, "hrv": hrv, "reason": reason, "quality": {"duration_s": 20.0}}


def days(*rates: float | None, simulated: int = 0) -> list[Point]:
    """Return a day for each mean heart rate."""
    start = datetime(2026, 11, 1, tzinfo=UTC)
    return [
        Point(
            wearer=UUID(int=1),
            time=start + timedelta(days=number),
            step=timedelta(days=1),
            readings=10,
            injected=0,
            replayed=0,
            simulated=simulated,
            vitals={} if rate is None else {"heart_rate": {"mean": rate}},
        )
        for number, rate in enumerate(rates)
    ]


def test_without_data_nothing_is_said() -> None:
    """No windows, no variability, no wearer: nothing."""
    assert insights(analysis(), None) == {
        "variability": None,
        "trend": None,
        "recommendations": [],
        "anomalies": [],
    }


@pytest.mark.parametrize(("newest", "kind"), [(63.1, "rising"), (62.9, "steady"), (57.1, "steady"), (56.9, "falling")])
def test_a_trend_compares_the_newest_days_with_those_before(newest: float, kind: str) -> None:
    """Three beats a minute are a trend, less is none; the numbers stand beside it."""
    found = insights(analysis(), days(60, 60, 60, 60, newest, newest, newest))["trend"]
    assert found["kind"] == kind
    assert found["numbers"] == {
        "newest_mean_bpm": newest,
        "before_mean_bpm": 60.0,
        "days": LEAST_DAYS,
        "days_left_out": 0,
    }


def test_made_days_are_left_out() -> None:
    """Days with simulated readings move no trend and make none; how many were left out is told."""
    real = days(60, 60, 60, 60, 60, 60, 60)
    assert insights(analysis(), days(60, 60, 60, 60, 90, 90, 90, simulated=1))["trend"] is None
    found = insights(analysis(), [*real, *days(120, 120, simulated=4)])["trend"]
    assert (found["kind"], found["numbers"]["days_left_out"]) == ("steady", 2)


def test_too_few_days_tell_no_trend() -> None:
    """Days without a heart rate do not count."""
    assert insights(analysis(), days(60, 60, 60, None, 70, 70, 70))["trend"] is None


def test_withheld_windows_are_anomalies_and_some_have_a_remedy() -> None:
    """Reasons are counted, most frequent first; what concerns a fifth of the windows gets its advice, once."""
    found = insights(analysis("warming_up", *["ok"] * 5, *["unsteady"] * 3, *["motion"] * 2, "gap"), None)
    assert [(one["kind"], one["numbers"]) for one in found["anomalies"]] == [
        ("unsteady", {"windows": 3, "of": 11}),
        ("motion", {"windows": 2, "of": 11}),
        ("gap", {"windows": 1, "of": 11}),
    ]
    assert [one["because"] for one in found["recommendations"]] == ["unsteady"]
    short = insights(analysis(reason="too_short"), None)["recommendations"]
    assert [(one["because"], one["numbers"]) for one in short] == [("too_short", {"duration_s": 20.0})]


def test_variability_is_told_with_its_window() -> None:
    """What passed the gates is said with beats and seconds."""
    hrv = {"rmssd_ms": 28.4, "sdnn_ms": 41.0, "pnn50_pct": 7.0, "n_beats": 71, "artefact_pct": 2.0, "window_s": 61.0}
    found = insights(analysis("ok", hrv=hrv), None)["variability"]
    assert found["text"] == "RMSSD 28 ms over 61 s and 71 beats."
    assert found["numbers"]["rmssd_ms"] == 28.4
