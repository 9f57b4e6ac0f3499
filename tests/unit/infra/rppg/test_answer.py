"""What an analysis becomes on the wire: nothing where there is nothing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inference.rppg.estimates import Analysis, Estimate, Variability
from inference.rppg.reasons import BreathReason, HrvReason, Reason
from inference.rppg.samples import trace
from inference.strain.model import FOLDER, GRAPH
from infra.rppg.answer import _risk, told_of

WINDOW = Estimate(
    time_s=112.0,
    heart_rate_bpm=70.04,
    confidence=0.9,
    reason=Reason.OK,
    snr_db=6.0,
    respiratory_rate=None,
    respiratory_reason=BreathReason.TOO_SHORT,
    hrv=None,
    hrv_reason=HrvReason.NOT_DUE,
    components={},
    wave=np.empty(0),
)
WITHHELD = replace(WINDOW, time_s=113.0, heart_rate_bpm=None, confidence=0.0, reason=Reason.MOTION, snr_db=None)
HRV = Variability(
    rmssd_ms=40.0,
    sdnn_ms=50.0,
    pnn50_percent=15.0,
    heart_rate_bpm=72.0,
    heart_rate_sd_bpm=4.0,
    window_s=61.0,
    beats=70,
    kept=0.95,
    template=0.9,
)
ANALYSIS = Analysis(
    heart_rate_bpm=70.04,
    confidence=0.9,
    reason=Reason.OK,
    snr_db=6.0,
    respiratory_rate=None,
    respiratory_reason=BreathReason.TOO_SHORT,
    hrv=HRV,
    hrv_reason=HrvReason.OK,
    windows=[WINDOW, WITHHELD],
    coverage=0.5,
    duration_s=14.0,
    fps=30.0,
    pulse_time_s=np.empty(0),
    pulse=np.empty(0),
    beat_time_s=np.empty(0),
)
SAMPLES = trace([100.0, 100.1], [[1.0, 2.0, 3.0]] * 2)


def test_told_windows_alone_are_heart_rates() -> None:
    """A withheld window is shown with its reason and is no heart rate; times count from the first frame."""
    told = told_of(ANALYSIS, SAMPLES)
    assert told["heart_rate_data"] == [{"timestamp_ms": 12_000, "heart_rate_bpm": 70.0, "confidence_score": 0.9}]
    assert [(one["time_s"], one["heart_rate_bpm"], one["reason"]) for one in told["windows"]] == [
        (12.0, 70.0, "ok"),
        (13.0, None, "motion"),
    ]
    assert told["hrv"]["artefact_pct"] == 5.0
    assert told["features"] == {"mean_hr": 72.0, "std_hr": 4.0, "rmssd": 40.0, "pnn50": 15.0}
    assert (told["quality"]["face_ratio"], told["quality"]["motion"]) == (None, None)


def test_a_recording_without_a_heart_rate_tells_no_number() -> None:
    """Where the whole is withheld no single window is told as a heart rate, and there are no features."""
    told = told_of(replace(ANALYSIS, heart_rate_bpm=None, reason=Reason.MOTION, hrv=None), SAMPLES)
    assert (told["status"], told["heart_rate_data"], told["hr_bpm"]) == ("no_estimate", [], None)
    assert (told["hrv"], told["features"]) == (None, None)


def test_strain_is_told_with_what_it_means_or_not_at_all(tmp_path: Path) -> None:
    """The shipped model tells a level with its worth; without beats, or out of its range, there is a reason."""
    told = _risk(HRV, "ok", None)["risk_prediction"]
    assert told["kind"] == "strain"
    assert 0 <= told["risk_score"] <= 100
    assert "no risk of any disease" in told["meaning"]
    assert "not on video" in told["validated"]
    assert _risk(None, "low_snr", None) == {"risk_prediction": None, "risk_reason": "insufficient_beats: low_snr"}
    far = replace(HRV, heart_rate_bpm=190.0)
    assert _risk(far, "ok", None) == {"risk_prediction": None, "risk_reason": "out_of_distribution"}
    assert _risk(HRV, "ok", tmp_path / "gone.onnx")["risk_reason"] == "model_unavailable"


def test_an_own_model_is_shown_as_one() -> None:
    """What an operator's model tells is marked as not validated."""
    told = _risk(HRV, "ok", FOLDER / GRAPH)["risk_prediction"]
    assert (told["kind"], told["validated"]) == ("own", None)
    assert told["model"] == "own model, not validated by Pulsera"


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_has_a_sentence(reason: Reason) -> None:
    """Whatever the core gives as its reason is said in words."""
    if reason is not Reason.WARMING_UP:  # of a second, never of a recording
        assert told_of(replace(ANALYSIS, reason=reason), SAMPLES)["detail"] != str(reason)
