"""What an analysis and stored readings add up to, in sentences: each rests on the numbers beside it."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from api.records import Point

TREND_DAYS: Final = 14
"""So many whole days are looked at."""
LEAST_DAYS: Final = 7
"""With fewer days that hold a heart rate nothing is said of a trend."""
NEWEST_DAYS: Final = 3
NOTABLE_BPM: Final = 3.0

_SHARE_WORTH_ADVICE: Final = 0.2
_ADVICE: Final[Mapping[str, str]] = {
    "motion": "Hold still, head and camera, for the whole recording.",
    "unsteady": "Hold still, head and camera, for the whole recording.",
    "low_snr": "Hold still in even light, nearer to the camera; a less compressed video helps too.",
    "low_light": "Record with more light on the face.",
    "saturated": "Record with less light, or none straight into the camera.",
    "flicker": "Record by daylight, or in light that does not flicker.",
    "light_changes": "Record in light that stays the same, with the camera's exposure locked.",
    "no_face": "Keep the whole face in the picture.",
    "two_faces": "Record one person at a time.",
    "too_short": "Record for a minute at least.",
    "low_fps": "Record with 25 frames a second or more.",
    "gap": "Record without breaks.",
}
_WAITING: Final = frozenset({"warming_up", "no_frames"})


def insights(analysis: Mapping[str, Any], days: Sequence[Point] | None) -> dict[str, Any]:
    """Return what can be said of variability, trend, anomalies and what would help; None and [] where nothing can.

    `days` are the wearer's stored days, oldest first; None where no wearer was named.
    """
    anomalies = _anomalies(analysis)
    return {
        "variability": _variability(analysis),
        "trend": None if days is None else _trend(days),
        "recommendations": _recommendations(anomalies, analysis),
        "anomalies": anomalies,
    }


def _variability(analysis: Mapping[str, Any]) -> dict[str, Any] | None:
    hrv = analysis["hrv"]
    if hrv is None:
        return None
    numbers = {name: hrv[name] for name in ("rmssd_ms", "sdnn_ms", "pnn50_pct", "n_beats", "window_s")}
    text = f"RMSSD {hrv['rmssd_ms']:.0f} ms over {hrv['window_s']:.0f} s and {hrv['n_beats']} beats."
    return {"text": text, "numbers": numbers}


def _trend(days: Sequence[Point]) -> dict[str, Any] | None:
    """Return how the newest days' mean heart rate compares with the days before, where there are enough.

    Days that hold what was replayed, injected or simulated are left out.
    """
    live = [day for day in days if not day.injected + day.replayed + day.simulated]
    rates = [mean for day in live if (mean := day.vitals.get("heart_rate", {}).get("mean")) is not None]
    if len(rates) < LEAST_DAYS:
        return None
    before, newest = rates[:-NEWEST_DAYS], rates[-NEWEST_DAYS:]
    usual_bpm, now_bpm = sum(before) / len(before), sum(newest) / len(newest)
    change = now_bpm - usual_bpm
    kind = "rising" if change >= NOTABLE_BPM else "falling" if change <= -NOTABLE_BPM else "steady"
    text = f"Mean heart rate {now_bpm:.0f} in the newest {len(newest)} days, {usual_bpm:.0f} in {len(before)} before."
    numbers = {
        "newest_mean_bpm": round(now_bpm, 1),
        "before_mean_bpm": round(usual_bpm, 1),
        "days": len(rates),
        "days_left_out": len(days) - len(live),
    }
    return {"kind": kind, "text": text, "numbers": numbers}


def _anomalies(analysis: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return why windows were withheld, most frequent first."""
    judged = [window for window in analysis["windows"] if window["reason"] not in _WAITING]
    counts = Counter(window["reason"] for window in judged if window["heart_rate_bpm"] is None)
    return [
        {
            "kind": reason,
            "text": f"{count} of {len(judged)} windows hold no heart rate: {reason}.",
            "numbers": {"windows": count, "of": len(judged)},
        }
        for reason, count in counts.most_common()
    ]


def _recommendations(anomalies: Sequence[Mapping[str, Any]], analysis: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what would have helped, where a fifth of the windows or the whole recording wanted it."""
    wanted = {
        one["kind"]: one["numbers"]
        for one in anomalies
        if one["numbers"]["windows"] >= _SHARE_WORTH_ADVICE * one["numbers"]["of"]
    }
    wanted.setdefault(analysis["reason"], {"duration_s": analysis["quality"]["duration_s"]})
    said: dict[str, dict[str, Any]] = {}
    for reason, numbers in wanted.items():
        text = _ADVICE.get(reason)
        if text is not None:
            said.setdefault(text, {"text": text, "because": reason, "numbers": numbers})
    return list(said.values())
