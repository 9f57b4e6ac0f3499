"""Whether a heart rate is told, by hard limits first and by the evidence then."""

from typing import Final

from inference.rppg.quality import Evidence
from inference.rppg.reasons import Reason
from inference.rppg.spectrum import LEAST_BPM, MOST_BPM

LEAST_FPS: Final = 9.5
"""Of 3.5 Hz, ten frames a second hold not quite three a beat; files that say 10 run a little below."""
MOST_MOTION: Final = 1.5
"""Box widths a second, on average over the window."""
LEAST_LIGHT: Final = 12.0
DIM: Final = 70.0
"""Below, the light is named as the reason where the pulse does not stand out."""
MOST_SATURATED: Final = 0.3
GLARE: Final = 0.02
MOVED: Final = 0.3
"""Above, movement is named as the reason where the pulse does not stand out."""
MOST_FAR: Final = 0.1
FLAT: Final = 1e-6
"""A pulse smaller than this, relative to the colour, is none: a picture."""

REPORT_DB, LEAST_DB = 3.0, 0.0
AGREE_BPM: Final = 3.0
STEADY_BPM: Final = 5.0
SAME_DB: Final = 0.0
"""A background that shows the rhythm as clearly has it from the light."""
MOVES_DB: Final = 3.0
SURE, LEAST_SURE = 0.8, 0.5
LONG_S: Final = 15.0
"""A rhythm that does not stand out clearly is told only of windows this long."""


def scene(evidence: Evidence) -> Reason | None:
    """Return the reason for which nothing that the scene shows is believed, or None."""
    if evidence.far > MOST_FAR:
        return Reason.GAP
    if evidence.light < LEAST_LIGHT:
        return Reason.LOW_LIGHT
    if evidence.saturated > MOST_SATURATED:
        return Reason.SATURATED
    if evidence.motion > MOST_MOTION:
        return Reason.MOTION
    if evidence.amplitude < FLAT:
        return Reason.NO_SIGNAL
    return None


def rhythm(evidence: Evidence, *, stability_bpm: float, confidence: float) -> Reason:
    """Return whether the rhythm is told, and if not, why."""
    inside = LEAST_BPM <= evidence.rate_bpm <= MOST_BPM
    agrees = evidence.agreement_bpm <= AGREE_BPM
    clear = evidence.snr_db >= REPORT_DB
    rules = (
        (clear and not inside, Reason.OUT_OF_BAND),
        (not inside or evidence.snr_db < LEAST_DB, weak(evidence)),
        (evidence.background_db >= SAME_DB, Reason.FLICKER),
        (evidence.motion_db >= MOVES_DB, Reason.MOTION),
        (clear and agrees and confidence >= SURE, Reason.OK),
        (not agrees or not stability_bpm <= STEADY_BPM, Reason.UNSTEADY),
        (confidence >= LEAST_SURE and evidence.window_s >= LONG_S, Reason.LOW_CONFIDENCE),
    )
    return next((reason for holds, reason in rules if holds), weak(evidence))


def weak(evidence: Evidence) -> Reason:
    """Return why a pulse that does not stand out does not, as far as the scene tells."""
    if evidence.motion > MOVED:
        return Reason.MOTION
    if evidence.light < DIM:
        return Reason.LOW_LIGHT
    if evidence.saturated > GLARE:
        return Reason.SATURATED
    return Reason.LOW_SNR
