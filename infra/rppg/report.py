"""What is told of a file or a wave: the same words on a terminal and in JSON."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Final

from inference.rppg.estimates import Analysis, Estimate, Variability
from inference.rppg.video.files import Measured

_DIGITS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What the work took, in seconds: of a clock, and of a core."""

    wall_s: float
    cpu_s: float


def as_json(analysis: Analysis, measured: Measured, cost: Cost) -> dict[str, Any]:
    """Return everything that `pulsera rppg --json` prints."""
    frames = len(measured.samples)
    return {
        "heart_rate_bpm": rounded(analysis.heart_rate_bpm),
        "confidence": rounded(analysis.confidence),
        "reason": str(analysis.reason),
        "snr_db": rounded(analysis.snr_db),
        "coverage": rounded(analysis.coverage),
        "respiratory_rate": rounded(analysis.respiratory_rate),
        "respiratory_reason": str(analysis.respiratory_reason),
        "hrv": None if analysis.hrv is None else _variability(analysis.hrv),
        "hrv_reason": str(analysis.hrv_reason),
        "windows": [_window(one) for one in analysis.windows],
        "frames": frames,
        "duration_s": rounded(analysis.duration_s),
        "measured_fps": rounded(analysis.fps),
        "frames_per_second": rounded(frames / max(cost.wall_s, 1e-9)),
        "frames_per_cpu_second": rounded(frames / max(cost.cpu_s, 1e-9)),
        "video": asdict(measured.info) | {"cut_off": measured.cut_off},
    }


def rounded(value: float | None) -> float | None:
    """Return a number as it is told."""
    return None if value is None else round(float(value), _DIGITS)


def reasons(windows: list[Estimate]) -> dict[str, int]:
    """Return how many windows had which reason, the most frequent first."""
    return dict(Counter(str(window.reason) for window in windows).most_common())


def lines(told: dict[str, Any]) -> list[str]:
    """Return what `pulsera rppg` prints without --json."""
    video = told["video"]
    about = f"{video['width']} x {video['height']}, {told['measured_fps']:g} frames/s, {told['duration_s']:.1f} s"
    notes = [
        f"turned by {video['rotation']} degrees" if video["rotation"] else "",
        "times from the frame rate, the file's own do not rise" if video["times"] == "frame_rate" else "",
        f"the file ends before it says: {told['frames']} of {video['frames_told']} frames" if video["cut_off"] else "",
    ]
    rate = told["heart_rate_bpm"]
    hrv = told["hrv"]
    breathing = told["respiratory_rate"]
    rows = [
        ("video", ", ".join([about, *(note for note in notes if note)])),
        (
            "heart rate",
            f"no estimate: {told['reason']}"
            if rate is None
            else f"{rate:.1f} bpm, confidence {told['confidence']:.2f}, {told['reason']}",
        ),
        ("windows", _reasons(told["windows"])),
        ("variability", f"none: {told['hrv_reason']}" if hrv is None else f"RMSSD {hrv['rmssd_ms']:.1f} ms"),
        ("breathing", f"none: {told['respiratory_reason']}" if breathing is None else f"{breathing:.1f} a minute"),
        ("speed", f"{told['frames_per_second']:.0f} frames/s, {told['frames_per_cpu_second']:.0f} a second of CPU"),
    ]
    return [f"{name:<12} {text}" for name, text in rows]


def _reasons(windows: list[dict[str, Any]]) -> str:
    counts = Counter(window["reason"] for window in windows)
    return ", ".join(f"{count} {reason}" for reason, count in counts.most_common()) or "none"


def _window(one: Estimate) -> dict[str, Any]:
    return {
        "time_s": rounded(one.time_s),
        "heart_rate_bpm": rounded(one.heart_rate_bpm),
        "confidence": rounded(one.confidence),
        "snr_db": rounded(one.snr_db),
        "reason": str(one.reason),
        "respiratory_rate": rounded(one.respiratory_rate),
        "respiratory_reason": str(one.respiratory_reason),
    }


def _variability(hrv: Variability) -> dict[str, float | None]:
    return {name: rounded(value) for name, value in asdict(hrv).items()}
