"""What a video file tells, in the words of the earlier service's contract and more; runs in a process of its own."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, cast

import numpy as np

from inference.slots import Floats
from schemas.errors import ContractError

if TYPE_CHECKING:
    from inference.rppg.estimates import Analysis, Estimate, Variability
    from inference.rppg.samples import Samples

METHOD: Final = "POS (Wang 2017) beside CHROM (de Haan 2013), incremental, windows of 8 to 24 s"
VERSION: Final = "rppg 1"

VALIDATED_ON: Final = "Stress-Predict wristbands"

_DETAILS: Final = {
    "ok": "A heart rate was found.",
    "low_confidence": "A heart rate was found, with little confidence.",
    "no_frames": "The file holds no pictures.",
    "bad_times": "The times of the pictures do not rise.",
    "too_short": "The recording is too short.",
    "low_fps": "There are too few pictures a second.",
    "gap": "Pictures are missing.",
    "unreadable": "Most of the pictures are damaged or missing.",
    "no_face": "There is no face in most of the pictures.",
    "two_faces": "There is more than one face.",
    "low_light": "The face is too dark.",
    "saturated": "The face is overexposed or black.",
    "motion": "The face moves too much.",
    "no_signal": "The colour does not change at all.",
    "out_of_band": "What beats there is slower than 40 or faster than 200 a minute.",
    "flicker": "The same rhythm is in the background: it is the light's.",
    "light_changes": "The light on the face changes at once, again and again.",
    "unsteady": "Two methods, or two halves of the window, tell different heart rates.",
    "low_snr": "The pulse cannot be told from noise.",
}


def answer_of(path: Path, *, region: str, own: Path | None, progress: Callable[[float | None], None]) -> dict[str, Any]:
    """Return what a file tells; `own` is the model of strain that an operator put in the place of ours.

    Raises:
        UnreadableVideoError: It cannot be decoded.
    """
    from inference.rppg.analysis import analyze
    from inference.rppg.video.files import measure_file

    def frames(done: int, told: int) -> None:
        progress(min(0.95, 0.95 * done / told) if told else None)

    measured = measure_file(path, region=cast(Literal["face", "full"], region), progress=frames)
    info = measured.info
    analysis = analyze(measured.samples, cut_off=measured.cut_off)
    answer = told_of(analysis, measured.samples) | _risk(analysis.hrv, str(analysis.hrv_reason), own)
    answer["video"] = {
        "width": info.width,
        "height": info.height,
        "nominal_fps": number(info.nominal_fps),
        "rotation": info.rotation,
        "codec": info.codec,
        "cut_off": measured.cut_off,
    }
    return answer


def told_of(analysis: "Analysis", samples: "Samples") -> dict[str, Any]:
    """Return an analysis as it is answered; a number that is not there is None, never 0."""
    reason = str(analysis.reason)
    return {
        "status": "no_estimate" if analysis.heart_rate_bpm is None else "ok",
        "reason": reason,
        "detail": _DETAILS.get(reason, reason),
        "heart_rate_data": _points(analysis, samples),
        "hr_bpm": _range(analysis),
        "confidence": round(analysis.confidence, 3),
        "respiratory_rate_per_min": number(analysis.respiratory_rate, 1),
        "respiratory_reason": str(analysis.respiratory_reason),
        "hrv": None if analysis.hrv is None else _variability(analysis.hrv),
        "hrv_reason": str(analysis.hrv_reason),
        "features": None if analysis.hrv is None else _features(analysis.hrv),
        "quality": _quality(analysis, samples),
        "windows": [_window(one, _start(samples)) for one in analysis.windows],
        "method": METHOD,
        "model_version": VERSION,
    }


def number(value: float | None, digits: int = 3) -> float | None:
    """Return a rounded number, None where there is none."""
    return None if value is None or not np.isfinite(value) else round(float(value), digits)


def _risk(hrv: "Variability | None", hrv_reason: str, own: Path | None) -> dict[str, Any]:
    """Return the strain, or why none is told: never a default."""
    from inference.strain.model import MEANING, NO_MODEL, Strain, shipped

    manifest = shipped()
    if own is None and manifest is None:
        return {"risk_prediction": None, "risk_reason": NO_MODEL}
    if hrv is None:
        return {"risk_prediction": None, "risk_reason": f"insufficient_beats: {hrv_reason}"}
    if own is not None:
        return _own_risk(hrv, own)
    told = Strain().judge(**_features(hrv), window_s=hrv.window_s)
    if told.strain is None or manifest is None:
        return {"risk_prediction": None, "risk_reason": told.reason}
    prediction = {
        "risk_level": told.level,
        "risk_score": round(100 * told.strain),
        "kind": "strain",
        "meaning": MEANING,
        "model": manifest.name,
        "validated": f"on {VALIDATED_ON}: area under the curve {manifest.area} ({manifest.area_low} to "
        f"{manifest.area_high}), people apart; not on video",
    }
    return {"risk_prediction": prediction, "risk_reason": "ok"}


def _own_risk(hrv: "Variability", own: Path) -> dict[str, Any]:
    from inference.strain.own import LEVELS, OwnModel

    features = _features(hrv)
    try:
        strain = OwnModel(own.read_bytes()).strain(
            (features["mean_hr"], features["std_hr"], features["rmssd"], features["pnn50"])
        )
    except (ContractError, OSError):
        return {"risk_prediction": None, "risk_reason": "model_unavailable"}
    prediction = {
        "risk_level": ("low", "medium", "high")[sum(strain >= edge for edge in LEVELS)],
        "risk_score": round(100 * strain),
        "kind": "own",
        "meaning": "What the operator's own model tells of the four features. Not validated by Pulsera.",
        "model": "own model, not validated by Pulsera",
        "validated": None,
    }
    return {"risk_prediction": prediction, "risk_reason": "ok"}


def _start(samples: "Samples") -> float:
    known = samples.time_s[np.isfinite(samples.time_s)]
    return float(known[0]) if len(known) else 0.0


def _points(analysis: "Analysis", samples: "Samples") -> list[dict[str, Any]]:
    """Return the windows that hold a heart rate; none where the recording as a whole holds none."""
    if analysis.heart_rate_bpm is None:
        return []
    start_s = _start(samples)
    return [
        {
            "timestamp_ms": round((one.time_s - start_s) * 1000),
            "heart_rate_bpm": round(one.heart_rate_bpm, 1),
            "confidence_score": round(one.confidence, 3),
        }
        for one in analysis.windows
        if one.heart_rate_bpm is not None
    ]


def _range(analysis: "Analysis") -> dict[str, float] | None:
    rates = [one.heart_rate_bpm for one in analysis.windows if one.heart_rate_bpm is not None]
    if analysis.heart_rate_bpm is None or not rates:
        return None
    return {"value": round(analysis.heart_rate_bpm, 1), "low": round(min(rates), 1), "high": round(max(rates), 1)}


def _variability(hrv: "Variability") -> dict[str, Any]:
    return {
        "rmssd_ms": round(hrv.rmssd_ms, 1),
        "sdnn_ms": round(hrv.sdnn_ms, 1),
        "pnn50_pct": round(hrv.pnn50_percent, 1),
        "n_beats": hrv.beats,
        "artefact_pct": round(100 * (1 - hrv.kept), 1),
        "window_s": round(hrv.window_s, 1),
    }


def _features(hrv: "Variability") -> dict[str, float]:
    return {
        "mean_hr": round(hrv.heart_rate_bpm, 2),
        "std_hr": round(hrv.heart_rate_sd_bpm, 2),
        "rmssd": round(hrv.rmssd_ms, 2),
        "pnn50": round(hrv.pnn50_percent, 2),
    }


def _quality(analysis: "Analysis", samples: "Samples") -> dict[str, Any]:
    looked = samples.faces[samples.faces >= 0]
    return {
        "snr_db": number(analysis.snr_db, 2),
        "face_ratio": round(float(np.mean(looked > 0)), 3) if len(looked) else None,
        "motion": number(_median(samples.motion), 4),
        "fps": round(analysis.fps, 2),
        "duration_s": round(analysis.duration_s, 2),
        "coverage": round(analysis.coverage, 3),
    }


def _median(values: Floats) -> float | None:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else None


def _window(one: "Estimate", start_s: float) -> dict[str, Any]:
    return {
        "time_s": round(one.time_s - start_s, 2),
        "heart_rate_bpm": number(one.heart_rate_bpm, 1),
        "confidence": round(one.confidence, 3),
        "snr_db": number(one.snr_db, 2),
        "reason": str(one.reason),
    }
