"""What is told and what is withheld, rule by rule."""

from dataclasses import replace

import numpy as np
import pytest

from inference.rppg import gate
from inference.rppg.quality import Evidence, components
from inference.rppg.reasons import Reason
from inference.rppg.spectrum import peak, powers, snr_db

_CLEAR = Evidence(
    rate_bpm=70.0, half=0.0, snr_db=6.0, halves_db=3.0, chrom_db=5.0, agreement_bpm=0.5, background_db=-20.0,
    motion=0.0, motion_db=-20.0, saturated=0.0, light=150.0, kurtosis=2.5,
    amplitude=0.003, window_s=20.0, fps=30.0, far=0.0,
)  # fmt: skip


def _reason(evidence: Evidence, *, stability_bpm: float = 1.0, confidence: float = 0.9) -> Reason:
    return gate.rhythm(evidence, stability_bpm=stability_bpm, confidence=confidence)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, Reason.OK),
        ({"snr_db": 2.0}, Reason.LOW_CONFIDENCE),
        ({"snr_db": 2.0, "window_s": 12.0}, Reason.LOW_SNR),
        ({"snr_db": -0.1}, Reason.LOW_SNR),
        ({"snr_db": -0.1, "motion": 0.5}, Reason.MOTION),
        ({"snr_db": -0.1, "light": 40.0}, Reason.LOW_LIGHT),
        ({"snr_db": -0.1, "saturated": 0.1}, Reason.SATURATED),
        ({"agreement_bpm": 3.5}, Reason.UNSTEADY),
        ({"background_db": 1.0}, Reason.FLICKER),
        ({"motion_db": 4.0}, Reason.MOTION),
        ({"rate_bpm": 38.0}, Reason.OUT_OF_BAND),
        ({"rate_bpm": 203.0}, Reason.OUT_OF_BAND),
        ({"rate_bpm": 203.0, "snr_db": 1.0}, Reason.LOW_SNR),
    ],
)
def test_each_rule_of_the_gate(change: dict[str, float], reason: Reason) -> None:
    """A clear rhythm is told; each thing that speaks against it has its own reason."""
    assert _reason(replace(_CLEAR, **change)) is reason


def test_doubt_withholds_or_lowers() -> None:
    """With less confidence a clear rhythm is told as doubtful, with little it is withheld; unstable ones always are."""
    assert _reason(_CLEAR, confidence=0.7) is Reason.LOW_CONFIDENCE
    assert _reason(_CLEAR, confidence=0.4) is Reason.LOW_SNR
    assert _reason(replace(_CLEAR, snr_db=2.0), stability_bpm=8.0) is Reason.UNSTEADY
    assert _reason(replace(_CLEAR, snr_db=2.0), stability_bpm=float("nan")) is Reason.UNSTEADY


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"far": 0.2}, Reason.GAP),
        ({"light": 5.0}, Reason.LOW_LIGHT),
        ({"saturated": 0.4}, Reason.SATURATED),
        ({"motion": 2.0}, Reason.MOTION),
        ({"amplitude": 0.0}, Reason.NO_SIGNAL),
        ({"saturated": float("nan"), "motion": float("nan")}, None),
    ],
)
def test_hard_limits_of_the_scene(change: dict[str, float], reason: Reason | None) -> None:
    """Each limit has its reason, and what is not known breaks none."""
    assert gate.scene(replace(_CLEAR, **change)) is reason


def test_components_name_what_is_known() -> None:
    """The evidence comes by name, and what is not known as None."""
    named = components(replace(_CLEAR, background_db=float("nan")), float("nan"))
    assert named["snr_db"] == 6.0
    assert named["background_db"] is None
    assert named["stability_bpm"] is None


@pytest.mark.parametrize("bpm", [41.0, 66.6, 100.3, 150.7, 199.0])
@pytest.mark.parametrize("seconds", [8, 15, 24, 30])
def test_the_peak_lies_between_the_steps(bpm: float, seconds: int) -> None:
    """A sine is found within 0.3 beats a minute in windows from 8 to 30 s, though steps are of 0.9."""
    wave = np.sin(2 * np.pi * bpm / 60 * np.arange(seconds * 30) / 30)
    power = powers(wave[None])
    assert peak(power[0]).rate_bpm == pytest.approx(bpm, abs=0.3)
    assert snr_db(power, bpm)[0] > 5


def test_noise_does_not_stand_out() -> None:
    """White noise of 20 s lies below 0 dB at its own peak, nineteen times of twenty."""
    power = powers(np.random.default_rng(0).normal(size=(200, 600)))
    own = [float(snr_db(row[None], peak(row).rate_bpm)[0]) for row in power]
    assert np.mean(np.array(own) < 0) > 0.95
